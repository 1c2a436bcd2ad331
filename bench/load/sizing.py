"""From measured costs and from how people work to what a hospital needs: pure arithmetic, checked against small runs.

Requests meet a line in front of ``c`` engines that take a time of their own for each window: an M/G/c queue. Its mean
wait is that of M/M/c (Erlang's C formula) times ``(1 + cs²) / 2``, where ``cs`` is the service time's coefficient of
variation (Allen and Cunneen); who has to wait at all is taken to wait exponentially long. Arrivals are Poisson: many
people, each of whom is alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.load.people import Habits

_MOST_REPLICAS = 100_000
_MBIT = 1e6 / 8


@dataclass(frozen=True, slots=True)
class Demand:
    """What one person who works at the slide asks for."""

    boxes_per_s: float
    refines_per_box: float
    windows_per_refine: float
    """Share of the refines whose window is not there yet, whether it is made ahead of the click or after it."""
    spoilt: float
    """Windows made ahead of a click that never came, as a share of the boxes."""

    @classmethod
    def of(cls, habits: Habits, windows_per_refine: float, answer_s: float, spoilt: float) -> Demand:
        """Give the demand of people with habits, who also wait `answer_s` for each refine."""
        refines = habits.refines_per_box
        return cls(1 / (habits.box_s + refines * answer_s), refines, windows_per_refine, spoilt)

    @property
    def refines_per_s(self) -> float:
        """Refines of one person."""
        return self.boxes_per_s * self.refines_per_box

    @property
    def windows_per_s(self) -> float:
        """Windows for one person."""
        return self.refines_per_s * self.windows_per_refine + self.boxes_per_s * self.spoilt


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost; where each number is from is told beside it on the page."""

    encode_s: float
    """Of one window on one engine, at its best batch: what it does in a second is the reciprocal."""
    decode_s: float
    """Of one refine, on the same engine."""
    edge_cpu_s: float
    """Processor time of one refine at the HTTP edge: Core's and PIMS' answers, pixels, cleaning, outlining."""
    window_bytes: float
    """From PIMS, for one window."""
    core_reads: float
    """Of one refine."""
    core_writes: float
    embedding_bytes: float
    spread: float = 0.0
    """Coefficient of variation of the encoder's time."""


@dataclass(frozen=True, slots=True)
class Need:
    """What so many people at a time need."""

    users: int
    refines_per_s: float
    windows_per_s: float
    engines: int
    """Replicas of the model: GPUs, if an engine is one."""
    utilisation: float
    wait_p95_s: float
    """In front of the encoder."""
    edge_cores: float
    """Cores that the HTTP edge keeps busy at `Ceiling.edge` of their time."""
    pims_mbit_per_s: float
    core_reads_per_s: float
    core_writes_per_s: float
    embeddings_bytes: float
    """Of the windows that people are working on at the moment."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What is not to be exceeded."""

    wait_p95_s: float = 0.5
    utilisation: float = 0.8
    """Of the engines: the mean over an hour hides its minutes."""
    edge: float = 0.6
    """Of the HTTP edge's cores."""


def size(users: int, demand: Demand, costs: Costs, ceiling: Ceiling = Ceiling()) -> Need:
    """Give what so many people at a time need.

    Parameters
    ----------
    users : int
        People who are in a session at the same moment; those who only have an account count for nothing.
    """
    refines, windows = users * demand.refines_per_s, users * demand.windows_per_s
    busy = windows * costs.encode_s + refines * costs.decode_s
    service_s = busy / windows if windows else costs.encode_s
    engines = engines_for(windows, service_s, costs.spread, ceiling)
    return Need(
        users=users,
        refines_per_s=refines,
        windows_per_s=windows,
        engines=engines,
        utilisation=busy / engines,
        wait_p95_s=wait_p95_s(windows, service_s, engines, costs.spread),
        edge_cores=refines * costs.edge_cpu_s / ceiling.edge,
        pims_mbit_per_s=windows * costs.window_bytes / _MBIT,
        core_reads_per_s=refines * costs.core_reads,
        core_writes_per_s=refines * costs.core_writes,
        embeddings_bytes=windows / demand.boxes_per_s * costs.embedding_bytes if users else 0.0,
    )


def engines_for(per_s: float, service_s: float, spread: float, ceiling: Ceiling) -> int:
    """Give the fewest engines that keep within a ceiling."""
    fewest = max(1, math.ceil(per_s * service_s / ceiling.utilisation))
    for engines in range(fewest, _MOST_REPLICAS):
        if per_s * service_s < engines and wait_p95_s(per_s, service_s, engines, spread) <= ceiling.wait_p95_s:
            return engines
    raise ValueError(f"{per_s:.0f} windows a second of {service_s:.1f} s need more engines than anybody has.")


def waits(per_s: float, service_s: float, engines: int) -> float:
    """Give the share of arrivals that find all engines busy, by Erlang's C formula; 1 where they cannot keep up."""
    load = per_s * service_s
    if load >= engines:
        return 1.0
    blocked = 1.0  # Erlang's B, by its recurrence, which overflows for no number of engines
    for busy in range(1, engines + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / engines * (1 - blocked))


def mean_wait_s(per_s: float, service_s: float, engines: int, spread: float = 0.0) -> float:
    """Give the mean wait before service; infinite where the engines cannot keep up."""
    free = engines - per_s * service_s
    if free <= 0:
        return math.inf
    return waits(per_s, service_s, engines) * service_s / free * (1 + spread**2) / 2


def wait_p95_s(per_s: float, service_s: float, engines: int, spread: float = 0.0) -> float:
    """Give the wait that one in twenty exceeds; 0 where fewer wait at all."""
    share, mean = waits(per_s, service_s, engines), mean_wait_s(per_s, service_s, engines, spread)
    if math.isinf(mean):
        return math.inf
    return mean / share * math.log(share / 0.05) if share > 0.05 else 0.0


def sizes(users: Sequence[int], demand: Demand, costs: Costs, ceiling: Ceiling = Ceiling()) -> list[Need]:
    """Give the needs of several numbers of people."""
    return [size(each, demand, costs, ceiling) for each in users]


def on_gpu(costs: Costs, windows_per_s: float, decode_s: float) -> Costs:
    """Give the same costs with a GPU as the engine."""
    return replace(costs, encode_s=1 / windows_per_s, decode_s=decode_s)
