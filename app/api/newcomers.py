"""Callers about whom Core must be asked: a room of their own, so that bogus credentials crowd nobody out.

Whoever is known passes by. The room holds so many at a time, half of them from one address at most, and whom Core has
just refused is refused again without asking.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import TypeVar

from cachetools import TTLCache

from app.errors import PlatformUnauthorized, TooManyRequests

_REFUSED_S = 10.0
_MOST_REFUSED = 16_384

Answer = TypeVar("Answer")


class Newcomers:
    """Asks about callers whom nobody knows yet.

    Parameters
    ----------
    at_once : int
        How many are asked about at a time.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once, self._of_one = at_once, max(1, at_once // 2)
        self._guard = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._refused: TTLCache[Hashable, str] = TTLCache(_MOST_REFUSED, _REFUSED_S)

    def ask(self, credentials: Hashable, address: str, question: Callable[[], Answer]) -> Answer:
        """Give the answer of `question`, which asks Core.

        Parameters
        ----------
        credentials : Hashable
            What a refusal is remembered by; nothing that could be used again.
        address : str
            Where the request came from.

        Raises
        ------
        TooManyRequests
            There is no place in the room, or this address has its half of them.
        PlatformError
            Core refuses, has just refused, or fails.
        """
        self._enter(credentials, address)
        try:
            return question()
        except PlatformUnauthorized as error:
            with self._guard:
                self._refused[credentials] = error.detail
            raise
        finally:
            with self._guard:
                self._inside -= Counter([address])

    def _enter(self, credentials: Hashable, address: str) -> None:
        with self._guard:
            refused = self._refused.get(credentials)
            if refused is not None:
                raise PlatformUnauthorized(refused)
            if self._inside.total() >= self._at_once or self._inside[address] >= self._of_one:
                raise TooManyRequests("Too many new callers are being checked right now.", retry_after_s=2.0)
            self._inside[address] += 1
