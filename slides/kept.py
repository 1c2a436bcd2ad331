"""What is worth keeping of slides, within bounds that hold for the whole process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """A cache that forgets what was not used for longest. Safe to share between threads.

    Parameters
    ----------
    most_bytes : int
        Of everything in it together; what is larger by itself is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._held = most_bytes, 0
        self._things: OrderedDict[Hashable, tuple[_T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> _T | None:
        """Give what is kept under a key, or None."""
        with self._lock:
            found = self._things.get(key)
            if found is None:
                return None
            self._things.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, thing: _T, size_bytes: int) -> None:
        """Keep something, and forget what there is no room for any more."""
        if size_bytes > self._most:
            return
        with self._lock:
            self._held += size_bytes - self._things.pop(key, (None, 0))[1]
            self._things[key] = (thing, size_bytes)
            while self._held > self._most:
                self._held -= self._things.popitem(last=False)[1][1]

    @property
    def held_bytes(self) -> int:
        """What everything in it takes together."""
        return self._held
