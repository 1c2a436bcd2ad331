"""Each caller's share of the service, so that nobody takes everybody's turn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.errors import TooManyRequests


class Shares:
    """Bounds what one caller may ask for.

    Parameters
    ----------
    at_once : int
        Requests in flight.
    per_minute : int
        Requests in any minute.
    """

    def __init__(self, at_once: int, per_minute: int) -> None:
        self._at_once = at_once
        self._rate = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._guard = threading.Lock()
        self._in_flight: Counter[Hashable] = Counter()

    @contextmanager
    def turn(self, caller: Hashable) -> Iterator[None]:
        """Hold one place of a caller's share.

        Raises
        ------
        TooManyRequests
            The share is used up.
        """
        self._take(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    def _take(self, caller: Hashable) -> None:
        with self._guard:
            if self._in_flight[caller] >= self._at_once:
                raise TooManyRequests(f"{self._at_once} of your requests are already running.", at_once=self._at_once)
            if not self._limiter.hit(self._rate, str(caller)):
                again_s = self._limiter.get_window_stats(self._rate, str(caller)).reset_time - time.time()
                raise TooManyRequests(
                    f"More than {self._rate.amount} of your requests arrived within a minute.",
                    retry_after_s=max(again_s, 1.0),
                    per_minute=self._rate.amount,
                )
            self._in_flight[caller] += 1

    def _give_back(self, caller: Hashable) -> None:
        with self._guard:
            self._in_flight[caller] -= 1
            if not self._in_flight[caller]:
                del self._in_flight[caller]
