"""Finding the prompts costs the same whether the image has ten point annotations or tens of thousands."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from demo.cytomine.store import NewAnnotation, Store
from tests.lab import BOX, DISC_X, DISC_Y, HEIGHT, WIDTH, Lab

MANY = 25_000


@contextmanager
def counted_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the virtual machine steps that SQLite takes: work, not time."""
    steps = [0]
    connect = sqlite3.connect

    def counting(*args: object, **more: object) -> sqlite3.Connection:
        connection = connect(*args, **more)  # type: ignore[call-overload]

        def tick() -> int:
            steps[0] += 1
            return 0

        connection.set_progress_handler(tick, 100)
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", counting)
    yield steps
    monkeypatch.undo()


def test_cost_does_not_grow_with_the_image(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    near = [lab.point(DISC_X + dx, DISC_Y) for dx in (-20, 0, 20)]
    costs = {}
    for count in (10, MANY):
        _scatter(lab, count)
        number = lab.draw(BOX)
        lab.cytomine.faults.clear()
        with counted_steps(monkeypatch) as steps:
            result = lab.refine(number, dry_run=True).json()
        assert sorted(result["points_used"]) == near
        lists = [seen for seen in lab.cytomine.faults.requests if seen.path == "/api/annotation.json"]
        assert len(lists) == 1
        assert "bbox=" in lists[0].query
        costs[count] = steps[0]
    # Reading every point would take some 2,000 of these; the tree reads only its leaves around the box.
    assert costs[MANY] < 20 * costs[10], costs


def _scatter(lab: Lab, count: int) -> None:
    """Put points everywhere but in the box."""
    rng = np.random.default_rng(count)
    places = rng.uniform((0, 0), (WIDTH, HEIGHT), (2 * count, 2))
    x0, y0, x1, y1 = BOX.bounds
    inside = ((places > (x0 - 1, y0 - 1)) & (places < (x1 + 1, y1 + 1))).all(1)
    store: Store = lab.cytomine.store
    store.add_annotations(
        NewAnnotation(lab.image, lab.alice.id, f"POINT ({x:.2f} {y:.2f})") for x, y in places[~inside][:count]
    )
