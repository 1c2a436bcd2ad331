"""The journal as a file: what may have become of it between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import shapely

from cytomine_refine.journal import COLUMNS, Journal, NoJournal, Row

BEFORE, AFTER, OTHER = shapely.box(0, 0, 9, 9).wkt, shapely.box(1, 1, 8, 8).wkt, shapely.box(2, 2, 5, 5).wkt


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def changed(annotation: int, **other: object) -> Row:
    return Row(annotation, 3, "changed", commands=(7, 8), previous_location=BEFORE, location=AFTER, **other)


def test_a_row_comes_back_as_it_was_written(tmp_path: Path) -> None:
    row = changed(
        5, score=0.9, area_before_px0=81.0, area_after_px0=49.0, points_deleted=2, total_ms=3.5,
        doubts=("A demo model; not for work", "2 objects"), problem='It said "no", twice\nand left',
    )  # fmt: skip
    with opened(tmp_path / "a.csv") as journal:
        journal.write(row)
    with opened(tmp_path / "a.csv") as journal:
        assert journal.last == {5: row}


@pytest.mark.parametrize(
    ("row", "now", "standing"),
    [
        (changed(5), AFTER, "done"),
        (changed(5), BEFORE, "to do"),
        (changed(5), OTHER, "edited since"),
        (Row(5, 3, "unchanged", previous_location=BEFORE, location=BEFORE), BEFORE, "done"),
        (Row(5, 3, "unchanged", location=AFTER), BEFORE, "to do"),  # of an older journal: may be a dry run
        (Row(5, 3, "would change", previous_location=BEFORE, location=AFTER), AFTER, "to do"),
        (Row(5, 3, "would not change", previous_location=BEFORE, location=BEFORE), BEFORE, "to do"),
        (Row(5, 3, "failed", problem="no"), BEFORE, "to do"),
        (Row(5, 3, "undone", previous_location=AFTER, location=BEFORE), OTHER, "to do"),
        (Row(5, 3, "unknown", previous_location=BEFORE), BEFORE, "to do"),
        (Row(5, 3, "unknown", previous_location=BEFORE), AFTER, "edited since"),
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_what_counts_as_done(tmp_path: Path, row: Row, now: str, standing: str, reopened: bool) -> None:
    with opened(tmp_path / "a.csv") as journal:
        journal.write(row)
        if not reopened:
            assert journal.standing(5, now) == standing
    with opened(tmp_path / "a.csv") as journal:
        assert journal.standing(5, now) == standing
        assert journal.standing(6, now) == "to do"


def test_a_failure_or_a_dry_run_forgets_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "a.csv") as journal:
        for row in (changed(5), Row(5, 3, "failed", problem="no"), Row(5, 3, "would change", location=OTHER)):
            journal.write(row)
        assert journal.standing(5, AFTER) == "done"


def test_the_same_outline_may_be_written_otherwise(tmp_path: Path) -> None:
    with opened(tmp_path / "a.csv") as journal:
        journal.write(changed(5))
        assert journal.standing(5, "POLYGON((8.000001 8, 1 8, 1 1, 8 1, 8.000001 8))") == "done"
        assert journal.standing(5, "POLYGON((8.1 8, 1 8, 1 1, 8 1, 8.1 8))") == "edited since"
        assert journal.standing(5, "unreadable") == "edited since"


def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with opened(path) as journal:
        journal.write(changed(5))
        journal.write(changed(6))
    path.write_text(path.read_text()[: -len(AFTER)])
    with opened(path) as journal:
        assert journal.standing(5, AFTER) == "done"
        journal.write(changed(7))
    with opened(path) as journal:
        assert {5, 7} <= journal.last.keys()
        assert journal.standing(7, AFTER) == "done"


def test_a_long_outline_is_read_again(tmp_path: Path) -> None:
    circle = shapely.Point(5e4, 5e4).buffer(1e4, quad_segs=3000).wkt
    assert len(circle) > 200_000
    with opened(tmp_path / "a.csv") as journal:
        journal.write(Row(5, 3, "changed", previous_location=BEFORE, location=circle))
    with opened(tmp_path / "a.csv") as journal:
        assert journal.standing(5, circle) == "done"


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_becomes_a_journal(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with opened(tmp_path / "a.csv") as journal:
        journal.write(changed(5))
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize("content", ["slide,stain\n1,HE\n", "no table\n", "a\0b\n"])
def test_another_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(NoJournal):
        Journal(path)
    assert path.read_text() == content
