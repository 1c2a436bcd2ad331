"""Files as people have them that exports got wrong once; each stands for its whole kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from typer.testing import CliRunner

from tests.training.drawn import (
    FIRST,
    HEIGHT,
    SECOND,
    WIDTH,
    annotation,
    disc,
    feature,
    level0,
    pixels_of,
    rings_of,
    write_coco,
    write_geojson,
    write_slide,
)
from training.cli import app
from training.cli.export import INCOMPLETE
from training.dataset import Dataset, Item, open_dataset
from training.dataset.export import Choice, Exported, export
from training.dataset.sources.coco import CocoFile
from training.dataset.sources.geojson import QuPathFolder

ONE, TWO = disc(*FIRST), disc(*SECOND)
CASES = Path(__file__).resolve().parents[2].parent / "shared" / "findings" / "cases"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A slide, nothing outlined."""
    write_slide(tmp_path / "in" / "slide.png")
    return tmp_path / "in"


def exported(folder: Path, *features: object, name: str = "slide.geojson", **choice: object) -> Exported:
    write_geojson(folder / name, features)
    return export(QuPathFolder(folder), folder.parent / "data", Choice(**choice))  # type: ignore[arg-type]


def items(folder: Path) -> tuple[Item, ...]:
    return open_dataset(folder.parent / "data").items


# 01


def test_a_corrected_outline_and_class_replace_the_old_ones(folder: Path) -> None:
    first = exported(folder, feature(disc(60, 50, 12), "a", "Stroma"), feature(TWO, "b"))
    old = items(folder)
    again = exported(folder, feature(ONE, "a", "Tumor"), feature(TWO, "b"))
    assert (first.new, again.new, again.changed, again.kept) == (2, 0, 1, 1)
    corrected = next(item for item in items(folder) if item.annotation == "a")
    assert corrected.object_type == "Tumor"
    assert corrected.longer_px0 == pytest.approx(49)
    assert {item.key for item in items(folder)} == {item.key for item in old}
    there = {file.stem for part in ("windows", "masks") for file in (folder.parent / "data" / part).iterdir()}
    assert there == {item.id for item in items(folder)}  # nothing is left of the old outline


def test_what_is_gone_is_told_and_taken_out_on_request(folder: Path) -> None:
    exported(folder, feature(ONE, "a"), feature(TWO, "b"))
    told = exported(folder, feature(ONE, "a"))
    assert [note.what for note in told.gone] == ["in/slide, b"]
    assert len(items(folder)) == 2
    pruned = exported(folder, feature(ONE, "a"), prune=True)
    assert [note.what for note in pruned.taken_out] == ["in/slide, b"]
    assert [item.annotation for item in items(folder)] == ["a"]
    assert len(list((folder.parent / "data" / "masks").iterdir())) == 1


# 02, 03


@pytest.mark.parametrize("name", ["PathAnnotationObject", "same", 0, None, "x" * 240])
def test_ids_that_tell_nothing_apart(folder: Path, name: object) -> None:
    shutil.copy(folder / "slide.png", folder / "other.png")
    assert exported(folder, feature(ONE, name), feature(TWO, name)).new == 2
    assert exported(folder, feature(TWO, name), feature(ONE, name)).kept == 2  # nor does their order
    corrected = exported(folder, feature(disc(62, 50, 20), name), feature(TWO, name))
    assert (corrected.new, corrected.changed, corrected.kept, corrected.gone) == (0, 1, 1, [])


def test_ids_of_240_letters_that_differ_in_the_last(folder: Path) -> None:
    assert exported(folder, feature(ONE, "x" * 239 + "a"), feature(TWO, "x" * 239 + "b")).new == 2


def test_an_outline_that_is_drawn_twice_counts_once_and_is_named(folder: Path) -> None:
    done = exported(folder, feature(ONE), feature(ONE), feature(ONE, kind="Stroma"))
    assert (done.new, done.left_out) == (2, 1)
    assert "drawn twice" in done.of("left out")[0].why
    assert {item.object_type for item in items(folder)} == {"Tumor", "Stroma"}


def test_coco_ids_that_are_all_zero(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.png")
    write_coco(tmp_path / "coco.json", [annotation(ONE, 0), annotation(TWO, 0)])
    assert export(CocoFile(tmp_path / "coco.json"), tmp_path / "data").new == 2


# 04


def test_two_files_of_one_name(tmp_path: Path) -> None:
    for task in ("taskA", "taskB"):
        write_slide(tmp_path / task / "a.png", FIRST if task == "taskA" else SECOND)
        write_coco(tmp_path / task / "instances.json", [annotation(ONE if task == "taskA" else TWO)])
    first, second = (
        export(CocoFile(tmp_path / task / "instances.json"), tmp_path / "data") for task in ("taskA", "taskB")
    )
    assert (first.new, second.new, second.gone) == (1, 1, [])
    found = open_dataset(tmp_path / "data").items
    assert {item.dataset for item in found} == {"instances", "taskB/instances"}


def test_two_files_of_one_stem(folder: Path) -> None:
    write_geojson(folder / "slide.json", [feature(TWO, "b")])
    done = exported(folder, feature(ONE, "a"))
    assert done.new == 2
    assert {item.slide for item in items(folder)} == {"in/slide"}


# 05


def test_names_without_latin_letters(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name, each in (("切片一", FIRST), ("切片二", SECOND)):
        write_slide(folder / f"{name}.png", each)
        write_geojson(folder / f"{name}.geojson", [feature(disc(*each))])
    assert export(QuPathFolder(folder), tmp_path / "data").new == 2
    assert {item.slide for item in open_dataset(tmp_path / "data").items} == {"in/切片一", "in/切片二"}


# 06, 07


def test_a_bow_tie_with_a_line(folder: Path) -> None:
    ring = [[40, 30], [80, 70], [80, 30], [40, 70], [40, 46], [8, 46], [40, 46], [40, 30]]
    exported(folder, feature({"type": "Polygon", "coordinates": [ring]}))
    (item,) = items(folder)
    dataset = open_dataset(folder.parent / "data")
    x0, _, side = item.window
    assert [round(x0 + x * side / 1024) for x in (item.box[0], item.box[2])] == [40, 80]
    wanted = shapely.union_all(
        [shapely.Polygon([(40, 30), (60, 50), (40, 70)]), shapely.Polygon([(80, 30), (60, 50), (80, 70)])]
    )
    found = level0(dataset, item)
    assert found[pixels_of(wanted.buffer(-0.75))].all()
    assert not found[~pixels_of(wanted.buffer(0.75))].any()
    assert item.area_px0 == pytest.approx(wanted.area)


def test_parts_that_overlap_are_one(folder: Path) -> None:
    parts = [disc(60, 50, 24), disc(76, 50, 24)]
    coordinates = [[list(map(list, part.exterior.coords))] for part in parts]
    exported(folder, feature({"type": "MultiPolygon", "coordinates": coordinates}))
    (item,) = items(folder)
    found = level0(open_dataset(folder.parent / "data"), item)
    assert (found == pixels_of(shapely.union_all(parts))).all()
    assert found[50, 68]


def test_a_lasso_that_runs_past_its_start_is_filled(folder: Path) -> None:
    turn = np.linspace(0, 2.6 * np.pi, 90)
    lasso = np.column_stack([80 + (30 + 2 * turn) * np.cos(turn), 80 + (30 + 2 * turn) * np.sin(turn)])
    ring = [*lasso.tolist(), lasso[0].tolist()]
    exported(folder, feature({"type": "Polygon", "coordinates": [ring]}))
    (item,) = items(folder)
    found = level0(open_dataset(folder.parent / "data"), item)
    inside = shapely.Point(80, 80).buffer(29)
    assert found[pixels_of(inside)].all()  # an even-odd rule leaves what was circled twice open


def test_mask_box_and_area_are_of_what_lies_on_the_slide(folder: Path) -> None:
    exported(folder, feature(shapely.box(-30, 40, 30, 80)), feature(shapely.box(-90, 0, -10, 30)))
    (item,) = items(folder)
    dataset = open_dataset(folder.parent / "data")
    ys, xs = np.nonzero(dataset.mask(item))
    assert item.area_px0 == 30 * 40
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == pytest.approx(item.box, abs=2)


# 08


def test_an_image_of_another_size_than_the_file_says_is_refused(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.png")
    write_coco(
        tmp_path / "coco.json", [annotation(ONE)], [{"id": 1, "file_name": "a.png", "width": 9, "height": WIDTH}]
    )
    done = export(CocoFile(tmp_path / "coco.json"), tmp_path / "data")
    (note,) = done.refused
    assert str(note) == f"a.png: the file says 9 x {WIDTH}, and the image has {WIDTH} x {HEIGHT}"


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A photograph that is stored on its side, and says so."""
    write_slide(tmp_path / "in" / "whole.png")
    upright = Image.open(tmp_path / "in" / "whole.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn to the right to see it upright
    (tmp_path / "in" / "whole.png").unlink()
    upright.rotate(90, expand=True).save(tmp_path / "in" / "a.jpg", quality=98, exif=exif)
    return tmp_path / "in"


def lies_on_its_disc(dataset: Dataset, item: Item) -> bool:
    dark, mask = dataset.image(item)[..., 1] < 125, dataset.mask(item)
    return bool((dark & mask).sum() / mask.sum() > 0.97 and (dark & ~mask).sum() < 0.1 * mask.sum())


def as_stored(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: np.column_stack([xy[:, 1], WIDTH - xy[:, 0]]))


@pytest.mark.parametrize("stored", [False, True])
def test_a_photograph_on_its_side_is_outlined_as_its_outlines_lie(turned: Path, stored: bool) -> None:
    first, second = (as_stored(ONE), as_stored(TWO)) if stored else (ONE, TWO)
    exported(turned, feature(first, "a"), feature(second, "b"), name="a.geojson")
    dataset = open_dataset(turned.parent / "data")
    assert [lies_on_its_disc(dataset, item) for item in dataset.items] == [True, True]


@pytest.mark.parametrize("stored", [False, True])
def test_a_photograph_on_its_side_in_coco_lies_as_its_size_says(turned: Path, stored: bool) -> None:
    size = {"width": HEIGHT, "height": WIDTH} if stored else {"width": WIDTH, "height": HEIGHT}
    shape = as_stored(ONE) if stored else ONE
    write_coco(turned / "coco.json", [annotation(shape)], [{"id": 1, "file_name": "a.jpg", **size}])
    assert export(CocoFile(turned / "coco.json"), turned.parent / "data").refused == []
    dataset = open_dataset(turned.parent / "data")
    assert [lies_on_its_disc(dataset, item) for item in dataset.items] == [True]


# 10, 17


def test_pixels_that_cannot_be_read_cost_their_objects_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(source: QuPathFolder, slide: object, window: object, side_px: int) -> np.ndarray:
        if window.x0 > 40:  # type: ignore[attr-defined]
            raise OSError("a tile is damaged")
        return read(source, slide, window, side_px)  # type: ignore[arg-type]

    read = QuPathFolder.pixels
    exported(folder, feature(disc(*SECOND), "b"))
    monkeypatch.setattr(QuPathFolder, "pixels", failing)
    done = exported(folder, feature(ONE, "a"), feature(disc(160, 100, 20), "b"), prune=True)
    assert done.new == 1
    assert [note.what for note in done.refused] == ["slide.geojson, feature 2 (b)"]
    assert "its pixels cannot be read: OSError a tile is damaged" in done.refused[0].why
    assert {item.annotation for item in items(folder)} == {"a", "b"}  # the old b stays as it was
    monkeypatch.undo()
    assert exported(folder, feature(ONE, "a"), feature(disc(160, 100, 20), "b")).changed == 1


SQUARE = [[5, 5], [60, 5], [60, 60], [5, 60], [5, 5]]
BAD_FEATURES = {
    "null geometry": (feature(None), "it has no geometry"),
    "unclosed": (feature({"type": "Polygon", "coordinates": [SQUARE[:-1]]}), "a ring is not closed"),
    "no rings": (feature({"type": "Polygon", "coordinates": []}), "a polygon has no rings"),
    "two corners": (
        feature({"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [0, 0]]]}),
        "fewer than three corners",
    ),
    "a line back": (feature({"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [0, 0], [0, 0]]]}), "it has no area"),
    "text": (feature({"type": "Polygon", "coordinates": [[["0", "0"], *SQUARE]]}), "a coordinate is not a number"),
    "far": (feature({"type": "Polygon", "coordinates": [[[1e300, 0], *SQUARE]]}), "far outside any slide"),
    "one number": (feature({"type": "Polygon", "coordinates": [[[1], *SQUARE]]}), "a vertex has no x and y"),
    "other type": (feature({"type": "Circle", "coordinates": [1, 2]}), "its geometry is not a readable Circle"),
    "no type": (feature({"coordinates": [[SQUARE]]}), "its geometry has no type"),
    "points only": (
        feature({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]}),
        "nothing in it has an area",
    ),
    "no feature": (7, "it is not a GeoJSON feature"),
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_a_bad_feature_is_named_and_the_others_are_exported(folder: Path, case: str) -> None:
    bad, why = BAD_FEATURES[case]
    done = exported(folder, feature(ONE, "a"), bad, feature(TWO, "b"))
    assert done.new == 2
    (note,) = done.refused
    assert note.what.startswith("slide.geojson, feature 2")
    assert why in note.why
    assert json.loads(done.file(folder.parent / "data").read_text())["what"] == note.what


NO_GEOJSON = {
    "classes.json": b'{"pathClasses": [{"name": "Tumor"}]}',
    "cut.geojson": b'{"type": "FeatureCollection", "features": [{"type": ',
    "latin.geojson": b'{"name": "\xe9"}',
    "deep.geojson": b"[" * 100_000,
    "packed.geojson.gz": b"no gzip",
    "packed.zip": b"PK no zip",
    "alone.geojson": b'{"type": "FeatureCollection", "features": []}',
}


@pytest.mark.parametrize("name", NO_GEOJSON)
def test_a_bad_file_is_named_and_the_others_are_exported(folder: Path, name: str) -> None:
    if name != "alone.geojson":  # that one has no image
        write_slide(folder / f"{name.partition('.')[0]}.png", SECOND)
    (folder / name).write_bytes(NO_GEOJSON[name])
    done = exported(folder, feature(ONE, "a"))
    assert (done.new, len(done.refused)) == (1, 1)
    assert done.refused[0].what == name


BAD_ANNOTATIONS = {
    "box only": (annotation(None, bbox=[130, 70, 60, 60]), "it has no outline, only a box"),
    "flat list": (annotation(None, segmentation=rings_of(TWO)[0]), "its outline is not a list of rings"),
    "odd": (annotation(None, segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "a ring is not x, y, x, y"),
    "nothing": (annotation(None, segmentation=[]), "it has no outline"),
    "text": (annotation(None, segmentation="no"), "its outline is not a list"),
    "other image": (annotation(TWO, image=7), "the file lists no image for it"),
    "no image": (annotation(TWO, image=None), "the file lists no image for it"),
    "other class": (annotation(TWO, category_id=9), "the file has no category 9"),
    "box beside": (annotation(TWO, bbox=[0, 0, 5, 5]), "its outline lies beside its own box"),
    "no record": ("nothing", "it is not a record"),
    "short runs": (annotation(None, segmentation={"size": [HEIGHT, WIDTH], "counts": [5, 6]}), "do not fill its image"),
    "negative runs": (
        annotation(None, segmentation={"size": [HEIGHT, WIDTH], "counts": [-5, HEIGHT * WIDTH + 5]}),
        "do not fill its image",
    ),
    "runs of another image": (annotation(None, segmentation={"size": [9, 9], "counts": [81]}), "an image of 9 x 9"),
    "huge runs": (annotation(None, segmentation={"size": [10**6, 10**6], "counts": [10**12]}), "an image of 1000000"),
    "damaged text": (annotation(None, segmentation={"size": [HEIGHT, WIDTH], "counts": "ab\x7f"}), "damaged"),
    "text cut off": (annotation(None, segmentation={"size": [HEIGHT, WIDTH], "counts": "00P"}), "cut off"),
    "long text": (annotation(None, segmentation={"size": [HEIGHT, WIDTH], "counts": "o" * 99}), "damaged"),
    "nothing on": (
        annotation(None, segmentation={"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}),
        "its run lengths are empty",
    ),
}


@pytest.mark.parametrize("case", BAD_ANNOTATIONS)
def test_a_bad_annotation_is_named_and_the_others_are_exported(tmp_path: Path, case: str) -> None:
    bad, why = BAD_ANNOTATIONS[case]
    write_slide(tmp_path / "a.png")
    write_coco(tmp_path / "coco.json", [annotation(ONE, 5), bad, annotation(TWO, 6)])
    done = export(CocoFile(tmp_path / "coco.json"), tmp_path / "data")
    assert done.new == 2
    (note,) = done.refused
    assert "annotation 2" in note.what
    assert why in note.why


def test_images_that_contradict_themselves_are_refused_by_name(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.png")
    write_slide(tmp_path / "b.png")
    images = [
        {"id": 1, "file_name": "a.png"},
        {"id": 2, "file_name": "a.png", "width": 1},
        {"id": 2, "file_name": "b.png"},
        {"id": 3},
        {"id": 4, "file_name": "gone.png"},
    ]
    write_coco(tmp_path / "coco.json", [annotation(ONE, n, n) for n in (1, 2, 3, 4)], images)
    done = export(CocoFile(tmp_path / "coco.json"), tmp_path / "data")
    assert done.new == 1
    assert [note.why.split(" has no image")[-1] for note in done.refused] == [
        "its image 2 is in the file twice, with different values",
        "its image 3 has no file_name",
        " gone.png",
    ]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.png")
    write_coco(tmp_path / "coco.json", [annotation(ONE)])
    (tmp_path / "coco.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "coco.json").read_bytes())
    assert export(CocoFile(tmp_path / "coco.json"), tmp_path / "data").new == 1


@pytest.mark.parametrize("image", ["slide.ome.tif", "slide.TIF", "slide.geojson.png"])
def test_images_are_found_whatever_their_suffix(tmp_path: Path, image: str) -> None:
    write_slide(tmp_path / "in" / "plain.tif")
    (tmp_path / "in" / "plain.tif").rename(tmp_path / "in" / image)
    name = "slide.geojson.geojson" if image.endswith(".png") else "slide.geojson"
    assert exported(tmp_path / "in", feature(ONE), name=name).new == 1


def test_an_image_that_could_be_one_of_two_is_asked_for(folder: Path) -> None:
    shutil.copy(folder / "slide.png", folder / "slide.jpg")
    write_slide(folder / "other.png", SECOND)
    write_geojson(folder / "other.geojson", [feature(TWO)])
    done = exported(folder, feature(ONE))
    assert done.new == 1
    assert "slide could be any of slide.jpg, slide.png" in done.refused[0].why
    (folder / "slide.geojson").unlink()
    assert exported(folder, feature(ONE), name="slide.png.geojson").new == 1


def test_the_exit_status_says_that_something_could_not_be_read(folder: Path) -> None:
    write_geojson(folder / "slide.geojson", [feature(ONE, "a"), feature(None, "n")])
    arguments = ["export", "qupath", str(folder), "--out", str(folder.parent / "data")]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == INCOMPLETE == 3
    assert "1 new, 0 changed, 0 kept, 0 left out, 1 not readable" in answer.output
    assert "not readable: slide.geojson, feature 2 (n): it has no geometry" in answer.output
    write_geojson(folder / "slide.geojson", [feature(ONE, "a")])
    assert CliRunner().invoke(app, arguments).exit_code == 0


WANTED = {
    "02-old-qupath-ids": (2, 0), "05-names-without-latin": (2, 0), "06-bow-tie-with-line": (1, 0),
    "07-parts-that-overlap": (1, 0), "08-exif": (2, 0), "08-exif-coco/coco.json": (1, 0), "10-one-bad-tile": (2, 1),
    "17-one-bad-record/null-geometry": (2, 1), "17-one-bad-record/unclosed": (1, 1),
    "17-one-bad-record/stray-json": (1, 1), "17-one-bad-record/name.ome.tif": (1, 0),
    "03-coco-ids-all-zero/instances_default.json": (2, 0),
    "17-one-bad-record/coco-box-only/instances_default.json": (1, 1),
    "17-one-bad-record/coco-byte-order-mark/instances_default.json": (1, 0),
    "17-one-bad-record/coco-flat-list/instances_default.json": (1, 1),
    "17-one-bad-record/coco-missing-image/instances_default.json": (1, 1),
}  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize("case", WANTED)
def test_the_files_themselves(case: str, tmp_path: Path) -> None:
    place = CASES / case
    if not place.exists():
        pytest.skip("no shared cases beside the project")
    source = CocoFile(place) if place.suffix == ".json" else QuPathFolder(place)
    done = export(source, tmp_path)
    assert (done.new, len(done.refused)) == WANTED[case]
