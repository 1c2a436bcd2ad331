"""Drawn scenes by number: each is the same whenever it is drawn, and other processes draw them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from types import TracebackType

import cv2
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from training.embedded.pool import Rng
from training.embedded.recipe import SHARES
from training.terminal import bar_of
from training.tissue import Scene, draw_scene

SIDE_PX = 512
_GOLDEN = 0.6180339887498949
_STORED = 0.5
"""Share of the scenes that were stored as JPEG, as slides are: its blocks grow with small objects' windows."""


class DrawnScenes:
    """Draws scenes ahead of their use, in as many processes as there are cores to spare.

    Parameters
    ----------
    seed : int
        Of all scenes.
    workers : int, optional
        Default: all cores but one.
    """

    def __init__(self, seed: int, workers: int | None = None) -> None:
        self._seed = seed
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of torch hold
        count = workers or max(1, (os.cpu_count() or 2) - 1)
        self._workers = ProcessPoolExecutor(count, context, initializer=_begin)
        self._asked: dict[int, Future[Scene]] = {}

    def __enter__(self) -> DrawnScenes:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what nobody waits for any more is not drawn."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def ask(self, numbers: Iterable[int]) -> None:
        """Have scenes drawn that will be wanted."""
        for number in numbers:
            if number not in self._asked:
                self._asked[number] = self._workers.submit(drawn, self._seed, number)

    def take(self, numbers: list[int]) -> list[Scene]:
        """Wait for scenes; each is taken once."""
        self.ask(numbers)
        waiting = [self._asked.pop(number) for number in numbers]
        found = []
        with bar_of(TextColumn("Drawing scenes"), BarColumn(), MofNCompleteColumn()) as bar:
            for each in bar.track(waiting):
                found.append(each.result())
        return found


def _begin() -> None:
    """Leave the cores to the others, and Ctrl-C to the process that asks."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def kind_of(number: int) -> str:
    """Choose the kind of a scene, so that any run of numbers holds the kinds in their shares."""
    place, cumulated = (number * _GOLDEN) % 1.0, np.cumsum(list(SHARES.values()))
    return list(SHARES)[min(int(np.searchsorted(cumulated, place, side="right")), len(SHARES) - 1)]


def drawn(seed: int, number: int) -> Scene:
    """Draw a scene by its number."""
    rng = np.random.default_rng([seed, number])
    return as_stored(rng, draw_scene(rng, kind_of(number), SIDE_PX), _STORED)


def as_stored(rng: Rng, scene: Scene, share: float) -> Scene:
    """Store a scene as JPEG and read it again, so often."""
    if rng.random() >= share:
        return scene
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))]
    stored = cv2.imencode(".jpg", scene.image[..., ::-1], quality)[1]
    read = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)
    return replace(scene, image=np.ascontiguousarray(read[..., ::-1]))
