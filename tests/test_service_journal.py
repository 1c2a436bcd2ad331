"""The service's journal: whole lines from many threads, no credentials, and what is broken is told as such."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import InvalidSettings
from app.journal import Journal, entries
from app.usecases.embeddings import Embeddings
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.refinement import Refinement
from app.usecases.replay import Replay
from app.usecases.segment_roi import SegmentRoi
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

BOX = "POLYGON ((420 320, 580 320, 580 480, 420 480, 420 320))"


@pytest.fixture
def gateway() -> FakeGateway:
    found = FakeGateway(annotations={7: annotation(7, BOX)}, caller_id=61)
    found.add_point(11, 500, 400)
    return found


@pytest.fixture
def refined(gateway: FakeGateway) -> Refinement:
    segmenter = DarkSegmenter()
    verb = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter), segmenter), 20)
    return verb(7, RefineOptions(box=(430.1, 330.2, 570.3, 470.4)))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "new" / "journal.jsonl")) as made:
        yield made


def lines(tmp_path: Path) -> list[object]:
    return list(entries(tmp_path / "new" / "journal.jsonl"))


def test_a_line_comes_back_as_it_was_written(tmp_path: Path, journal: Journal, refined: Refinement) -> None:
    journal.write(refined)
    (entry,) = lines(tmp_path)
    assert entry.recipe == refined.recipe  # type: ignore[attr-defined]
    assert (entry.annotation_id, entry.caller) == (7, 61)  # type: ignore[attr-defined]
    assert entry.model.sha256 == refined.model.sha256  # type: ignore[attr-defined]


def test_what_was_not_written_is_not_journalled(tmp_path: Path, journal: Journal, gateway: FakeGateway) -> None:
    segmenter = DarkSegmenter()
    verb = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(radius=0), segmenter), segmenter), 20)
    journal.write(verb(7, RefineOptions(dry_run=True)))
    journal.write(verb(7, RefineOptions()))
    assert lines(tmp_path) == []


def test_lines_of_many_threads_do_not_mix(tmp_path: Path, journal: Journal, refined: Refinement) -> None:
    with closing(Journal(tmp_path / "new" / "journal.jsonl")) as second, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: (journal, second)[at % 2].write(refined), range(200)))
    found = lines(tmp_path)
    assert len(found) == 200
    assert None not in found


def test_a_line_that_was_cut_off_is_told(tmp_path: Path, journal: Journal, refined: Refinement) -> None:
    journal.write(refined)
    path = tmp_path / "new" / "journal.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:100] + b"\n[]\n")
    assert [each is None for each in lines(tmp_path)] == [False, True, True]


def test_only_the_service_may_read_it(tmp_path: Path, journal: Journal) -> None:
    assert stat.S_IMODE((tmp_path / "new" / "journal.jsonl").stat().st_mode) == 0o600


def test_a_disk_that_fails_fails_no_refine(
    journal: Journal, refined: Refinement, caplog: pytest.LogCaptureFixture
) -> None:
    read_only = os.open(os.devnull, os.O_RDONLY)
    whole, journal._file = journal._file, read_only
    journal.write(refined)
    assert "The journal lacks annotation 7" in caplog.text
    journal._file = whole
    os.close(read_only)


def test_a_place_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="REFINE_REFINE__JOURNAL"):
        Journal(tmp_path)


def test_what_is_made_again_is_the_same_whatever_became_of_the_annotation(
    gateway: FakeGateway, refined: Refinement
) -> None:
    assert refined.recipe is not None
    gateway.annotations.clear()
    gateway.points.clear()
    segmenter = DarkSegmenter()
    assert Replay(gateway, DiscReader(), segmenter)(refined.recipe) == refined.recipe.location == refined.location
    assert Replay(gateway, DiscReader(radius=40), segmenter)(refined.recipe) != refined.recipe.location
    assert Replay(gateway, DiscReader(radius=0), segmenter)(refined.recipe) is None
