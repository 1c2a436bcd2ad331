"""The line in front of the encoder: bounded, fair between users, and left by those who no longer wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from cachetools import LRUCache

from app import spans
from app.errors import CallerGone, ModelBusy
from app.usecases.ports import Claim, QueueLoad

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOOK_EVERY_S = 0.1
"""How often somebody in line is asked whether they still wait."""
_MAKING_S = 2.0
"""A job that is being made for longer is not counted on: whatever makes it hangs, and holds nobody else up."""
_USERS = 4096
"""Users whose last turn is remembered."""
_LONGEST_S = 600.0
"""Nobody is told to come back later than that."""


@dataclass(eq=False, slots=True)
class _Ticket(Generic[Job, Result]):
    claim: Claim
    number: int
    job: Job | None = None
    ready: bool = False
    """Whether its job is here yet."""
    since: float = field(default_factory=time.monotonic)
    turn: float = 0.0
    """When its turn came."""
    result: Future[Result] = field(default_factory=Future)


class EncoderQueue(Generic[Job, Result]):
    """Runs jobs in batches: those of clicks before those ahead of a click, the user first who had no turn for longest.

    Parameters
    ----------
    work : callable
        Takes a batch of jobs, at least one, and gives their results in the same order.
    workers : int
        Batches at a time.
    batch : int
        Jobs in a batch, at most. What is in line is taken; nobody waits for a batch to fill.
    max_waiting : int
        Jobs in line; more are refused.
    usual_s : float
        How long a window by itself is known to take, seconds; 0 where that has to be seen first.
    """

    def __init__(
        self,
        work: Callable[[list[Job]], list[Result]],
        *,
        workers: int = 1,
        batch: int = 1,
        max_waiting: int = 32,
        usual_s: float = 0.0,
    ) -> None:
        self._work, self._workers, self._batch, self._max_waiting = work, workers, batch, max_waiting
        self._changed = threading.Condition()
        self._line: list[_Ticket[Job, Result]] = []
        self._turned_away: dict[Hashable, float] = {}  # and when they are to be back, on the monotonic clock
        self._last_turn: LRUCache[Hashable, int] = LRUCache(_USERS)
        self._turns = 0
        self._running = 0
        self._windows = self._batches = 0
        self._usual_s = usual_s
        self._usual_jobs = 1.0  # of a batch that takes so long
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def load(self) -> QueueLoad:
        """How long the line is, and how old."""
        with self._changed:
            oldest = min((ticket.since for ticket in self._line), default=time.monotonic())
            waited_s = time.monotonic() - oldest
            return QueueLoad(len(self._line), self._running, waited_s, windows=self._windows, batches=self._batches)

    def run(self, job: Job, claim: Claim) -> Result:
        """Wait for a turn and give the job's result; raises what `place` and what it yields do."""
        with self.place(claim) as run:
            return run(job)

    @contextmanager
    def place(self, claim: Claim) -> Iterator[Callable[[Job], Result]]:
        """Hold a place in line while the job is still being made; whoever finds no place need not make it.

        Others go first until the job is here, except work ahead of a click: it would keep a click waiting. A job that
        is not here after `_MAKING_S` holds its place no longer. Whoever finds the line full of jobs that are being
        made waits until it is known whether they come.

        Yields
        ------
        callable
            Takes the job, waits for its turn and gives its result; raises `ModelBusy` if the deadline passes first, and
            `CallerGone` if the claim is given up.

        Raises
        ------
        ModelBusy
            The line is full, or longer than the claim can wait; `retry_after_s` is when there will be a place, after
            all who were told so before.
        CallerGone
            The claim was given up before there was a place.
        """
        ticket = self._enter(claim)
        try:
            yield lambda job: self._run(ticket, job)
        finally:
            self._give_up(ticket)

    def _run(self, ticket: _Ticket[Job, Result], job: Job) -> Result:
        with self._changed:
            ticket.job, ticket.ready = job, True
            self._changed.notify()
        while True:
            try:
                result = ticket.result.result(_LOOK_EVERY_S)
            except NotYet:
                if ticket.result.done():  # the work itself ran into a time-out
                    raise
                self._check(ticket)
            else:
                _tell(ticket)
                return result

    def close(self) -> None:
        """Let the workers end after what they have begun; whoever is in line is refused."""
        with self._changed:
            self._closed = True
            line, self._line = self._line, []
            self._changed.notify_all()
        for ticket in line:
            ticket.result.set_exception(ModelBusy("The service is stopping.", retry_after_s=5.0))
        for thread in self._threads:
            thread.join()

    def _enter(self, claim: Claim) -> _Ticket[Job, Result]:
        with self._changed:
            self._turned_away.pop(claim.user, None)
            while self._lack_s(claim, self._clicks(making=True)) > 0:
                here = self._clicks(making=False)
                if (lack_s := self._lack_s(claim, here)) > 0:
                    told = f"{here} requests wait already, which takes about {self._wait_s(here):.0f} s"
                    again_s = self._again_s(lack_s, claim)
                    raise ModelBusy(f"The model is busy: {told}.", retry_after_s=again_s, waiting=here)
                if claim.given_up():
                    raise CallerGone("Nobody is waiting for this any longer.")
                self._changed.wait(_LOOK_EVERY_S)
            self._turns += 1
            ticket: _Ticket[Job, Result] = _Ticket(claim, self._turns)
            self._line.append(ticket)
            self._start()
            return ticket

    def _clicks(self, *, making: bool) -> int:
        """Count the clicks in line whose jobs are here, and with `making` those whose jobs may still come in time."""
        young = time.monotonic() - _MAKING_S
        clicks = (ticket for ticket in self._line if not ticket.claim.ahead)
        return sum(ticket.ready or (making and ticket.since > young) for ticket in clicks)

    def _wait_s(self, before: int) -> float:
        """Tell how long it takes at the usual pace until those before, and those who run, are done."""
        return (before + self._running) * self._pace_s()

    def _pace_s(self) -> float:
        """Tell the time from job to job: batches as large and as long as those of late, not as large as they may be."""
        return self._usual_s / (self._workers * self._usual_jobs)

    def _lack_s(self, claim: Claim, before: int) -> float:
        """Tell how much too late a place behind so many others would be; 0 where there is one in time."""
        wait_s = self._wait_s(before)
        if self._closed or before >= self._max_waiting:
            return max(1.0, wait_s)
        return max(0.0, time.monotonic() + wait_s + self._usual_s - claim.deadline)

    def _again_s(self, free_s: float, claim: Claim) -> float:
        """Tell whoever is turned away when to come back: not all at once, but one after the other at the usual pace.

        `free_s` is when there will be a place. Those who were told so before, and are not back yet, have it first.
        """
        now = time.monotonic()
        self._turned_away = {user: due for user, due in self._turned_away.items() if due > now}
        earlier_s = len(self._turned_away) * self._pace_s()
        again_s = min(max(1.0, free_s) + earlier_s, _LONGEST_S)
        if not claim.ahead and len(self._turned_away) < _USERS:
            self._turned_away[object() if claim.user is None else claim.user] = now + again_s
        return again_s

    def _check(self, ticket: _Ticket[Job, Result]) -> None:
        """Leave the line if nobody wants the result any more, or if it would come too late."""
        late = time.monotonic() > ticket.claim.deadline
        if not late and not ticket.claim.given_up():
            return
        if not self._give_up(ticket):
            return  # being worked on, or done: the result is worth having now
        if late:
            raise ModelBusy("The model did not get to this request in time.", retry_after_s=max(1.0, self._usual_s))
        raise CallerGone("Nobody is waiting for this any longer.")

    def _give_up(self, ticket: _Ticket[Job, Result]) -> bool:
        """Take a ticket out of the line; False if it is not there any more."""
        with self._changed:
            if ticket not in self._line:
                return False
            self._line.remove(ticket)
            self._changed.notify()  # work ahead of a click may have waited for it
            return True

    def _start(self) -> None:
        """Start the workers when there is something to do for the first time."""
        while len(self._threads) < self._workers:
            thread = threading.Thread(target=self._serve, name=f"encoder-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._next()):
                    self._changed.wait(_LOOK_EVERY_S if self._line else None)  # a job may be given up on by time alone
                if self._closed:
                    return
                tickets = self._take()
                self._running += len(tickets)
            start = time.monotonic()
            self._work_on(tickets)
            spent_s = time.monotonic() - start
            with self._changed:
                self._running -= len(tickets)
                self._windows += len(tickets)
                self._batches += 1
                self._note_pace(len(tickets), spent_s)
            del tickets  # a worker that waits keeps nobody's pixels

    def _note_pace(self, jobs: int, spent_s: float) -> None:
        """Keep moving means of a batch's size and time; the first batch that is seen counts whole."""
        share = 0.2 if self._usual_s else 1.0
        self._usual_s += share * (spent_s - self._usual_s)
        self._usual_jobs += share * (jobs - self._usual_jobs)

    def _work_on(self, tickets: list[_Ticket[Job, Result]]) -> None:
        """Tell each ticket its result, or what went wrong; whatever that is, the thread lives on."""
        try:
            results = self._work([cast(Job, ticket.job) for ticket in tickets])
            if len(results) != len(tickets):
                raise RuntimeError(f"{len(results)} results for {len(tickets)} windows")
        except BaseException as error:
            for ticket in tickets:
                ticket.result.set_exception(error)
        else:
            for ticket, result in zip(tickets, results, strict=True):
                ticket.result.set_result(result)

    def _take(self) -> list[_Ticket[Job, Result]]:
        """Choose the next batch; work ahead of a click never shares one with, or goes before, a click."""
        taken: list[_Ticket[Job, Result]] = []
        while len(taken) < self._batch and (first := self._next()):
            if taken and first.claim.ahead != taken[0].claim.ahead:
                break
            self._line.remove(first)
            first.turn = time.monotonic()
            self._turns += 1
            self._last_turn[first.claim.user] = self._turns
            taken.append(first)
        return taken

    def _next(self) -> _Ticket[Job, Result] | None:
        """Choose among those whose jobs are here; work ahead of a click waits for a click's job to come."""
        ready = [ticket for ticket in self._line if ticket.ready]
        first = min(ready, key=self._order, default=None)
        if first and first.claim.ahead and self._clicks(making=True):
            return None
        return first

    def _order(self, ticket: _Ticket[Job, Result]) -> tuple[bool, int, int]:
        return ticket.claim.ahead, self._last_turn.get(ticket.claim.user, 0), ticket.number


def _tell(ticket: _Ticket[Job, Result]) -> None:
    """Show in a trace how much of the time was spent in line."""
    spans.note({"refine.queue.waited_s": ticket.turn - ticket.since})
    spans.event("turn came", time.monotonic() - ticket.turn)
