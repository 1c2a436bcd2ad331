"""Who reads a slide when: each slide has threads of its own, so that a slow one does not hold up the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

_THREADS = 4
"""That read one slide at a time."""
_SLIDES = 64
"""Whose lines are remembered."""
_T = TypeVar("_T")


class Turns:
    """Lines before slides; for one event loop."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, CapacityLimiter] = OrderedDict()

    async def of(self, path: str, work: Callable[[], _T]) -> _T:
        """Run something that reads a slide on a thread, when it is its turn."""
        line = self._lines.setdefault(path, CapacityLimiter(_THREADS))
        self._lines.move_to_end(path)
        if len(self._lines) > _SLIDES:
            self._lines.popitem(last=False)
        return await to_thread.run_sync(work, limiter=line)
