"""The model at work, with what was made for it; another can take its place while requests are under way."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass

from app.usecases.embeddings import Ahead, Source
from app.usecases.ports import EmbeddingStore, ModelInfo, QueueLoad, Segmenter
from app.usecases.refine_crop import RefineCrop
from app.usecases.segment_roi import SegmentRoi

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Working:
    """A model and all that knows it: its embeddings are of use to no other."""

    segment: SegmentRoi
    crop: RefineCrop
    ahead: Ahead
    store: EmbeddingStore | None = None

    @property
    def segmenter(self) -> Segmenter:
        """The model."""
        return self.segment.segmenter

    def close(self) -> None:
        """End what runs in the background."""
        for room in (self.ahead, self.segmenter, self.store):
            if room is not None:
                room.close()


class AtWork:
    """Holds the model that new requests are given. A request that has begun keeps the one that it was given.

    Parameters
    ----------
    working : Working
        The first one.
    kept_s : float
        How long a model stays after another has taken its place: no request lasts longer.
    """

    def __init__(self, working: Working, kept_s: float) -> None:
        self._now, self._kept_s = working, kept_s
        self._guard = threading.Lock()
        self._leaving: dict[threading.Timer, Working] = {}

    @property
    def now(self) -> Working:
        """What works for a request that begins now; ask once a request."""
        return self._now

    @property
    def info(self) -> ModelInfo:
        """Which model it is."""
        return self._now.segmenter.info

    @property
    def load(self) -> QueueLoad:
        """How long the line in front of its encoder is."""
        return self._now.segmenter.load

    @property
    def kept_bytes(self) -> int:
        """How much of its windows is remembered."""
        return self._now.segment.embeddings.kept_bytes

    @property
    def given(self) -> Counter[Source]:
        """Where its windows came from."""
        return self._now.segment.embeddings.given

    def replace(self, working: Working) -> None:
        """Give new requests another model; the one before goes when nobody can be using it any more."""
        with self._guard:
            before, self._now = self._now, working
            timer = threading.Timer(self._kept_s, lambda: self._leave(timer))
            timer.daemon = True
            self._leaving[timer] = before
            timer.start()
        log.warning("The model %s (%s) is in use from now on.", self.info.name, self.info.sha256[:12])

    def close(self) -> None:
        """End all of them."""
        with self._guard:
            timers = list(self._leaving)
        for timer in timers:
            timer.cancel()
            self._leave(timer)
        self._now.close()

    def _leave(self, timer: threading.Timer) -> None:
        with self._guard:
            before = self._leaving.pop(timer, None)
        if before is not None:
            before.close()
