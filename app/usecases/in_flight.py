"""One refine at a time for one annotation; the same request sent twice is worked on once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.errors import CallerGone

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Flight(Generic[Result]):
    request: Hashable
    result: Future[Result] = field(default_factory=Future)


class InFlight(Generic[Result]):
    """Joins equal requests for one subject and queues different ones."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._flights: dict[Hashable, _Flight[Result]] = {}

    def run(self, subject: Hashable, request: Hashable, work: Callable[[], Result]) -> Result:
        """Give the result of `work`, or of the equal request that is already under way.

        Parameters
        ----------
        subject : Hashable
            What must not be worked on twice at a time, for instance an annotation's id.
        request : Hashable
            Requests that are equal share one result, or one error; one that was given up is taken over by the next.
        work : callable
            Runs in the calling thread, when nothing else runs for `subject`.
        """
        while True:
            mine: _Flight[Result] = _Flight(request)
            with self._guard:
                flight = self._flights.setdefault(subject, mine)
            if flight is mine:
                return self._fly(subject, mine, work)
            if flight.request == request:
                with suppress(CallerGone):  # of the other one, not of this one
                    return flight.result.result()
            else:
                wait([flight.result])

    def _fly(self, subject: Hashable, flight: _Flight[Result], work: Callable[[], Result]) -> Result:
        try:
            result = work()
        except BaseException as error:
            self._land(subject)
            flight.result.set_exception(error)
            raise
        self._land(subject)
        flight.result.set_result(result)
        return result

    def _land(self, subject: Hashable) -> None:
        """Make way before the result is told, so that nobody can join a flight that is over."""
        with self._guard:
            del self._flights[subject]
