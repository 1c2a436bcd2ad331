"""The same crowd on Ray Serve: the targets are found, counted and killed, and everybody gets their own result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed (the extra `scale`)")

from bench.load.carried import carried
from bench.load.failure import Killer
from bench.load.observe import observe
from bench.load.people import Habits
from bench.load.simulated import Simulation
from bench.load.stage import LoadStage, load_stage
from bench.load.targets import Target, on_ray, ray_cluster, replica_pids, replicas_at_work
from tests import ray_lab
from tests.lab import draw_image

pytestmark = pytest.mark.long

REPLICAS = 2


def discs(folder: Path) -> Path:
    draw_image(folder / "discs.png")
    return folder / "discs.png"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadStage]:
    with load_stage(tmp_path_factory.mktemp("load"), slides=3, people=16, draw=discs) as stage:
        yield stage


@pytest.fixture(scope="module")
def target(stage: LoadStage) -> Iterator[Target]:
    ray_lab.close()  # one Ray at a time in a process, and this one's processes must know of the simulation
    simulation = Simulation(encode_s=0.03, embedding_share=0.01, side_px=128)
    with ray_cluster(stage, 256 * 2**20) as base, on_ray(base, stage, simulation, REPLICAS) as target:
        yield target


def test_windows_are_carried_through_the_door(target: Target) -> None:
    found = carried(target.replicas, 1.0)
    assert found.windows_per_s > 0
    assert found.embedding_bytes > 0
    assert len(replica_pids()) == replicas_at_work() == REPLICAS


def test_nobody_loses_anything_when_a_replica_is_killed(stage: LoadStage, target: Target) -> None:
    killer = Killer(3.0)
    crowd = stage.crowd(target.url, Habits(pace=0.05, boxes=3, again=0.5), 6.0, per_second=1.5, seed=7)
    seen, notes = observe(stage, target, crowd, warm_s=0.0, meanwhile=killer)
    killed = killer.seen(notes)
    assert seen.verdict.clean, seen.verdict
    assert seen.verdict.accepted
    assert killed.replicas == REPLICAS
    assert killed.refines
    assert killed.whole_again_s is not None
    assert seen.cpu_s_per_refine > 0
