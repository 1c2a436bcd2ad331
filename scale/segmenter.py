"""The model's port, fulfilled by replicas. Encoding and decoding are pure: what died with a replica is asked again."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from app import spans
from app.errors import CallerGone, ModelBusy, ModelNotReady, ServiceError
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowImage
from app.usecases.in_flight import InFlight
from app.usecases.ports import Claim, Embedding, ModelInfo, QueueLoad
from scale.messages import About, Decoded, Encoded, OtherWeights, Seen, Ticket

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
"""How often somebody who waits for a replica is asked whether they still do."""
_LEAVE_EVERY_S = 1.0
"""How often the replicas are told of a ticket that was given up, until its answer comes."""
_LATE_S = 5.0
"""A replica refuses by itself what is too late; so long after a deadline its word is not waited for any longer."""
_TRIES = 4
_PAUSE_S = 0.1
"""Before the second try; doubled each time."""
_FULL_PAUSES_S = (0.0, 0.2, 0.5)
"""Before each further try of somebody for whom a line had no place."""
_ELSEWHERE = 10
"""How often another replica is asked for weights that one did not have, before the window is encoded again."""
_TOGETHER = 16
"""Objects that are decoded by one call of a replica: 16 MB of masks where the model is a large one."""
_AGAIN = 3
"""How often one window is encoded again for one decoding."""
_DIED = (
    RayActorError,
    WorkerCrashedError,
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    ReplicaUnavailableError,
    TaskCancelledError,
)
"""What tells that a replica, or its machine, went away. Nobody but a replica that stops cancels a call."""

_used: ContextVar[ModelInfo | None] = ContextVar("used", default=None)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RemoteEmbedding:
    """An embedding in Ray's object store, where every replica can read it."""

    at: ray.ObjectRef[Encoded]
    info: ModelInfo
    nbytes: int
    image: WindowImage
    """What it was made of: if it is lost, or its weights are, it is made again."""


class RaySegmenter:
    """The model as the HTTP edge sees it: one segmenter, whatever number of replicas there is.

    Parameters
    ----------
    model : DeploymentHandle
        Of the deployment of `scale.model.Model`. Waits for its first replica.
    patience_s : float
        How long a decoding may take in all, encoding again included.
    load : callable
        Tells how long the lines of all replicas are together.
    """

    def __init__(self, model: DeploymentHandle[Any], patience_s: float, load: Callable[[], QueueLoad]) -> None:
        self._model = model
        self._patience_s = patience_s
        self._load = load
        self._guard = threading.Lock()
        self._newer: WeakKeyDictionary[RemoteEmbedding, RemoteEmbedding] = WeakKeyDictionary()
        self._making: InFlight[RemoteEmbedding] = InFlight()
        self._info, self._input_side_px = self._about()

    @property
    def info(self) -> ModelInfo:
        """Which model decoded last for this request; outside of one, or before, the one that was heard of last.

        While weights are updated two models are at work, and an answer names the one that it is from.
        """
        return _used.get() or self._info

    @property
    def input_side_px(self) -> int:
        """Side of the square that the encoder sees."""
        return self._input_side_px

    @property
    def load(self) -> QueueLoad:
        """How long the lines of all replicas are together."""
        return self._load()

    @contextmanager
    def place(self, claim: Claim) -> Iterator[Callable[[WindowImage], RemoteEmbedding]]:
        """Begin at once: the lines are the replicas', and which of them will be the shortest is not known yet."""
        _check(claim)
        yield lambda image: self.encode(image, claim)

    def encode(self, image: WindowImage, claim: Claim) -> RemoteEmbedding:
        """Let the replica with the shortest line encode a window; one that has no place for it, and then another.

        Raises
        ------
        ModelBusy, DeviceOutOfMemory, ModelNotReady
            Try again later.
        CallerGone
            Nobody waits any more.
        """
        response, answer = self._in_a_line(claim, image)
        encoded = cast(Encoded, answer)
        self._info = encoded.info
        spans.retell(encoded.notes)
        nbytes = encoded.embedding.nbytes + image.pixels.nbytes
        return RemoteEmbedding(response._to_object_ref_sync(), encoded.info, nbytes, image)

    def _in_a_line(self, claim: Claim, image: WindowImage) -> tuple[DeploymentResponse[Any], object]:
        """Ask for a place until a replica has one, or all lines may be taken for full.

        Many who come at once are spread by chance, and Serve passes over a replica that does not tell the length of its
        line within a tenth of a second. A moment later it has been counted, and the shorter line is chosen.
        """
        for pause_s in _FULL_PAUSES_S:
            try:
                return self._ask(claim, "encode", image)
            except ModelBusy:
                time.sleep(pause_s)
        return self._ask(claim, "encode", image)

    def decode(self, embedding: Embedding, prompts: Prompts) -> Masks:
        """Let any replica of the embedding's weights decode it; see `decode_each`."""
        (masks,) = self.decode_each(embedding, [prompts])
        return masks

    def decode_each(self, embedding: Embedding, prompts: Sequence[Prompts]) -> list[Masks]:
        """Let any replica of the embedding's weights decode objects; what is lost is encoded again first.

        They go in parts, so that others have their turn between two, and no message is large.

        Raises
        ------
        ModelBusy, DeviceOutOfMemory, ModelNotReady
            Try again later.
        """
        parts = [list(prompts[at : at + _TOGETHER]) for at in range(0, len(prompts), _TOGETHER)]
        answers = (cast(Decoded, self._worked("decode", embedding, part)) for part in parts)
        return [masks for answer in answers for masks in answer.masks]

    def features(self, embedding: Embedding) -> npt.NDArray[np.float32]:
        """Let any replica of the embedding's weights tell what the encoder saw; raises as `decode_each` does."""
        return cast(Seen, self._worked("features", embedding)).features

    def _worked(self, method: str, embedding: Embedding, *arguments: object) -> Decoded | Seen:
        """Let a replica work on an embedding; one that is lost is made again first."""
        given = cast(RemoteEmbedding, embedding)
        claim = Claim(deadline=time.monotonic() + self._patience_s)
        for _ in range(_AGAIN):
            answer = self._answer(method, self._newest(given), arguments, claim)
            if answer is not None:
                return answer
            self._making.run(id(given), given, lambda: self._made_again(given, claim), claim)
        raise ModelNotReady("The model is being updated.", retry_after_s=5.0)

    def warm_up(self) -> None:
        """Wait for a replica; each has run its model once before it counts as one."""
        self._info, self._input_side_px = self._about()

    def close(self) -> None:
        """End nothing: the replicas are Serve's to end."""

    def _about(self) -> tuple[ModelInfo, int]:
        about = cast(About, self._ask(Claim(), "about")[1])
        return about.info, about.input_side_px

    def _newest(self, embedding: RemoteEmbedding) -> RemoteEmbedding:
        with self._guard:
            return self._newer.get(embedding, embedding)

    def _made_again(self, embedding: RemoteEmbedding, claim: Claim) -> RemoteEmbedding:
        made = self.encode(embedding.image, claim)
        with self._guard:
            self._newer[embedding] = made
        return made

    def _answer(
        self, method: str, embedding: RemoteEmbedding, arguments: tuple[object, ...], claim: Claim
    ) -> Decoded | Seen | None:
        """Give what a replica answers, unless the embedding is lost or no replica has its weights."""
        for _ in range(_ELSEWHERE):
            _, answer = self._ask(claim, method, [embedding.at], *arguments)
            if isinstance(answer, Decoded | Seen):
                _used.set(answer.info)
                return answer
            if not isinstance(answer, OtherWeights):
                return None
            time.sleep(_PAUSE_S)  # weights are updated one replica after the other
        return None

    def _ask(self, claim: Claim, method: str, *arguments: object) -> tuple[DeploymentResponse[Any], object]:
        """Call a replica, and another one if it dies; gives the response and what it holds."""
        died: Exception | None = None
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE_S * 2 ** (attempt - 1))
            _check(claim)
            ticket = Ticket.of(uuid.uuid4().hex, claim)
            given = (*arguments, ticket) if method == "encode" else arguments
            try:
                # Outside of the request's context: else Serve would cancel the call when the client goes away, and
                # throw away a window that is being encoded. The claim tells the replica.
                response = Context().run(getattr(self._model, method).remote, *given)
                answer = self._wait(response, claim, ticket)
            except _DIED as error:
                log.warning("A replica went away during %s: %s", method, type(error).__name__)
                died = error
            except BackPressureError as error:
                raise ModelBusy("All replicas of the model are busy.", retry_after_s=2.0) from error
            except DeploymentUnavailableError as error:
                raise ModelNotReady("The model cannot be started.", retry_after_s=30.0) from error
            else:
                if isinstance(answer, ServiceError):
                    raise answer
                return response, answer
        raise ModelNotReady("No replica of the model answers.", retry_after_s=5.0) from died

    def _wait(self, response: DeploymentResponse[Any], claim: Claim, ticket: Ticket) -> object:
        told = -_LEAVE_EVERY_S
        while True:
            try:
                return response.result(timeout_s=_LOOK_EVERY_S)
            except TimeoutError as error:
                if isinstance(error, RayTaskError):  # the work itself ran into a time-out
                    raise
            now = time.monotonic()
            if now > claim.deadline + _LATE_S:
                response.cancel()  # type: ignore[no-untyped-call]
                raise ModelBusy("The model did not answer in time.", retry_after_s=_LATE_S)
            if claim.given_up() and now - told > _LEAVE_EVERY_S:
                told = now
                self._leave(ticket)

    def _leave(self, ticket: Ticket) -> None:
        """Let the replicas know of a ticket that was given up; the one that has it answers, the others shrug."""
        try:
            self._model.broadcast("leave", ticket.id).results(timeout_s=_LEAVE_EVERY_S)
        except (RayError, TimeoutError) as error:
            log.info("Not all replicas could be told that a ticket was given up: %s", type(error).__name__)


def _check(claim: Claim) -> None:
    if claim.given_up():
        raise CallerGone("Nobody is waiting for this any longer.")
    if time.monotonic() > claim.deadline:
        raise ModelBusy("The model did not get to this request in time.", retry_after_s=1.0)
