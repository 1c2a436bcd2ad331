"""People draw, move, delete, refine, undo and redo in any order, while others meddle and things fail.

Whatever the order: nothing changes but what somebody asked for, points that are more than prompts stay, and taking a
refine back brings shape and points back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bench.campaign.trial import POINT_KINDS
from bench.campaign.world import DISCS, HEIGHT, WIDTH, World, box_around, world
from demo.cytomine.faults import Fault, Kind
from tests.lab import in_one_process

DISC = st.integers(0, len(DISCS) - 1)
SHIFT = st.sampled_from([-8.0, 0.0, 8.0])
WHO = st.sampled_from(["alice", "bob"])
OFFSET = st.integers(-25, 25)
BAGGAGE = st.sampled_from(["plain"] * 8 + [kind for kind in POINT_KINDS if kind != "outside"])
CALL = st.sampled_from(["GET", "PUT", "DELETE", "POST"])
TROUBLE = st.sampled_from(["status", "odd", "drop", "garbage", "html401"])
_HANGING = (
    "annotation_terms", "properties", "descriptions", "comments", "tag_associations", "attached_files",
    "annotation_tracks", "annotation_links",
)  # fmt: skip

Snapshot = dict[int, tuple[str, tuple[Any, ...]]]


@dataclass
class Shape:
    """An area that somebody drew, and the last refine of it that may be taken back."""

    id: int
    owner: str
    points: list[tuple[int, str, str]] = field(default_factory=list)
    """Id, owner, baggage."""
    undo: tuple[str, list[int], Snapshot] | None = None


class Annotating(RuleBasedStateMachine):
    """What people do with annotations of one image."""

    here: World
    shapes: Bundle[Shape] = Bundle("shapes")

    @initialize()
    def empty(self) -> None:
        self.here.replicas.revive()
        self.here.clear()
        self.kills = 0

    @rule(target=shapes, disc=DISC, dx=SHIFT, dy=SHIFT, who=WHO)
    def draw(self, disc: int, dx: float, dy: float, who: str) -> Shape:
        return Shape(self._created(who, box_around(disc, dx, dy).wkt, self.here.terms[0]), who)

    @rule(shape=shapes, dx=OFFSET, dy=OFFSET, who=WHO, baggage=BAGGAGE)
    def add_point(self, shape: Shape, dx: int, dy: int, who: str, baggage: str) -> None:
        place = self._place(shape.id)
        if place is None:
            return
        term = self.here.terms[1] if baggage == "other term" else None
        number = self._created(who, shapely.Point(place.centroid.x + dx, place.centroid.y + dy).wkt, term)
        self.here.hang(baggage, number, self.here.people[who].id)
        shape.points.append((number, who, baggage))

    @rule(shape=shapes, disc=DISC)
    def move(self, shape: Shape, disc: int) -> None:
        """Somebody else moves the shape, as Core would let them."""
        if self._place(shape.id) is not None:
            self.here.cytomine.store.set_location(shape.id, box_around(disc).wkt)
            shape.undo = None

    @rule(shape=shapes, data=st.data())
    def move_point(self, shape: Shape, data: st.DataObject) -> None:
        if not shape.points:
            return
        number, _, _ = data.draw(st.sampled_from(shape.points))
        if self._place(number) is not None:
            self.here.cytomine.store.set_location(number, "POINT (20 20)")
            shape.undo = None

    @rule(shape=consumes(shapes))
    def delete(self, shape: Shape) -> None:
        if self._place(shape.id) is not None:
            before = self._snapshot()
            assert self.here.core(shape.owner, "DELETE", f"annotation/{shape.id}.json").status_code == 200
            self._expect_same(before, except_for={shape.id})

    @rule(target=shapes, shape=consumes(shapes), who=WHO, keep=st.booleans())
    def refine(self, shape: Shape, who: str, keep: bool) -> Shape:
        before = self._snapshot()
        answer = self.here.ask(who, shape.id, {"keep_points": keep})
        self._check_refine(shape, who, keep, before, answer)
        return shape

    @rule(target=shapes, shape=consumes(shapes), call=CALL, trouble=TROUBLE, skip=st.integers(0, 5), late=st.booleans(),
          seed=st.integers(0, 10_000))  # fmt: skip
    def refine_in_trouble(self, shape: Shape, call: str, trouble: Kind, skip: int, late: bool, seed: int) -> Shape:
        before = self._snapshot()
        when = "after" if late else "before"
        path = "/ims/" if call == "POST" else "/api/"
        self.here.cytomine.faults.add(Fault(trouble, call, path, when, skip=skip, seed=seed))
        answer = self.here.ask(shape.owner, shape.id, {})
        self.here.cytomine.faults.clear()
        self._check_refine(shape, shape.owner, False, before, answer)
        return shape

    @rule(shape=shapes, call=CALL, skip=st.integers(0, 3))
    def refine_until_killed(self, shape: Shape, call: str, skip: int) -> None:
        if self.kills >= 1:  # each one costs a start
            return
        self.kills += 1
        before = self._snapshot()
        self.here.cytomine.faults.add(
            Fault(
                "slow", call, "/ims/" if call == "POST" else "/api/", skip=skip, hook=lambda: self.here.replicas.kill(0)
            )
        )
        try:
            answer = self.here.ask(shape.owner, shape.id, {})
        except httpx.TransportError:
            self._check_nothing_lost(shape, shape.owner, before)
        else:
            self._check_refine(shape, shape.owner, False, before, answer)
        self.here.cytomine.faults.clear()
        self.here.replicas.revive()

    @rule(shape=shapes, who=WHO)
    def dry_run(self, shape: Shape, who: str) -> None:
        before = self._snapshot()
        answer = self.here.ask(who, shape.id, {"dry_run": True})
        assert answer.status_code in {200, 404}, answer.text
        self._expect_same(before)

    @rule(shape=shapes)
    def take_the_refine_back(self, shape: Shape) -> None:
        if shape.undo is None:
            return
        who, handles, before = shape.undo
        shape.undo = None
        for handle in reversed(handles):
            assert self.here.core(who, "GET", f"command/{handle}/undo.json").status_code == 200
        now = self._snapshot()
        mine = {shape.id, *(number for number, *_ in shape.points)}
        assert {each: now.get(each) for each in mine if each in before} == {
            each: before[each] for each in mine if each in before
        }

    @invariant()
    def everything_is_valid(self) -> None:
        for location, _ in self._snapshot().values():
            geometry = shapely.from_wkt(location)
            assert geometry.is_valid
            assert not geometry.is_empty
            assert shapely.box(0, 0, WIDTH, HEIGHT).covers(geometry)

    def _check_refine(self, shape: Shape, who: str, keep: bool, before: Snapshot, answer: httpx.Response) -> None:
        """Nothing but the shape and its plain points has changed, and the answer says what has."""
        after = self._snapshot()
        self._expect_same(before, except_for=self._prompts(shape, who, before) | {shape.id})
        gone = set(before) - set(after)
        assert shape.id not in gone
        moved = before.get(shape.id, ("",))[0] != after.get(shape.id, ("",))[0]
        if answer.status_code != 200:
            assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
            assert not moved or "written" in answer.json(), answer.text
            assert moved or not gone
            return
        result = answer.json()
        assert result["changed"] or not moved
        assert gone == set(result["points_deleted"])
        assert not (keep and gone)
        if result["changed"]:
            assert shapely.from_wkt(after[shape.id][0]).equals_exact(shapely.from_wkt(result["location"]), 1e-6)
            shape.undo = (who, result["commands"], before)

    def _check_nothing_lost(self, shape: Shape, who: str, before: Snapshot) -> None:
        after = self._snapshot()
        self._expect_same(before, except_for=self._prompts(shape, who, before) | {shape.id})
        if set(before) - set(after):
            assert before[shape.id] != after[shape.id], "a point went before the shape was written"
        shape.undo = None

    def _prompts(self, shape: Shape, who: str, before: Snapshot) -> set[int]:
        """Give the points that a refine may use and delete: the caller's own, plain, and inside of the box."""
        if shape.id not in before:
            return set()
        box = shapely.box(*shapely.from_wkt(before[shape.id][0]).bounds)
        mine = {number for number, owner, baggage in shape.points if (owner, baggage) == (who, "plain")}
        return {number for number in mine & set(before) if box.covers(shapely.from_wkt(before[number][0]))}

    def _expect_same(self, before: Snapshot, except_for: set[int] | frozenset[int] = frozenset()) -> None:
        now = self._snapshot()
        same = {number: each for number, each in before.items() if number not in except_for}
        assert {number: each for number, each in now.items() if number not in except_for} == same

    def _created(self, who: str, location: str, term: int | None) -> int:
        body: dict[str, object] = {"image": self.here.image, "location": location, "term": [term] if term else []}
        answer = self.here.core(who, "POST", "annotation.json", body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["annotation"]["id"])

    def _place(self, number: int) -> shapely.Geometry | None:
        location = self.here.cytomine.store.location(number)
        return None if location is None else shapely.from_wkt(location)

    def _snapshot(self) -> Snapshot:
        """Give everything on the image: each annotation's location and what hangs on it."""
        found: Snapshot = {}
        with self.here.cytomine.store.transaction() as db:
            for row in db.execute(
                "SELECT id, location FROM annotations WHERE image = ?", (self.here.image,)
            ).fetchall():
                hanging = tuple(
                    tuple(each)
                    for table in _HANGING
                    for each in db.execute(f"SELECT id FROM {table} WHERE annotation = ? ORDER BY id", (row["id"],))
                )
                found[row["id"]] = (row["location"], hanging)
        return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(Path(tmp_path_factory.mktemp("annotating"))) as made:
        yield made


@in_one_process
def test_whatever_people_do(here: World) -> None:
    class Here(Annotating):
        pass

    Here.here = here
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=10,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),  # ids differ from run to run, so a shorter example is another one
        ),
    )
