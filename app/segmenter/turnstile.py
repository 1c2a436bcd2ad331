"""Bounds how many calls use the model at a time, and how many may wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import ModelBusy


class Turnstile:
    """Lets `concurrency` callers in, keeps `max_waiting` in line and turns the others away.

    Parameters
    ----------
    concurrency : int
        Callers inside at a time.
    max_waiting : int
        Callers in line.
    """

    def __init__(self, concurrency: int, max_waiting: int) -> None:
        self._free = threading.BoundedSemaphore(concurrency)
        self._concurrency = concurrency
        self._max_waiting = max_waiting
        self._guard = threading.Lock()
        self._waiting = 0
        self._usual_s = 0.0

    @property
    def waiting(self) -> int:
        """How many callers are in line."""
        return self._waiting

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it.

        Raises
        ------
        ModelBusy
            The line is full; `retry_after_s` is how long the line takes at the usual pace.
        """
        if not self._free.acquire(blocking=False):
            self._wait()
        start = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - start
            with self._guard:
                self._usual_s = 0.8 * self._usual_s + 0.2 * spent if self._usual_s else spent
            self._free.release()

    def _wait(self) -> None:
        with self._guard:
            if self._waiting >= self._max_waiting:
                raise ModelBusy(
                    f"The model is busy and {self._waiting} requests wait already.",
                    retry_after_s=max(1.0, self._waiting * self._usual_s / self._concurrency),
                    waiting=self._waiting,
                )
            self._waiting += 1
        try:
            self._free.acquire()
        finally:
            with self._guard:
                self._waiting -= 1
