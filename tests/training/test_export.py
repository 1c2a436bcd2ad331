"""Exports from every source, compared with what was drawn, and what happens to a dataset that is damaged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from shapely.affinity import translate

from app.geometry.contours import trace_polygons
from app.geometry.windows import Region, Window
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import DISC, DISC_X, DISC_Y, HEIGHT, WIDTH, Lab, settle
from tests.training.conftest import write_tile
from tests.training.drawn import compressed, runs_of
from training.dataset import Dataset, open_dataset
from training.dataset.cutting import painted
from training.dataset.export import Choice, export
from training.dataset.folder import ITEMS, mask_file, window_file
from training.dataset.item import Item
from training.dataset.ledger import Ledger
from training.dataset.sources import SourceObject
from training.dataset.sources.coco import CocoFile
from training.dataset.sources.cytomine import WITHOUT_TERM, CytomineProject, Wanted, connected
from training.dataset.sources.geojson import QuPathFolder
from training.dataset.sources.tiles import TilesFolder
from training.errors import BrokenDataset, BrokenSource, NoSpace, SourceGone

RADIUS = 30
PLACES = ((100, 80), (220, 150))


def draw_pair() -> tuple[np.ndarray, np.ndarray]:
    """Two dark discs on pink."""
    image = np.full((240, 320, 3), (230, 190, 210), np.uint8)
    labels = np.zeros((240, 320), np.uint16)
    for number, place in enumerate(PLACES, start=1):
        cv2.circle(image, place, RADIUS, (90, 60, 140), -1)
        cv2.circle(labels, place, RADIUS, number, -1)
    return image, labels


def check_discs(dataset: Dataset) -> None:
    """The masks lie on the dark pixels, and the boxes around them."""
    assert dataset.items
    for item in dataset.items:
        dark, mask = dataset.image(item)[..., 1] < 125, dataset.mask(item)
        assert dark.shape == mask.shape == (1024, 1024)
        own = np.zeros_like(dark)
        x0, y0, x1, y1 = (round(value) for value in item.box)
        own[y0:y1, x0:x1] = dark[y0:y1, x0:x1]
        assert (own & mask).sum() / (own | mask).sum() > 0.97
        assert item.box[2] - item.box[0] == pytest.approx(512, rel=0.03)
        assert abs((item.box[0] + item.box[2]) / 2 - 512) < 20


def test_tiles(tmp_path: Path) -> None:
    write_tile(tmp_path / "tiles", "disc_1", *draw_pair())
    done = export(TilesFolder(tmp_path / "tiles"), tmp_path / "data")
    assert (done.new, done.kept, done.left_out) == (2, 0, 0)
    dataset = open_dataset(tmp_path / "data")
    check_discs(dataset)
    assert {item.dataset for item in dataset.items} == {"disc"}
    assert {item.annotation for item in dataset.items} == {"1", "2"}


def test_parts_of_a_field_stay_together(tmp_path: Path) -> None:
    for name in ("field_01a", "field_01b", "field_02"):
        write_tile(tmp_path / "tiles", name, *draw_pair())
    assert [slide.group for slide in TilesFolder(tmp_path / "tiles").slides()] == ["field_01", "field_01", "field_02"]


def test_small_and_cut_objects_are_left_out(tmp_path: Path) -> None:
    image, labels = draw_pair()
    labels[:12, :12] = 3  # at the edge
    labels[200:208, 20:28] = 4  # 64 pixels
    write_tile(tmp_path / "tiles", "disc_1", image, labels)
    assert export(TilesFolder(tmp_path / "tiles"), tmp_path / "data").left_out == 2
    done = export(TilesFolder(tmp_path / "tiles"), tmp_path / "data", Choice(smallest_area_px0=10, edges=True))
    assert (done.new, done.kept) == (2, 2)


def test_exporting_again_makes_only_what_is_new(tmp_path: Path, tiles: Path) -> None:
    choice = Choice(per_slide=3)
    first = export(TilesFolder(tiles), tmp_path, choice)
    before = open_dataset(tmp_path)
    stamps = {item.id: window_file(tmp_path, item.id).stat().st_mtime_ns for item in before.items}
    victim, damaged = before.items[0].id, before.items[1].id
    mask_file(tmp_path, victim).unlink()
    window_file(tmp_path, damaged).write_bytes(b"no picture")
    again = export(TilesFolder(tiles), tmp_path, choice)
    assert (again.new, again.kept) == (2, first.new - 2)
    after = open_dataset(tmp_path)
    assert after.sha256 == before.sha256
    assert after.splits == before.splits
    touched = {name for name, stamp in stamps.items() if window_file(tmp_path, name).stat().st_mtime_ns != stamp}
    assert touched == {victim, damaged}
    records = [json.loads(line) for line in (tmp_path / "exports.jsonl").read_text().splitlines()]
    assert [record["new"] for record in records] == [first.new, 2]
    assert {record["dataset_sha256"] for record in records} == {after.sha256}


@pytest.mark.parametrize("packed", [False, True])
def test_qupath(tmp_path: Path, packed: bool) -> None:
    image, labels = draw_pair()
    cv2.imwrite(str(tmp_path / "slide.png"), image[..., ::-1])
    features = [
        {
            "type": "Feature",
            "id": f"uuid-{number}",
            "geometry": json.loads(shapely.to_geojson(trace_polygons(labels == number)[0])),
            "properties": {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}},
        }
        for number in (1, 2)
    ]
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [5, 5]}, "properties": {}}
    text = json.dumps({"type": "FeatureCollection", "features": [*features, point]}).encode()
    name = "slide.geojson.gz" if packed else "slide.geojson"
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)
    export(QuPathFolder(tmp_path), tmp_path / "data")
    dataset = open_dataset(tmp_path / "data")
    assert {item.object_type for item in dataset.items} == {"Tumor"}
    assert {item.annotation for item in dataset.items} == {"uuid-1", "uuid-2"}


@pytest.mark.parametrize("form", ["polygon", "runs", "compressed"])
def test_coco(tmp_path: Path, form: str) -> None:
    image, labels = draw_pair()
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    annotations = []
    for number in (1, 2):
        runs = runs_of(labels == number)
        polygon = np.asarray(trace_polygons(labels == number)[0].exterior.coords).ravel().tolist()
        segmentation = {
            "polygon": [polygon],
            "runs": {"size": [240, 320], "counts": runs},
            "compressed": {"size": [240, 320], "counts": compressed(runs)},
        }[form]
        annotations.append({"id": number, "image_id": 1, "category_id": 9, "segmentation": segmentation, "iscrowd": 0})
    annotations.append(
        {"id": 3, "image_id": 1, "category_id": 9, "segmentation": [[0, 0, 50, 0, 50, 50]], "iscrowd": 1}
    )
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 9, "name": "cell"}]}
    (tmp_path / "coco.json").write_text(json.dumps({**content, "annotations": annotations}))
    done = export(CocoFile(tmp_path / "coco.json"), tmp_path / "data")
    assert done.new == 2
    dataset = open_dataset(tmp_path / "data")
    check_discs(dataset)
    assert {item.object_type for item in dataset.items} == {"cell"}


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, "no service")
    cytomine.faults.clear()


def test_a_cytomine_project(tmp_path: Path, lab: Lab) -> None:
    store = lab.cytomine.store
    gland, stroma = (store.add_term(lab.project, name) for name in ("gland", "stroma"))
    wanted = lab.draw(DISC, terms=(gland,))
    lab.draw(DISC, terms=(stroma,))
    lab.draw(DISC)
    lab.draw(DISC, by=lab.bob, terms=(gland,))
    lab.point(DISC_X, DISC_Y)
    keys = (lab.alice.public_key, lab.alice.private_key)
    with connected(lab.cytomine.base_url, *keys):
        everything = [
            (each.annotation, each.object_type)
            for slide in CytomineProject(lab.project).slides()
            for each in CytomineProject(lab.project).objects(slide)
            if isinstance(each, SourceObject)
        ]
        assert sorted(kind for _, kind in everything) == ["gland", "gland", "stroma", WITHOUT_TERM]
        source = CytomineProject(lab.project, Wanted(terms=("gland",), users=(lab.alice.id,)))
        assert export(source, tmp_path / "data").new == 1
        lab.cytomine.faults.clear()
        assert export(source, tmp_path / "data").new == 0
        assert not [seen for seen in lab.cytomine.faults.requests if "window" in seen.path]
        with pytest.raises(BrokenSource, match="has no term 'nucleus'; its terms: gland, stroma"):
            CytomineProject(lab.project, Wanted(terms=("nucleus",)))
    dataset = open_dataset(tmp_path / "data")
    (item,) = dataset.items
    assert (item.annotation, item.object_type) == (str(wanted), "gland")
    x0, y0, side = item.window
    down = shapely.transform(DISC, lambda xy: np.column_stack((xy[:, 0], HEIGHT - xy[:, 1])))
    assert shapely.box(x0, y0, x0 + side, y0 + side).contains(down)
    truth = painted(down, Window(x0, y0, side, Region(0, 0, WIDTH, HEIGHT))) > 0
    assert (dataset.mask(item) == truth).all()
    pixels = dataset.image(item).astype(float).mean(axis=2)
    assert abs(pixels[truth].mean() - pixels[~truth].mean()) > 40  # the disc lies where the annotation says


def test_what_core_cannot_show_costs_itself_alone(tmp_path: Path, lab: Lab) -> None:
    small = shapely.Point(DISC_X, DISC_Y).buffer(30)
    fine, torn, hidden = lab.draw(DISC), lab.draw("POLYGON ((0 0, 9 9"), lab.draw(small)
    window = Fault("status", path=r"/window", status=500, skip=1, times=None)
    lab.cytomine.faults.add(window)
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        done = export(CytomineProject(lab.project), tmp_path)
        assert done.new == 1
        assert sorted(int(note.what.split()[-1]) for note in done.refused) == [torn, hidden]
        assert [item.annotation for item in open_dataset(tmp_path).items] == [str(fine)]
        lab.cytomine.faults.clear()
        assert export(CytomineProject(lab.project), tmp_path).new == 1


def test_a_window_whose_answer_breaks_off_costs_itself_alone(tmp_path: Path, lab: Lab) -> None:
    lab.draw(DISC)
    lab.draw(shapely.Point(DISC_X, DISC_Y).buffer(30))
    lab.cytomine.faults.add(Fault("drop", path=r"/window"))
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        done = export(CytomineProject(lab.project), tmp_path)
    assert (done.new, len(done.refused)) == (1, 1)
    assert "Core's answer was cut short" in done.refused[0].why


@pytest.mark.parametrize("seed", range(12))
def test_odd_answers_of_core_lose_nothing(tmp_path: Path, lab: Lab, seed: int) -> None:
    lab.draw(DISC)
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        assert export(CytomineProject(lab.project), tmp_path).new == 1
        before = open_dataset(tmp_path).sha256
        lab.cytomine.faults.add(Fault("odd", path=r"/annotation\.json", when="after", seed=seed))
        done = export(CytomineProject(lab.project), tmp_path, Choice(prune=True))
        assert done.seen + len(done.taken_out) > 0
        if done.refused:
            assert open_dataset(tmp_path).sha256 == before


def test_a_core_that_goes_away_leaves_what_was_exported(tmp_path: Path, lab: Lab) -> None:
    lab.draw(DISC)
    lab.draw(shapely.Point(DISC_X, DISC_Y).buffer(30))
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        source = CytomineProject(lab.project)
        lab.cytomine.faults.add(Fault("drop", skip=2, times=None))  # after the list and one window
        with pytest.raises(SourceGone, match="Core has stopped answering"):
            export(source, tmp_path)
    assert len(open_dataset(tmp_path).items) == 1


def test_what_is_no_more_asked_for_is_not_gone(tmp_path: Path, lab: Lab) -> None:
    store = lab.cytomine.store
    gland, stroma = (store.add_term(lab.project, name) for name in ("gland", "stroma"))
    lab.draw(DISC, terms=(gland,))
    lab.draw(DISC, terms=(stroma,))
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        for term in ("gland", "stroma"):
            done = export(CytomineProject(lab.project, Wanted(terms=(term,))), tmp_path, Choice(prune=True))
            assert (done.new, done.taken_out) == (1, [])
    assert sorted(item.object_type for item in open_dataset(tmp_path).items) == ["gland", "stroma"]


def test_reviewed_annotations_in_place_of_the_users(lab: Lab) -> None:
    lab.draw(DISC)
    reviewed = lab.cytomine.store.add_annotation(lab.image, lab.bob.id, DISC.wkt, kind="reviewed")
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        source = CytomineProject(lab.project, Wanted(reviewed=True))
        found = [each.annotation for slide in source.slides() for each in source.objects(slide)]
    assert found == [str(reviewed)]


def test_large_windows_come_reduced(tmp_path: Path, lab: Lab) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (30, 40, 3), np.uint8)
    picture = cv2.resize(coarse, (6000, 4500), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(lab.cytomine.slides / "large.png"), picture)
    image = lab.cytomine.store.add_image(lab.project, lab.alice.id, "large.png", 6000, 4500)
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        source = CytomineProject(lab.project)
        slide = next(each for each in source.slides() if each.id == str(image))
        window = Window(300, 100, 4400, Region(300, 100, 4400, 4400))
        found = source.pixels(slide, window, 1024)
    assert found.shape == (1024, 1024, 3)
    wanted = cv2.resize(picture[100:4500, 300:4700, ::-1], (1024, 1024), interpolation=cv2.INTER_AREA)
    assert abs(found.astype(int) - wanted).mean() < 3


def test_wrong_keys_and_a_closed_door(lab: Lab) -> None:
    with pytest.raises(BrokenSource, match="does not accept these keys"), connected(lab.cytomine.base_url, "no", "no"):
        pass
    with pytest.raises(BrokenSource, match="cannot be reached"), connected("http://127.0.0.1:9", "no", "no"):
        pass


def test_outlines_are_painted_where_they_are() -> None:
    window = Window(0, 0, 512, Region(0, 0, 512, 512))
    ring = shapely.Point(256, 256).buffer(100).difference(shapely.Point(256, 256).buffer(50))
    mask = painted(translate(ring, 0.5, 0), window) > 0
    assert mask.sum() == pytest.approx(4 * ring.area, rel=0.01)
    ys, xs = np.nonzero(mask)
    assert (xs.mean() + 0.5, ys.mean() + 0.5) == (pytest.approx(513, abs=0.2), pytest.approx(512, abs=0.2))
    assert not mask[512, 512]


def test_damage_is_named(tmp_path: Path, tiles: Path) -> None:
    with pytest.raises(BrokenDataset, match=r"is not a dataset: items.jsonl is missing"):
        open_dataset(tmp_path)
    export(TilesFolder(tiles), tmp_path, Choice(per_slide=2))
    dataset = open_dataset(tmp_path)
    first, second, third = dataset.items[:3]
    mask_file(tmp_path, first.id).unlink()
    with pytest.raises(BrokenDataset, match=f"{first.id}.png is missing"):
        dataset.mask(first)
    cv2.imwrite(str(mask_file(tmp_path, second.id)), np.zeros((1024, 1024), np.uint8))
    with pytest.raises(BrokenDataset, match="is empty"):
        dataset.mask(second)
    window_file(tmp_path, third.id).write_bytes(window_file(tmp_path, third.id).read_bytes()[:90])
    with pytest.raises(BrokenDataset, match="is damaged"):
        dataset.image(third)
    with pytest.raises(BrokenDataset, match="are not what was exported"):
        dataset.check_files([third])
    lines = (tmp_path / ITEMS).read_text()
    (tmp_path / ITEMS).write_text(lines + '{"id": "cut o')  # an export that was killed
    assert len(open_dataset(tmp_path).items) == len(dataset.items)
    (tmp_path / ITEMS).write_text("nonsense\n" + lines)
    with pytest.raises(BrokenDataset, match="Line 1 of"):
        open_dataset(tmp_path)


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path, tiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    export(TilesFolder(tiles), tmp_path, Choice(per_slide=1))
    (tmp_path / ITEMS).write_text("".join((tmp_path / ITEMS).read_text().splitlines(keepends=True)[:-1]))
    lost = next(each for each in (tmp_path / "windows").iterdir() if each.stem not in (tmp_path / ITEMS).read_text())
    lost.unlink()
    kept = open_dataset(tmp_path).items
    monkeypatch.setattr("training.dataset.ledger.Ledger._intact", filling(lost.with_name(f"{lost.name}.part"), full))
    with pytest.raises(NoSpace, match=r"The disk is full while writing .* it resumes from here"):
        export(TilesFolder(tiles), tmp_path, Choice(per_slide=1))
    monkeypatch.undo()
    assert [item.id for item in open_dataset(tmp_path).items] == [item.id for item in kept]
    assert export(TilesFolder(tiles), tmp_path, Choice(per_slide=1)).new == 1


def filling(part: Path, full: Path) -> Callable[[Ledger], list[Item]]:
    """Let the disk be full where a file is to be written, once what was left unfinished there was cleared away."""
    intact = Ledger._intact

    def after(ledger: Ledger) -> list[Item]:
        part.symlink_to(full)
        return intact(ledger)

    return after


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda folder: TilesFolder(folder), "has no images with masks"),
        (lambda folder: QuPathFolder(folder), "has no GeoJSON files"),
        (lambda folder: CocoFile(folder / "no.json"), "There is no file .*no.json"),
    ],
)
def test_sources_that_are_none(tmp_path: Path, source: object, message: str) -> None:
    with pytest.raises(BrokenSource, match=message):
        source(tmp_path)  # type: ignore[operator]
