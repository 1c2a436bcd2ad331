"""What people notice when a replica of the model is killed while they work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.load.notes import Note, Spread, between, spread
from bench.load.targets import replica_pids, replicas_at_work

_LOOK_EVERY_S = 0.1
_GIVE_UP_S = 90.0
_AFTER_S = 10.0
"""How long after the kill people are looked at."""
_IN_A_ROW = 5
_SLOW = 2.0
"""People wait longer than usual while the median of so many answers in a row is so many times the usual one."""


@dataclass(frozen=True, slots=True)
class Killed:
    """A kill, and what came of it. Moments are seconds since it."""

    replicas: int
    at_s: float
    """Since the start of the run."""
    refines: int
    """Attempts of the ten seconds after."""
    failed: int
    """Of those: no answer, or a status of 500 and more other than 503."""
    turned_away: int
    """Of those: 503, to come back."""
    before_s: Spread | None
    """Latency of accepted refines before."""
    after_s: Spread | None
    """The same of the ten seconds after."""
    last_failure_s: float | None
    """The end of the last attempt that failed; None: none did."""
    slow_until_s: float
    """When people last waited longer than usual; 0: they never did."""
    whole_again_s: float | None
    """When as many replicas as before had loaded the model and answered."""
    trace: tuple[tuple[float, float, int], ...]
    """Of each attempt: when it was wished, its latency, its status."""


class Killer:
    """Kills one replica of the model at a moment of a run, and watches until there are as many again."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.whole_again_s: float | None = None
        self._replicas = 0

    def __call__(self, start: float) -> None:
        """Do it; to be called while a crowd is at work, with its start on the monotonic clock."""
        time.sleep(max(0.0, start + self.at_s - time.monotonic()))
        there = replica_pids()
        self._replicas = len(there)
        victim, others = there[0], set(there[1:])
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        self.at_s = killed - start
        self.whole_again_s = _waited(
            lambda: len(set(replica_pids()) - {victim}) > len(others) and replicas_at_work() >= len(there), killed
        )

    def seen(self, notes: Sequence[Note]) -> Killed:
        """Sum up what people noticed."""
        refines = [note for note in notes if note.kind == "refine"]
        before = [note.latency_s for note in between(refines, 2.0, self.at_s - 2.0) if note.accepted]
        touched = [note for note in refines if self.at_s <= note.done_s and note.sent_s < self.at_s + _AFTER_S]
        failed = [note for note in touched if note.uncertain and note.status != 503]
        usual = spread(before)
        return Killed(
            replicas=self._replicas,
            at_s=self.at_s,
            refines=len(touched),
            failed=len(failed),
            turned_away=sum(note.status == 503 for note in touched),
            before_s=usual,
            after_s=spread(note.latency_s for note in touched if note.accepted),
            last_failure_s=max((note.done_s - self.at_s for note in failed), default=None),
            slow_until_s=self._slow_until_s(refines, usual.median if usual else float("inf")),
            whole_again_s=self.whole_again_s,
            trace=tuple((note.wished_s - self.at_s, note.latency_s, note.status) for note in refines),
        )

    def _slow_until_s(self, refines: Sequence[Note], usual_s: float) -> float:
        """Find the last answer of those in a row after the kill whose median is much longer than usual."""
        answers = sorted(
            (note for note in refines if note.accepted and note.done_s > self.at_s), key=lambda note: note.done_s
        )
        rows = [answers[at : at + _IN_A_ROW] for at in range(len(answers) - _IN_A_ROW + 1)]
        slow = [row for row in rows if median(note.latency_s for note in row) > _SLOW * usual_s]
        return slow[-1][-1].done_s - self.at_s if slow else 0.0


def _waited(is_so: Callable[[], bool], since: float) -> float | None:
    """Wait until something is so; gives the seconds, or None if it does not come to that."""
    while time.monotonic() - since < _GIVE_UP_S:
        if is_so():
            return time.monotonic() - since
        time.sleep(_LOOK_EVERY_S)
    return None
