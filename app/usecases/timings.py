"""How long the steps of a request took; the names are those of the thesis' Table 7.1."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from app import spans

Step = Literal["validity", "box", "points", "window", "encode", "decode", "postprocess", "update"]
STEPS: tuple[Step, ...] = get_args(Step)


class Stopwatch:
    """Adds up the time of each step, on the monotonic clock, from the moment it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._spent_s: dict[Step, float] = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """Count the time inside the block, also when it raises; in a trace the block is a span."""
        start = time.perf_counter()
        try:
            with spans.span(name):
                yield
        finally:
            self._spent_s[name] += time.perf_counter() - start

    @property
    def elapsed_s(self) -> float:
        """Time since the start, seconds."""
        return time.perf_counter() - self._start

    def timings_ms(self) -> dict[str, float]:
        """Give every step and the total so far, milliseconds."""
        spent = {str(name): round(seconds * 1e3, 3) for name, seconds in self._spent_s.items()}
        return {**spent, "total": round(self.elapsed_s * 1e3, 3)}
