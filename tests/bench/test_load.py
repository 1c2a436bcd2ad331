"""A short run on real HTTP: the notes are complete, the verdict is clean, and it sees what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.load.notes import Note, Told, between, spread, statuses
from bench.load.people import Habits
from bench.load.replay import replay
from bench.load.simulated import Simulation
from bench.load.stage import Asked, LoadStage, asked_of, load_stage
from bench.load.targets import plain
from bench.load.verdict import judge
from tests.lab import draw_image

pytestmark = pytest.mark.long

HABITS = Habits(pace=0.02, boxes=2, again=0.6)
SIMULATION = Simulation(encode_s=0.03, embedding_share=0.01, side_px=128)


@dataclass
class Run:
    stage: LoadStage
    notes: list[Note]
    asked: Asked


def discs(folder: Path) -> Path:
    draw_image(folder / "discs.png")
    return folder / "discs.png"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with load_stage(tmp_path_factory.mktemp("load"), slides=3, people=8, draw=discs) as stage:
        with plain(stage, SIMULATION) as target:
            stage.cytomine.faults.clear()
            notes = replay(stage.crowd(target.url, HABITS, 4.0, per_second=1.5, seed=7))
            assert target.cpu_s() > 0
            assert target.memory_bytes() > 2**20
        yield Run(stage, notes, asked_of(stage.cytomine.faults.requests))


def of(run: Run, kind: str) -> list[Note]:
    return [note for note in run.notes if note.kind == kind]


def test_every_kind_of_request_was_sent_and_done(run: Run) -> None:
    for kind in ("draw", "prefetch", "refine", "point"):
        notes = of(run, kind)
        assert notes, kind
        assert all(note.accepted for note in notes), statuses(notes)
    assert len(of(run, "refine")) == len(of(run, "draw")) + len(of(run, "point"))


def test_a_box_is_prepared_while_the_person_looks_at_it(run: Run) -> None:
    for prefetch in of(run, "prefetch"):
        drawn = next(note for note in of(run, "draw") if note.annotation == prefetch.annotation)
        pressed = next(note for note in of(run, "refine") if note.annotation == prefetch.annotation)
        assert drawn.done_s == prefetch.wished_s <= prefetch.sent_s
        assert prefetch.wished_s < pressed.wished_s


def test_moments_are_in_order(run: Run) -> None:
    for note in run.notes:
        assert 0 <= note.wished_s <= note.due_s <= note.sent_s <= note.done_s
        assert note.latency_s >= note.done_s - note.sent_s
    assert [note.wished_s for note in run.notes] == sorted(note.wished_s for note in run.notes)


def test_everybody_got_their_own_result_once(run: Run) -> None:
    verdict = judge(run.stage.cytomine.store, run.notes, run.stage.slides, known_objects=True)
    assert verdict.clean, verdict
    assert verdict.accepted == len(of(run, "refine"))


def test_what_the_service_asked_for_is_counted_without_what_people_drew(run: Run) -> None:
    refines, points = len(of(run, "refine")), len(of(run, "point"))
    assert run.asked.core_writes == refines + points  # each stores once, and deletes its point
    assert run.asked.core_reads >= 3 * refines
    assert 0 < run.asked.windows <= refines + len(of(run, "prefetch"))


def doctored(run: Run, **changes: object) -> list[Note]:
    """Falsify the first answer of the service."""
    notes = list(run.notes)
    first = next(place for place, note in enumerate(notes) if note.told)
    told = notes[first].told
    assert told is not None
    notes[first] = replace(notes[first], told=replace(told, **changes))  # type: ignore[arg-type]
    return notes


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"location": "POLYGON ((0 0, 1 0, 1 1, 0 0))"}, {"not_stored", "wrong_shape"}),
        ({"command": 999_999}, {"not_stored"}),
        ({"annotation": 1}, {"mixed_up"}),
        ({"window": (0, 0, 16, 16)}, {"mixed_up"}),
        ({"changed": False, "command": None}, {"written_twice"}),
    ],
)
def test_the_verdict_sees_what_is_wrong(run: Run, changes: dict[str, object], where: set[str]) -> None:
    verdict = judge(run.stage.cytomine.store, doctored(run, **changes), run.stage.slides, known_objects=True)
    wrong = {"not_stored", "mixed_up", "wrong_shape", "written_twice", "annotations_lost", "points_lost"}
    assert {name for name in wrong if getattr(verdict, name)} == where


def test_the_verdict_sees_lost_points_and_annotations(run: Run) -> None:
    point = next(point for note in run.notes if note.told for point in note.told.points_deleted)
    notes = [
        replace(note, told=replace(note.told, points_deleted=()))
        if note.told and point in note.told.points_deleted
        else note
        for note in run.notes
    ]
    assert judge(run.stage.cytomine.store, notes, run.stage.slides, known_objects=True).points_lost == 1
    number = of(run, "draw")[0].annotation
    run.stage.cytomine.store.remove(number)
    assert judge(run.stage.cytomine.store, run.notes, run.stage.slides, known_objects=True).annotations_lost == 1


def test_latency_counts_from_the_wish_and_includes_being_turned_away() -> None:
    first = Note("refine", 0, 5, 0, 1.0, 1.0, 1.1, 1.2, 503, retry_after_s=2.0)
    again = Note("refine", 0, 5, 1, 1.0, 3.2, 3.2, 3.5, 200)
    assert first.lag_s == pytest.approx(0.1)
    assert again.latency_s == pytest.approx(2.5)
    assert statuses([first, again, again]) == {"200": 2, "503": 1}
    assert between([first, again], 0.5, 1.0) == []


def test_a_spread_of_nothing_is_none() -> None:
    assert spread([]) is None
    found = spread([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.n, found.median, found.most) == (3, 2.0, 3.0)


def test_an_answer_tells_whether_its_window_was_ready() -> None:
    steps = {"window": 0.0, "encode": 0.0, "decode": 5.0, "total": 10.0}
    told = Told(1, True, "", "", (), None, (0, 0, 1, 1), steps)
    assert told.embedding == "ready"
    assert replace(told, timings_ms={**steps, "total": 90.0}).embedding == "under way"
    assert replace(told, timings_ms={**steps, "encode": 50.0}).embedding == "own"
