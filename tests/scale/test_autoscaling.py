"""Replicas come as lines grow and go as they shorten, and nobody who waits is lost by either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import pytest
from ray import serve
from ray.serve.schema import ReplicaState

from app.settings import SegmenterSettings, Settings
from app.usecases.ports import Claim
from scale.segmenter import RaySegmenter
from tests import ray_lab
from tests.contract.test_segmenter import window
from tests.waiting import until

SETTINGS = Settings(segmenter=SegmenterSettings(device="cpu", max_waiting=64, demo_model=True))
pytestmark = pytest.mark.long


def running(name: str) -> int:
    """Count the replicas of the model that work."""
    (model,) = serve.status().applications[name].deployments.values()
    return model.replica_states.get(ReplicaState.RUNNING, 0)


@contextmanager
def crowd(segmenter: RaySegmenter, people: int, encoded: list[int]) -> Iterator[None]:
    """Keep people asking for windows that nobody asked for before; what they got is told at the end."""
    over, numbers = threading.Event(), count()

    def person(number: int) -> None:
        while not over.is_set():
            at = next(numbers)
            segmenter.encode(window(20 + at % 200, 20 + at // 200 % 200), Claim(number))
            encoded.append(at)

    with ThreadPoolExecutor(people) as pool:
        asked = [pool.submit(person, number) for number in range(people)]
        try:
            yield
        finally:
            over.set()
        for each in asked:
            each.result()  # an error of any window is one of the test


def test_lines_that_grow_bring_replicas_and_quiet_ends_them() -> None:
    encoded: list[int] = []
    with ray_lab.segmenter(
        "tests.scale.models:fixed",
        SETTINGS,
        "scaling",
        replicas=1,
        max_replicas=3,
        target_waiting=2,
        busy_s=0.5,
        quiet_s=1.0,
    ) as segmenter:
        until(lambda: running("scaling") == 1)
        with crowd(segmenter, 12, encoded):
            until(lambda: running("scaling") == 3)
        until(lambda: running("scaling") == 1)
        segmenter.encode(window(9, 9), Claim("the last"))
    assert sorted(encoded) == list(range(len(encoded)))
