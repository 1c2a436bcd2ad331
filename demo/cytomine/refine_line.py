"""The bounded line of Core's addition: some refines at work, some more waiting, in the order they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.cytomine.refine_problems import busy


class WaitingLine:
    """A line with so many places, so much room to wait, and so much patience.

    Parameters
    ----------
    at_work, waiting : int
        Most at a time.
    longest_wait_s : float
        Who waits longer is sent away.
    what : str
        Those in line, as callers call them.
    """

    def __init__(self, at_work: int = 6, waiting: int = 24, *, longest_wait_s: float, what: str = "refines") -> None:
        self._what = what
        self._room = at_work + waiting
        self._places = asyncio.Semaphore(at_work)
        self._longest_wait_s = longest_wait_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place and hold it; raises `Problem` if there is none."""
        if not self._room:
            raise busy(self._what)
        self._room -= 1
        try:
            await self._take_place()
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._room += 1

    async def _take_place(self) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), self._longest_wait_s)
        except TimeoutError:
            raise busy(self._what) from None
