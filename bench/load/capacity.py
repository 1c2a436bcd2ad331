"""``python -m bench.load capacity``: every question about many people, in one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.load.carried import Carried, carried
from bench.load.costs import Engine, engine_of, window_bytes
from bench.load.failure import Killed, Killer
from bench.load.notes import Spread
from bench.load.observe import Observed, idle_cpu_per_s, observe
from bench.load.overhead import Overhead, overhead
from bench.load.people import Habits
from bench.load.simulated import Simulation
from bench.load.stage import LoadStage, load_stage
from bench.load.targets import Target, on_ray, plain, ray_cluster

Tell = Callable[[str], None]

ENCODE_S = 0.2
PEOPLE = Habits(pace=0.5, boxes=3)
"""People who do everything in half the time, so that a short run sees more of them. Work ahead of the click has only
half of its time, too."""
KEEN = replace(PEOPLE, boxes=math.inf, pace=0.25)
"""People who hurry and stay, so that a moment of a run is as good as another."""
STRANGERS = Habits(boxes=1, again=0, prefetched=0, pace=0.01)
"""People who draw one box, refine it once and go: a plain open load, whose rate is what it says."""
BUSY = Habits(boxes=math.inf, again=0, prefetched=0, pace=0)
"""Users who send their next request at once: as many requests at a time as there are users."""
LIGHT = Simulation(encode_s=ENCODE_S, side_px=128, embedding_share=0.01)
"""Small windows and embeddings: what is left is the way of a request."""
HEAVY = Simulation(encode_s=ENCODE_S)
"""Windows and embeddings of the real size."""
ROOM = Simulation(encode_s=ENCODE_S, side_px=128)
"""Small windows, embeddings of the real size."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how often."""

    pairs: int = 200
    run_s: float = 60.0
    busy_s: float = 20.0
    kill_at_s: float = 25.0
    one_engine: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 4.5, 6.0)
    """Rates of an open load on one replica, refines a second; it carries five."""
    four_engines: tuple[float, ...] = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
    replicas: tuple[int, ...] = (1, 2, 4)

    @classmethod
    def quick(cls) -> Plan:
        """Give a plan that takes minutes."""
        return cls(60, 12.0, 6.0, 10.0, (2.0, 4.0, 6.0), (5.0, 10.0))


@dataclass(frozen=True, slots=True)
class Swept:
    """An open load of so many refines a second."""

    per_s: float
    observed: Observed


@dataclass(frozen=True, slots=True)
class Standing:
    """What a deployment takes before anybody asks."""

    target: str
    replicas: int
    model: str
    start_s: float
    """From its beginning to ready."""
    idle_cores: float
    memory_bytes: int
    """Of all its processes; what they share is counted in each."""


@dataclass
class Findings:
    """The answers."""

    plan: Plan
    engine: Engine
    overheads: list[Overhead] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    busy: list[Observed] = field(default_factory=list)
    """Whole refines over HTTP, as many at a time as keep the replicas busy."""
    swept: list[Swept] = field(default_factory=list)
    prefetched: Observed | None = None
    not_prefetched: Observed | None = None
    real: list[Observed] = field(default_factory=list)
    killed: Killed | None = None
    killed_run: Observed | None = None
    window_bytes: Spread | None = None
    standing: list[Standing] = field(default_factory=list)


class Capacity:
    """Asks the questions, one deployment after the other.

    Parameters
    ----------
    stage : LoadStage
    plan : Plan
    results : Path
        Where `python -m bench` keeps its results.
    tell : callable
        Gets a line at each step.
    """

    def __init__(self, stage: LoadStage, plan: Plan, results: Path, tell: Tell) -> None:
        self._stage = stage
        self._plan = plan
        self._tell = tell
        self.findings = Findings(plan, engine_of(results))

    def run(self) -> Findings:
        """Ask everything."""
        self._people()
        with self._plain(LIGHT) as target:
            self._sweep(target, self._plan.one_engine)
        with self._plain(None) as target:
            self._real(target)
        with ray_cluster(self._stage) as base:
            self._overhead(base)
            for replicas in self._plan.replicas:
                self._replicas(base, replicas)
            self._heavy(base)
            with self._on_ray(base, None, 1) as target:
                self._real(target)
        return self.findings

    def _people(self) -> None:
        """See what work ahead of the click is worth, and what a refine of realistic people costs."""
        found, seconds = self.findings, 3 * self._plan.run_s
        found.window_bytes = window_bytes(self._stage, 40)
        for prefetched in (PEOPLE.prefetched, 0.0):
            with self._plain(HEAVY) as target:
                habits = replace(PEOPLE, prefetched=prefetched)
                self._tell(f"People, {prefetched:.0%} of the boxes prepared")
                seen = self._observe(target, habits, seconds, per_second=0.35, drain_s=20)
            if prefetched:
                found.prefetched = seen
            else:
                found.not_prefetched = seen

    def _sweep(self, target: Target, rates: tuple[float, ...]) -> None:
        for rate in rates:
            self._tell(f"{rate:g} refines a second on {target.name}, {target.replicas}")
            seen = self._observe(target, STRANGERS, self._plan.run_s, per_second=rate, seed=int(10 * rate), drain_s=40)
            self.findings.swept.append(Swept(rate, seen))

    def _real(self, target: Target) -> None:
        self._tell(f"The embedded model on {target.name}")
        self.findings.real.append(
            self._observe(target, PEOPLE, 2 * self._plan.run_s, per_second=0.5, known_objects=False, drain_s=40)
        )

    def _overhead(self, base: str) -> None:
        simulation = replace(ROOM, encode_s=0.0)
        with self._plain(simulation) as ours, self._on_ray(base, simulation, 1) as theirs:
            self._tell("The way through Ray Serve beside the plain one")
            self.findings.overheads = overhead(self._stage, ours, theirs, self._plan.pairs)

    def _replicas(self, base: str, replicas: int) -> None:
        with self._on_ray(base, LIGHT, replicas) as target:
            self._carried(replicas)
            self._tell(f"Whole refines, {replicas} replicas")
            self.findings.busy.append(self._observe(target, BUSY, self._plan.busy_s, users=6 * replicas))
            if replicas in {1, 4}:
                self._sweep(target, self._plan.one_engine if replicas == 1 else self._plan.four_engines)
            if replicas == 2:
                self._kill(target)

    def _heavy(self, base: str) -> None:
        """Let the embeddings have their real size."""
        for replicas in (self._plan.replicas[0], self._plan.replicas[-1]):
            with self._on_ray(base, ROOM, replicas):
                self._carried(replicas)

    def _carried(self, replicas: int) -> None:
        self._tell(f"Windows through the model's door, {replicas} replicas")
        self.findings.carried.append(carried(replicas, self._plan.busy_s))

    def _kill(self, target: Target) -> None:
        self._tell("A replica is killed while people work")
        killer = Killer(self._plan.kill_at_s)
        crowd = self._stage.crowd(target.url, KEEN, self._plan.kill_at_s + 15, users=12, drain_s=30, seed=3)
        seen, notes = observe(self._stage, target, crowd, meanwhile=killer)
        self.findings.killed, self.findings.killed_run = killer.seen(notes), seen

    def _observe(
        self, target: Target, habits: Habits, seconds: float, *, known_objects: bool = True, **how: float
    ) -> Observed:
        crowd = self._stage.crowd(target.url, habits, seconds, **how)
        idle = self.findings.standing[-1].idle_cores
        return observe(self._stage, target, crowd, idle=idle, known_objects=known_objects)[0]

    @contextmanager
    def _plain(self, simulation: Simulation | None) -> Iterator[Target]:
        with self._started(plain(self._stage, simulation), simulation) as target:
            yield target

    @contextmanager
    def _on_ray(self, base: str, simulation: Simulation | None, replicas: int) -> Iterator[Target]:
        with self._started(on_ray(base, self._stage, simulation, replicas), simulation) as target:
            yield target

    @contextmanager
    def _started(self, start: AbstractContextManager[Target], simulation: Simulation | None) -> Iterator[Target]:
        self._tell("Starting")
        begun = time.monotonic()
        with start as target:
            ready_s, model = time.monotonic() - begun, "simulated" if simulation else "embedded"
            standing = Standing(
                target.name, target.replicas, model, ready_s, idle_cpu_per_s(target), target.memory_bytes()
            )
            self.findings.standing.append(standing)
            yield target


def capacity(folder: Path, plan: Plan, results: Path, tell: Tell) -> Findings:
    """Ask every question on a stage of its own."""
    with load_stage(folder) as stage:
        return Capacity(stage, plan, results, tell).run()
