"""One refine at a time for one annotation; the same request sent twice is worked on once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.errors import CallerGone, ModelBusy
from app.usecases.ports import Claim

_LOOK_S = 0.1
"""How often whoever waits looks whether it still should."""

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

    def run(self, subject: Hashable, request: Hashable, work: Callable[[], Result], claim: Claim) -> Result:
        """Give the result of `work`, or of the equal request that is already under way.

        Parameters
        ----------
        subject : Hashable
            What must not be worked on twice at a time, for instance an annotation's id.
        request : Hashable
            Requests that are equal share one result, or one error. What one was refused because of its own deadline or
            client, or for want of a place, is not the other's answer: that one tries for itself.
        work : callable
            Runs in the calling thread, when nothing else runs for `subject`.
        claim : Claim
            How long this one waits for others, and for whom.

        Raises
        ------
        ModelBusy, CallerGone
            The claim ended while another one was worked on.
        """
        while True:
            mine: _Flight[Result] = _Flight(request)
            with self._guard:
                flight = self._flights.setdefault(subject, mine)
            if flight is mine:
                return self._fly(subject, mine, work)
            is_the_same = flight.request == request
            _wait(flight.result, claim)
            if is_the_same:
                with suppress(CallerGone, ModelBusy):  # of the other one, not of this one
                    return flight.result.result()

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


def _wait(result: Future[Result], claim: Claim) -> None:
    """Wait until another one is done, as long as the claim stands."""
    while not result.done():
        claim.check()
        wait([result], timeout=_LOOK_S)
