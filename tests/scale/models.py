"""Models that take a stated time: factories for replicas, with the real line in front of the encoder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowImage
from app.segmenter.queue import EncoderQueue
from app.settings import Settings
from app.usecases.ports import Claim, ModelInfo, QueueLoad
from tests.fakes.rooms import DarkEmbedding, DarkSegmenter

OLD, NEW = "0" * 64, "1" * 64


@dataclass(frozen=True)
class StampedEmbedding(DarkEmbedding):
    """Knows who made it."""

    sha256: str = OLD
    process: int = 0


class TimedSegmenter(DarkSegmenter):
    """Finds what is dark in the box; its encoder sleeps, and its weights are whatever digest is asked for."""

    def __init__(self, settings: Settings, *, encode_s: float, batch: int = 1, load_s: float = 0.0) -> None:
        super().__init__()
        time.sleep(load_s)
        if settings.segmenter.config == "broken":
            raise ValueError("no such weights")
        self._encode_s = encode_s
        self._gate = _gate(settings)
        self._sha256 = settings.segmenter.sha256 or OLD
        self._queue: EncoderQueue[WindowImage, StampedEmbedding] = EncoderQueue(
            self._encode, batch=batch, max_waiting=settings.segmenter.max_waiting
        )

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("timed", "configured", self._sha256, "float32", "cpu")

    @property
    def load(self) -> QueueLoad:
        return self._queue.load

    def place(self, claim: Claim) -> AbstractContextManager[Callable[[WindowImage], StampedEmbedding]]:
        return self._queue.place(claim)

    def encode(self, image: WindowImage, claim: Claim) -> StampedEmbedding:
        return self._queue.run(image, claim)

    def decode(self, embedding: StampedEmbedding, prompts: Prompts) -> Masks:
        assert embedding.sha256 == self._sha256, "weights were mixed"
        return super().decode(embedding, prompts)

    def close(self) -> None:
        self._queue.close()

    def _encode(self, images: list[WindowImage]) -> list[StampedEmbedding]:
        time.sleep(self._encode_s)
        while self._gate.exists():
            time.sleep(0.02)
        return [StampedEmbedding(np.array(each.pixels[..., 0] < 128), self._sha256, os.getpid()) for each in images]


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Let no encoder of these settings finish meanwhile, in whatever process it is."""
    gate = _gate(settings)
    gate.touch()
    try:
        yield
    finally:
        gate.unlink()


def _gate(settings: Settings) -> Path:
    return settings.segmenter.engine_folder / "held"


quick = partial(TimedSegmenter, encode_s=0.02)
fixed = partial(TimedSegmenter, encode_s=0.2)
slow = partial(TimedSegmenter, encode_s=1.0)
batched = partial(TimedSegmenter, encode_s=0.5, batch=8)
slow_to_load = partial(TimedSegmenter, encode_s=0.02, load_s=2.0)
