"""One run of a crowd, summed up: how long people waited, who was refused, what it took, whether all came out right."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from bench.load.notes import KINDS, Note, Spread, between, spread, statuses
from bench.load.replay import Crowd, accepted_per_second, replay
from bench.load.stage import Asked, LoadStage, asked_of
from bench.load.targets import Target
from bench.load.verdict import Verdict, judge

_IDLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run showed. Latencies are seconds from the wish to the answer, refusals and waiting included."""

    target: str
    replicas: int
    offered_per_s: float
    """Refines that people wished for, first attempts."""
    accepted_per_s: float
    """Refines that were done."""
    latency_s: dict[str, Spread | None]
    """By kind of request."""
    statuses: dict[str, int]
    """Of all attempts to refine."""
    gave_up: int
    """Refines that were not done in the end, out of patience."""
    embeddings: dict[str, int]
    """Accepted refines by whether their window was ready, under way, or had to be encoded."""
    lag_s: Spread | None
    """How late the generator was."""
    machine_busy: float
    """Share of the machine's cores that was busy, whoever took it."""
    cpu_s_per_refine: float
    """Of the deployment's processes, over what they take when nobody asks."""
    asked: Asked
    verdict: Verdict

    @property
    def refused(self) -> float:
        """Share of the attempts to refine that were not accepted."""
        total = sum(self.statuses.values())
        return 1 - self.statuses.get("200", 0) / total if total else math.nan


def idle_cpu_per_s(target: Target) -> float:
    """Give the cores that a deployment keeps busy when nobody asks."""
    before = target.cpu_s()
    time.sleep(_IDLE_S)
    return (target.cpu_s() - before) / _IDLE_S


def observe(
    stage: LoadStage,
    target: Target,
    crowd: Crowd,
    *,
    idle: float = 0.0,
    known_objects: bool = True,
    warm_s: float = 2.0,
    processes: int = 1,
    meanwhile: Callable[[float], None] | None = None,
) -> tuple[Observed, list[Note]]:
    """Let a crowd loose on a deployment and sum up.

    Parameters
    ----------
    idle : float
        From `idle_cpu_per_s`.
    warm_s : float
        What people wished in the first seconds is not counted in latencies and rates, only in the verdict.
    processes, meanwhile
        See `replay`.
    """
    stage.cytomine.faults.clear()
    psutil.cpu_percent()
    before, begun = target.cpu_s(), time.monotonic()
    notes = replay(crowd, processes, meanwhile)
    spent_s = max(0.0, target.cpu_s() - before - idle * (time.monotonic() - begun))
    busy = psutil.cpu_percent() / 100
    counted = between(notes, warm_s, crowd.seconds)
    refines = [note for note in counted if note.kind == "refine"]
    first = [note for note in refines if note.attempt == 0]
    wishes = {(note.session, note.wished_s) for note in first}
    done = {(note.session, note.wished_s) for note in refines if note.accepted}
    all_done = sum(note.kind == "refine" and note.accepted for note in notes)
    observed = Observed(
        target=target.name,
        replicas=target.replicas,
        offered_per_s=len(first) / (crowd.seconds - warm_s),
        accepted_per_s=accepted_per_second(notes, "refine", warm_s, crowd.seconds),
        latency_s={
            kind: spread(note.latency_s for note in counted if note.kind == kind and note.accepted) for kind in KINDS
        },
        statuses=statuses(refines),
        gave_up=len(wishes - done),
        embeddings=dict(Counter(str(note.told.embedding) for note in refines if note.told)),
        lag_s=spread(note.lag_s for note in counted),
        machine_busy=busy,
        cpu_s_per_refine=spent_s / all_done if all_done else math.nan,
        asked=asked_of(stage.cytomine.faults.requests),
        verdict=judge(stage.cytomine.store, notes, stage.slides, known_objects=known_objects),
    )
    return observed, notes
