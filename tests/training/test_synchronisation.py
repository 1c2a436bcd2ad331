"""A dataset folder follows its sources, whatever happens to either."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.training.drawn import (
    FIRST,
    SECOND,
    annotation,
    asap,
    disc,
    feature,
    ring,
    write_asap,
    write_coco,
    write_geojson,
    write_slide,
)
from training.cli import app
from training.dataset import open_dataset
from training.dataset.export import Choice, export
from training.dataset.files import alone
from training.dataset.folder import ITEMS, mask_file
from training.dataset.item import line_of
from training.dataset.sources.asap import AsapFolder
from training.dataset.sources.coco import CocoFile
from training.dataset.sources.geojson import QuPathFolder
from training.dataset.splits import FILE as SPLITS_FILE
from training.errors import BrokenDataset, BrokenSource

ONE, TWO = disc(*FIRST), disc(*SECOND)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two outlined slides."""
    for name in ("first", "second"):
        write_slide(tmp_path / "in" / f"{name}.png", FIRST, SECOND, (10 if name == "first" else 220, 10, 5))
        write_geojson(tmp_path / "in" / f"{name}.geojson", [feature(ONE, "a"), feature(TWO, "b")])
    return tmp_path


def run(place: Path, **choice: object) -> object:
    return export(QuPathFolder(place / "in"), place / "data", Choice(**choice))  # type: ignore[arg-type]


def test_a_source_that_moved_is_the_same_source(place: Path) -> None:
    run(place)
    before = open_dataset(place / "data").items
    (place / "elsewhere").mkdir()
    (place / "in").rename(place / "elsewhere" / "in")
    done = export(QuPathFolder(place / "elsewhere" / "in"), place / "data")
    assert (done.new, done.kept, done.moved_from) == (0, 4, str(place / "in"))
    assert open_dataset(place / "data").items == before
    (place / "elsewhere" / "in").rename(place / "elsewhere" / "other")
    named = export(QuPathFolder(place / "elsewhere" / "other"), place / "data", name="in")
    assert (named.new, named.kept) == (0, 4)


def test_a_copy_of_a_slide_in_another_source_stays_on_its_side(place: Path) -> None:
    shutil.copytree(place / "in", place / "copy" / "in")
    run(place)
    done = export(QuPathFolder(place / "copy" / "in"), place / "data")
    assert (done.new, done.source) == (4, "copy/in")
    dataset = open_dataset(place / "data")
    sides = {slide.rpartition("/")[2]: set() for slide in dataset.splits}
    for slide, side in dataset.splits.items():
        sides[slide.rpartition("/")[2]].add(side)
    assert len(dataset.splits) == 4
    assert all(len(found) == 1 for found in sides.values())


def test_what_cannot_be_read_is_not_gone(place: Path) -> None:
    run(place)
    write_geojson(place / "in" / "first.geojson", [feature(None, "a"), feature(TWO, "b")])
    (place / "in" / "second.geojson").write_text("{")
    done = run(place, prune=True)
    assert (done.kept, len(done.refused), done.gone, done.taken_out) == (1, 2, [], [])  # type: ignore[attr-defined]
    assert len(open_dataset(place / "data").items) == 4


def test_a_file_that_is_away_is_gone_with_all_its_objects(place: Path) -> None:
    run(place)
    (place / "in" / "second.geojson").unlink()
    assert len(run(place, prune=True).taken_out) == 2  # type: ignore[attr-defined]
    assert {item.slide for item in open_dataset(place / "data").items} == {"in/first"}


def test_a_corrected_outline_that_is_left_out_now_does_not_stay_as_it_was(place: Path) -> None:
    run(place)
    write_geojson(place / "in" / "first.geojson", [feature(disc(60, 50, 3), "a"), feature(TWO, "b")])
    done = run(place)
    assert [note.what for note in done.gone] == ["in/first, a"]  # type: ignore[attr-defined]
    assert done.left_out == 1  # type: ignore[attr-defined]


def test_another_choice_takes_nothing_away(place: Path) -> None:
    run(place)
    done = run(place, per_slide=1, smallest_area_px0=1e9, prune=True)
    assert (done.kept, done.taken_out) == (4, [])  # type: ignore[attr-defined]


def test_one_source_leaves_the_items_of_others_alone(place: Path) -> None:
    run(place)
    write_coco(place / "in" / "coco.json", [annotation(ONE)], [{"id": 1, "file_name": "first.png"}])
    export(CocoFile(place / "in" / "coco.json"), place / "data")
    (place / "in" / "coco.json").unlink()
    write_coco(place / "in" / "coco.json", [annotation(TWO)], [{"id": 1, "file_name": "first.png"}])
    done = export(CocoFile(place / "in" / "coco.json"), place / "data", Choice(prune=True))
    assert (done.changed, done.taken_out) == (1, [])
    assert len(open_dataset(place / "data").items) == 5


def test_datasets_of_before_are_taken_over(place: Path) -> None:
    run(place)
    data = place / "data"
    new = open_dataset(data)
    old = []
    for number, item in enumerate(new.items):
        name = f"old-{number}"
        mask_file(data, item.id).rename(mask_file(data, name))
        (data / "windows" / f"{item.id}.jpg").rename(data / "windows" / f"{name}.jpg")
        old.append(dataclasses.replace(item, id=name, source="", key="", content="", image=""))
    lines = [json.loads(line_of(item)) for item in old]
    for line in lines:
        for field in ("source", "key", "content", "image"):
            del line[field]
    (data / ITEMS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(open_dataset(data).items) == 4
    write_geojson(place / "in" / "first.geojson", [feature(ONE, "a")])
    done = run(place)
    assert (done.new, done.kept) == (0, 3)  # type: ignore[attr-defined]
    assert [note.what for note in done.gone] == ["in/first, b"]  # type: ignore[attr-defined]
    assert open_dataset(data).splits == new.splits


def test_a_damaged_line_is_made_anew(place: Path) -> None:
    run(place)
    lines = (place / "data" / ITEMS).read_text().splitlines(keepends=True)
    (place / "data" / ITEMS).write_text(lines[0] + "nonsense\n" + lines[2] + lines[3])
    with pytest.raises(BrokenDataset, match="Run the export again: it makes that object anew"):
        open_dataset(place / "data")
    done = run(place)
    assert (done.new, done.kept) == (1, 3)  # type: ignore[attr-defined]
    assert len(open_dataset(place / "data").items) == 4


def test_damaged_sides_are_told_before_anything_is_done(place: Path) -> None:
    run(place)
    (place / "data" / SPLITS_FILE).write_text('{"in/first": "nowhere"}')
    write_geojson(place / "in" / "first.geojson", [])
    with pytest.raises(BrokenDataset, match="delete it and export again"):
        run(place, prune=True)
    assert len((place / "data" / ITEMS).read_text().splitlines()) == 4
    (place / "data" / SPLITS_FILE).unlink()
    run(place)
    open_dataset(place / "data")


class Stopping(QuPathFolder):
    """A source that ends after some windows, as a person or a server may end it."""

    def __init__(self, folder: Path, after: int, error: BaseException) -> None:
        super().__init__(folder)
        self._left, self._error = after, error

    def pixels(self, slide, window, side_px):  # type: ignore[no-untyped-def]
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().pixels(slide, window, side_px)


@pytest.mark.parametrize("after", range(4))
def test_whatever_stops_an_export_the_folder_can_be_trained_on_and_goes_on(place: Path, after: int) -> None:
    run(place)
    for name in ("first", "second"):
        write_geojson(
            place / "in" / f"{name}.geojson", [feature(disc(60, 50, 20), "a"), feature(disc(160, 100, 20), "b")]
        )
    with pytest.raises(KeyboardInterrupt):
        export(Stopping(place / "in", after, KeyboardInterrupt()), place / "data")
    dataset = open_dataset(place / "data")
    dataset.check_files(list(dataset.items))
    assert len(dataset.items) == 4  # each as it was, or as it is
    done = run(place)
    assert (done.changed, done.kept) == (4 - after, after)  # type: ignore[attr-defined]


def test_a_killed_export_leaves_old_items_until_new_ones_are_whole(place: Path) -> None:
    run(place)
    old = open_dataset(place / "data")
    write_geojson(place / "in" / "first.geojson", [feature(disc(60, 50, 20), "a"), feature(TWO, "b")])
    child = os.fork()
    if child == 0:  # as when the power goes: nothing is tidied up
        kill = Stopping(place / "in", 0, BrokenSource(""))
        kill.pixels = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        export(kill, place / "data")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert open_dataset(place / "data").sha256 == old.sha256
    assert run(place).changed == 1  # type: ignore[attr-defined]


def test_one_export_at_a_time_writes_to_a_folder(place: Path) -> None:
    run(place)
    with alone(place / "data"), pytest.raises(BrokenDataset, match="Another export is writing to"):
        run(place)
    run(place)


def test_the_older_of_two_lines_of_an_object_does_not_count(place: Path) -> None:
    run(place)
    old = (place / "data" / ITEMS).read_text()
    write_geojson(place / "in" / "first.geojson", [feature(disc(60, 50, 20), "a"), feature(TWO, "b")])
    run(place)
    new = (place / "data" / ITEMS).read_text()
    wanted = open_dataset(place / "data").items
    (place / "data" / ITEMS).write_text(old + new)  # as if it had been killed before it could rewrite them
    assert sorted(item.id for item in open_dataset(place / "data").items) == sorted(item.id for item in wanted)


# ASAP


def test_asap_groups_that_do_not_belong_are_cut_out(tmp_path: Path) -> None:
    write_slide(tmp_path / "tumor_001.png")
    hole = [(55, 45), (65, 45), (65, 55), (55, 55)]
    found = [asap(ring(ONE), "Annotation 0", "_0"), asap(hole, "Annotation 1", "_2"), asap(ring(TWO), "", "None")]
    found += [asap([(9, 9)], kind="Dot"), asap([(80, 10), (110, 40)], kind="Rectangle"), asap(hole, "x", kind="Blob")]
    write_asap(tmp_path / "tumor_001.xml", found)
    done = export(AsapFolder(tmp_path), tmp_path / "data")
    assert (done.new, done.left_out) == (3, 2)
    assert [note.why for note in done.refused] == ["its type blob is not one of ASAP's outlines"]
    items = {item.object_type: item for item in open_dataset(tmp_path / "data").items}
    assert set(items) == {"_0", "unclassified", "Tumor"}
    assert items["_0"].area_px0 == ONE.area - 100
    assert items["Tumor"].area_px0 == 900


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><ASAP_Annotations>&c;</ASAP_Annotations>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><ASAP_Annotations>&b;</ASAP_Annotations>',
    ],
)
def test_xml_that_declares_entities_is_refused(tmp_path: Path, text: str) -> None:
    for name in ("bomb", "good"):
        write_slide(tmp_path / f"{name}.png", FIRST if name == "good" else SECOND)
    write_asap(tmp_path / "good.xml", [asap(ring(ONE))])
    (tmp_path / "bomb.xml").write_text(text)
    done = export(AsapFolder(tmp_path), tmp_path / "data")
    assert done.new == 1
    assert [str(note) for note in done.refused] == [
        "bomb.xml: bomb.xml declares types or entities, which no annotation file needs"
    ]


def test_the_command_of_asap(tmp_path: Path) -> None:
    write_slide(tmp_path / "in" / "a.png")
    write_asap(tmp_path / "in" / "a.xml", [asap(ring(ONE), "a"), asap(ring(disc(60, 50, 10)), "b", "Necrosis")])
    arguments = ["export", "asap", str(tmp_path / "in"), "--out", str(tmp_path / "data"), "--exclude", "Necrosis"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert "in: 1 new, 0 changed, 0 kept, 1 left out (1: Necrosis is cut out of the others)" in answer.output
