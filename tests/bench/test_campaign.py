"""The campaign of faults: its trials are repeatable, its judge sees every breach, and a short one finds none."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import shapely

from bench.campaign.play import Answer, Evidence, Point, play
from bench.campaign.trial import PlannedRequest, Trial, plan
from bench.campaign.verdict import breaches
from bench.campaign.world import DEADLINE_S, DISCS, RADIUS, box_around, world
from bench.recorded import Command
from demo.cytomine.faults import SeenRequest
from tests.lab import in_one_process

NUMBER, ALICE, BOB, POINT = 7, 1, 2, 9
DRAWN = box_around(0).wkt
OUTLINE = shapely.Point(DISCS[0]).buffer(RADIUS).wkt
NOW = time.monotonic()


def told(command: int, *deleted: int) -> dict[str, object]:
    return {"changed": True, "command": command, "location": OUTLINE, "points_deleted": list(deleted)}


def good() -> Evidence:
    """Alice refines her box; her one plain point goes."""
    request = PlannedRequest("alice", 0, keep_points=False, dry_run=False)
    trial = dataclasses.replace(plan(1, 0, 1), disc=0, elsewhere=1, requests=(request,), points=())
    return Evidence(
        trial,
        NUMBER,
        DRAWN,
        [Point(POINT, "plain", ALICE)],
        answers=[Answer(request, 200, told(100, POINT), "application/json", NOW, NOW + 0.4)],
        commands=[
            Command(100, ALICE, "edit", NUMBER, DRAWN, OUTLINE),
            Command(101, ALICE, "delete", POINT, "POINT (1 1)", None),
        ],
        calls=[SeenRequest("PUT", f"/api/annotation/{NUMBER}.json", "", {}, 200, NOW + 0.3)],
        left={NUMBER: OUTLINE},
        users={"alice": ALICE, "bob": BOB},
    )


def with_answer(**changes: object) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.answers = [dataclasses.replace(evidence.answers[0], **changes)]  # type: ignore[arg-type]

    return change


def with_point(**changes: object) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.points = [dataclasses.replace(evidence.points[0], **changes)]  # type: ignore[arg-type]

    return change


def with_requests(*requests: PlannedRequest) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.trial = dataclasses.replace(evidence.trial, requests=requests)

    return change


def moved_then_written_over(evidence: Evidence) -> None:
    evidence.meddled = [("move shape", NUMBER, NOW + 0.1)]
    evidence.commands[0] = dataclasses.replace(evidence.commands[0], before=box_around(1).wkt)


def written_late(evidence: Evidence) -> None:
    evidence.calls = [dataclasses.replace(evidence.calls[0], at=NOW + DEADLINE_S + 3)]


def changed_before_it_went(evidence: Evidence) -> None:
    evidence.meddled = [("hang property on point", POINT, NOW + 0.1)]
    evidence.calls.append(SeenRequest("GET", f"/api/annotation/{POINT}.json", "", {}, 200, NOW + 0.2))


def written_twice(evidence: Evidence) -> None:
    evidence.commands.insert(1, Command(102, ALICE, "edit", NUMBER, OUTLINE, OUTLINE))


def shape_gone(evidence: Evidence) -> None:
    del evidence.left[NUMBER]


def point_gone(evidence: Evidence) -> None:
    evidence.commands.pop()
    evidence.answers[0].body["points_deleted"] = []


def deleted_first(evidence: Evidence) -> None:
    evidence.commands[1] = dataclasses.replace(evidence.commands[1], id=99)


def another_outline_told(evidence: Evidence) -> None:
    evidence.answers[0].body["location"] = DRAWN


def unknown_shape_left(evidence: Evidence) -> None:
    evidence.left[NUMBER] = box_around(5).wkt


KEEP = PlannedRequest("alice", 0, keep_points=True, dry_run=False)
DRY = PlannedRequest("alice", 0, keep_points=False, dry_run=True)
BREACHES: list[tuple[Callable[[Evidence], None], str]] = [
    (moved_then_written_over, "shape: an outline of an older shape"),
    (shape_gone, "shape: it is gone"),
    (unknown_shape_left, "shape: it is none that anybody drew"),
    (with_point(kind="comment"), "points: a point was deleted that carries a comment"),
    (with_point(kind="outside"), "points: a point was deleted that lay outside"),
    (with_point(owner=BOB), "points: a point was deleted that belongs to somebody else"),
    (changed_before_it_went, "points: a point was deleted that was changed meanwhile"),
    (point_gone, "points: some are gone"),
    (deleted_first, "points: one was deleted before the shape"),
    (with_requests(KEEP), "points: one was deleted though all asked to keep them"),
    (with_requests(DRY), "twice: a dry run wrote"),
    (written_twice, "twice: 2 edits for 1 requests"),
    (written_late, "late: written 3.0 s after"),
    (with_answer(status=500), "answer: undeclared status 500"),
    (with_answer(status=502, media_type="text/html"), "answer: 502 is no problem"),
    (with_answer(status=0), "answer: the connection broke"),
    (another_outline_told, "truth: another outline is told"),
    (with_answer(body=told(55)), "truth: a change is told that Core does not have"),
    (with_answer(status=502, body={}, media_type="application/problem+json"), "truth: something was written"),
]


def test_the_judge_has_nothing_against_a_good_refine() -> None:
    assert breaches(good()) == []


@pytest.mark.parametrize(("spoil", "words"), BREACHES, ids=[words for _, words in BREACHES])
def test_the_judge_sees(spoil: Callable[[Evidence], None], words: str) -> None:
    evidence = good()
    spoil(evidence)
    assert any(breach.startswith(words) for breach in breaches(evidence)), breaches(evidence)


def test_the_same_numbers_make_the_same_trial() -> None:
    made = [plan(4, number, 2) for number in range(60)]
    assert made == [plan(4, number, 2) for number in range(60)]
    assert len({repr(each) for each in made}) == 60
    assert any(each.kill for each in made)
    assert any(each.meddling for each in made)


@pytest.mark.long
@in_one_process
def test_a_short_campaign_finds_nothing(tmp_path: Path) -> None:
    found: list[tuple[Trial, list[str]]] = []
    with world(tmp_path, replicas=2) as stage:
        for number in range(20):
            trial = plan(11, number, 2)
            found += [(trial, each) for each in [breaches(play(stage, trial))] if each]
    assert found == []
