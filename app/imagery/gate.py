"""A gate for work that needs memory: what is inside at a time stays under one limit, in the order of arrival."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.usecases.ports import Claim

_LOOK_EVERY_S = 0.1
"""How often somebody before the gate is asked whether they still wait."""


class MemoryGate:
    """Safe to share between threads.

    Parameters
    ----------
    most_bytes : int
        Of everything inside.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._changed = threading.Condition()
        self._before: list[object] = []
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many bytes are taken now."""
        return self._inside

    @contextmanager
    def taking(self, wanted: int, claim: Claim) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them for the block.

        Parameters
        ----------
        wanted : int
            At most `most_bytes`.

        Raises
        ------
        ModelBusy
            The claim's deadline passed first.
        CallerGone
            Nobody waits any more.
        """
        self._enter(wanted, claim)
        try:
            yield
        finally:
            with self._changed:
                self._inside -= wanted
                self._changed.notify_all()

    def _enter(self, wanted: int, claim: Claim) -> None:
        me = object()
        with self._changed:
            self._before.append(me)
            try:
                while self._before[0] is not me or self._inside + wanted > self.most_bytes:
                    claim.check()
                    self._changed.wait(_LOOK_EVERY_S)
                self._inside += wanted
            finally:
                self._before.remove(me)
                self._changed.notify_all()
