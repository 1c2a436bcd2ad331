"""A replica of the model: one local segmenter, and for a while the one before it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

import ray
from ray import serve
from ray.exceptions import GetTimeoutError, RayError

from app import spans
from app.api.logs import log_to_stderr
from app.api.metrics import Metrics
from app.errors import ModelNotReady, ServiceError
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowImage
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.settings import SegmenterSettings, Settings, read_settings
from app.usecases.ports import Embedding, ModelInfo, QueueLoad, Segmenter
from scale.messages import About, Decoded, Encoded, Lost, OtherWeights, Seen, Ticket
from scale.options import Weights
from scale.replicas import Page, Replicas

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Factory = Callable[[Settings], Segmenter]
Answer = Decoded | Seen | OtherWeights | Lost | ServiceError

_FETCH_S = 20.0
"""An embedding that does not arrive within this time is made again."""
_OLD_WEIGHTS_S = 120.0
"""The weights before an update still decode the windows that they encoded, for so long."""


def load(settings: Settings) -> Segmenter:
    """Load the model that the settings name, as the service on one machine does."""
    return load_segmenter(settings.segmenter, choose(settings))


class Model:
    """What Serve runs as a replica. Waiting happens in the local segmenter's own line, bounded and fair.

    Parameters
    ----------
    factory : str
        Import path of what makes the segmenter from the settings, ``module:name``.
    settings : Settings, optional
        Default: from this replica's environment.
    threads : int
        Requests that are here at a time, at most.
    """

    def __init__(self, factory: str, settings: Settings | None, threads: int) -> None:
        module, _, name = factory.partition(":")
        self._make: Factory = getattr(import_module(module), name)
        self._settings = settings or read_settings()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._guard = threading.Lock()
        self._now: Segmenter | None = None
        self._before: Segmenter | None = None
        self._wanted: Weights | None = None
        self._replicas: Replicas | None = None
        self._given_up: dict[str, threading.Event] = {}
        self._update: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo:
        """Which model works here."""
        return self._segmenter().info

    @property
    def load(self) -> QueueLoad:
        """How long its line is."""
        return self._segmenter().load

    def __del__(self) -> None:
        """End what runs here, when Serve has let everything finish."""
        if self._replicas:
            self._replicas.close()
        for segmenter in (self._now, self._before):
            if segmenter:
                segmenter.close()

    async def reconfigure(self, weights: dict[str, Any]) -> None:
        """Take other weights.

        The first time the replica is not ready before they are loaded and warm. Later they are loaded beside those at
        work, which answer meanwhile and stay if the new ones cannot be loaded.
        """
        wanted = Weights.model_validate(weights)
        if self._now is None:
            self._wanted = wanted
            await self._in_thread(self._take, wanted)
            self._tell()
        elif wanted != self._wanted:
            self._wanted = wanted
            self._update = asyncio.create_task(self._in_thread(self._try_to_take, wanted))

    def _tell(self) -> None:
        """Let the other replicas know of this one."""
        log_to_stderr(self._settings.api.log_level)
        context, metrics = serve.get_replica_context(), Metrics()
        metrics.watch_queue(self)
        own = f"model-{context.replica_tag}"
        self._replicas = Replicas(context.app_name, own, lambda: Page(metrics.text().decode(), self.load))

    async def about(self) -> About | ServiceError:
        """Tell which model works here, and how long its line is."""
        try:
            segmenter = self._segmenter()
        except ServiceError as error:
            return error
        return About(segmenter.info, segmenter.input_side_px, segmenter.load)

    async def encode(self, image: WindowImage, ticket: Ticket) -> Encoded | ServiceError:
        """Encode a window when the ticket's turn comes. Errors of ours are answers: they travel as they are."""
        return await self._in_thread(self._encode, image, ticket)

    async def decode(self, at: list[ray.ObjectRef[Encoded]], prompts: list[Prompts]) -> Answer:
        """Decode objects of an embedding in the object store; the list keeps Ray from fetching it too early."""

        def work(segmenter: Segmenter, embedding: Embedding) -> Decoded:
            return Decoded(segmenter.info, segmenter.decode_each(embedding, prompts))

        return await self._in_thread(self._with, at[0], work)

    async def features(self, at: list[ray.ObjectRef[Encoded]]) -> Answer:
        """Give what the encoder saw."""

        def work(segmenter: Segmenter, embedding: Embedding) -> Seen:
            return Seen(segmenter.info, segmenter.features(embedding))

        return await self._in_thread(self._with, at[0], work)

    async def leave(self, ticket: str) -> None:
        """Let a ticket be given up, if it is here: out of the line, but what has begun is finished."""
        event = self._given_up.get(ticket)
        if event is not None:
            event.set()

    def _encode(self, image: WindowImage, ticket: Ticket) -> Encoded | ServiceError:
        with self._ticket(ticket) as given_up, spans.overheard() as notes:
            try:
                segmenter = self._segmenter()
                own = WindowImage(image.pixels.copy(), image.grid)  # what came is shared memory, and read-only
                embedding = segmenter.encode(own, ticket.claim(given_up.is_set))
            except ServiceError as error:
                return error
        on_host = getattr(embedding, "on_host", None)
        return Encoded(segmenter.info, on_host() if on_host else embedding, notes)

    def _with(self, at: ray.ObjectRef[Encoded], work: Callable[[Segmenter, Embedding], Decoded | Seen]) -> Answer:
        """Do something with an embedding, by the weights that made it."""
        try:
            encoded = ray.get(at, timeout=_FETCH_S)
        except (RayError, GetTimeoutError) as error:
            log.warning("An embedding is lost: %s", type(error).__name__)
            return Lost()
        try:
            segmenter = self._segmenter_of(encoded)
            if segmenter is None:
                return OtherWeights(self._segmenter().info)
            return work(segmenter, encoded.embedding)
        except ServiceError as error:
            return error

    @contextmanager
    def _ticket(self, ticket: Ticket) -> Iterator[threading.Event]:
        given_up = self._given_up.setdefault(ticket.id, threading.Event())
        try:
            yield given_up
        finally:
            self._given_up.pop(ticket.id, None)

    def _segmenter(self) -> Segmenter:
        if self._now is None:
            raise ModelNotReady("The model is still loading.", retry_after_s=5.0)
        return self._now

    def _segmenter_of(self, encoded: Encoded) -> Segmenter | None:
        with self._guard:
            here = (self._now, self._before)
        return next((each for each in here if each and each.info.sha256 == encoded.info.sha256), None)

    def _try_to_take(self, wanted: Weights) -> None:
        try:
            self._take(wanted)
        except Exception:
            log.exception("The weights %s could not be loaded; the previous ones stay in use.", wanted)

    def _take(self, wanted: Weights) -> None:
        """Load weights, warm them up, then let them take the place of those at work."""
        given = {name: value for name, value in wanted.model_dump().items() if value is not None}
        own = self._settings.segmenter.model_dump(exclude_unset=True)
        segmenter = SegmenterSettings.model_validate({**own, **given})
        made = self._make(self._settings.model_copy(update={"segmenter": segmenter}))
        made.warm_up()
        with self._guard:
            before, self._before, self._now = self._before, self._now, made
        log.warning("Now uses %s, sha256 %s.", made.info.name, made.info.sha256)
        if before:
            before.close()
        if self._before:
            timer = threading.Timer(_OLD_WEIGHTS_S, self._forget, [self._before])
            timer.daemon = True
            timer.start()

    def _forget(self, before: Segmenter) -> None:
        with self._guard:
            if self._before is not before:
                return
            self._before = None
        before.close()

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
