"""Outlines leave in the frame of viewers, with their image: from the embedded Cytomine to a dataset of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely

from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import ROOT, app, environment, outcomes_of, refined
from tests.lab import BOX, DISC, DISC_X, DISC_Y, HEIGHT, WIDTH, Lab, settle, with_addition
from training.dataset import open_dataset


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), "s" * 64) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(whole[0], request.node.nodeid, whole[1])
    whole[0].faults.clear()


def on_another_image(lab: Lab, file: str = "discs.png") -> tuple[int, int]:
    """Draw the same box on a second image of the project; gives image and annotation."""
    image = lab.cytomine.store.add_image(lab.project, lab.alice.id, file, WIDTH, HEIGHT)
    return image, lab.cytomine.store.add_annotation(image, lab.alice.id, BOX.wkt)


def features_of(file: Path) -> list[dict]:
    collection = json.loads(file.read_text())
    assert collection["type"] == "FeatureCollection"
    return collection["features"]


def outline_of(feature: dict) -> shapely.Geometry:
    """Take the outline back to the platform frame."""
    shape = shapely.geometry.shape(feature["geometry"])
    return shapely.transform(shape, lambda xy: np.column_stack([xy[:, 0], HEIGHT - xy[:, 1]]))


def iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    return float(one.intersection(other).area / one.union(other).area)


def test_outlines_land_on_their_objects_in_a_dataset(lab: Lab, tmp_path: Path) -> None:
    """There and back by the real commands: refine, export, and the mask lies on the dark disc."""
    lab.draw(BOX)
    refined(lab, tmp_path, "--project", str(lab.project), "--geojson", "outlines")
    command = [sys.executable, "-m", "training", "export", "qupath", "outlines", "--out", "dataset"]
    images = ["--images", str(lab.cytomine.slides)]
    done = subprocess.run(
        [*command, *images], env={**environment(lab), "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True,
        text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    dataset = open_dataset(tmp_path / "dataset")
    (item,) = dataset.items
    mask, dark = dataset.mask(item), dataset.image(item)[..., 1] < 130
    assert mask.any()
    assert (mask & dark).sum() / (mask | dark).sum() > 0.7


def test_an_outline_names_its_image_and_is_what_qupath_reads(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    refined(lab, tmp_path, "--annotation", str(annotation), "--geojson", "one.geojson")
    (feature,) = features_of(tmp_path / "one.geojson")
    assert feature["type"] == "Feature"
    assert feature["id"] == annotation
    properties = feature["properties"]
    assert (properties["image"], properties["objectType"], properties["outcome"]) == (
        lab.image,
        "annotation",
        "changed",
    )
    assert iou(outline_of(feature), DISC) > 0.8


def test_a_dry_run_gives_the_outlines_that_would_be(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    refined(lab, tmp_path, "--annotation", str(annotation), "--dry-run", "--geojson", "one.geojson")
    assert lab.location(annotation) == BOX.wkt
    (feature,) = features_of(tmp_path / "one.geojson")
    assert iou(outline_of(feature), DISC) > 0.8


def test_what_was_done_before_is_in_the_file_too(lab: Lab, tmp_path: Path) -> None:
    asked = ("--project", str(lab.project), "--geojson", "all.geojson")
    first = lab.draw(BOX)
    refined(lab, tmp_path, *asked)
    second = lab.draw(shapely.affinity.translate(BOX, 3, 0))
    refined(lab, tmp_path, *asked)
    assert {feature["id"] for feature in features_of(tmp_path / "all.geojson")} == {first, second}


def test_each_slide_gets_a_file_of_its_own(lab: Lab, tmp_path: Path) -> None:
    here = lab.draw(BOX)
    namesake, there = on_another_image(lab)
    refined(lab, tmp_path, "--project", str(lab.project), "--geojson", "outlines")
    for image, annotation in ((lab.image, here), (namesake, there)):
        (feature,) = features_of(tmp_path / "outlines" / f"discs-{image}.geojson")
        assert (feature["id"], feature["properties"]["image"]) == (annotation, image)
    assert len(list((tmp_path / "outlines").iterdir())) == 2


def test_one_file_for_several_slides_is_refused_before_any_work(lab: Lab, tmp_path: Path) -> None:
    lab.draw(BOX)
    on_another_image(lab)
    done = app(lab, tmp_path, "refine", "--project", str(lab.project), "--geojson", "all.geojson")
    assert done.returncode == 2
    assert "lie on 2 images: give --geojson a folder" in " ".join(done.stderr.replace("│", " ").split())
    assert outcomes_of(tmp_path / "refined.csv") == []


def test_the_report_is_printed_where_no_file_can_be(lab: Lab, tmp_path: Path) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    done = app(lab, tmp_path, "refine", "--annotation", str(annotation), "--report", "-")
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    assert header.startswith("annotation,image,outcome")
    assert row.startswith(f"{annotation},{lab.image},changed")
    assert "1 changed" in done.stderr
    assert not list(tmp_path.iterdir())
    assert lab.location(point) is None
