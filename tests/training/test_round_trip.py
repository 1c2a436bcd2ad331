"""Random scenes, written as every source has them, come back as the same pixels."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from app.geometry.contours import trace_polygons
from tests.training.conftest import write_tile
from tests.training.drawn import (
    HEIGHT,
    WIDTH,
    annotation,
    asap,
    at_centres,
    compressed,
    feature,
    level0,
    ring,
    runs_of,
    write_asap,
    write_coco,
    write_geojson,
)
from training.dataset import open_dataset
from training.dataset.export import Choice, export
from training.dataset.sources import Source
from training.dataset.sources.asap import AsapFolder
from training.dataset.sources.coco import CocoFile
from training.dataset.sources.geojson import QuPathFolder
from training.dataset.sources.tiles import TilesFolder

MARGIN, LONGEST = 6, 60


def scene(seed: int, holes: bool, parts: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image, and labels of objects that differ in colour; with holes, and in several parts, where asked."""
    rng = np.random.default_rng(seed)
    image = rng.integers(200, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint16)
    taken = np.zeros((HEIGHT, WIDTH), bool)  # also by holes, which ASAP cuts out of whatever lies there
    for number in range(1, int(rng.integers(2, 6))):
        canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
        x, y = rng.integers(MARGIN + 30, (WIDTH - MARGIN - 30, HEIGHT - MARGIN - 30)).tolist()
        for _ in range(2 if parts else 1):
            size = rng.integers(6, 15, 2).tolist()
            moved = (x + int(rng.integers(-14, 15)) * parts, y + int(rng.integers(-14, 15)) * parts)
            cv2.ellipse(canvas, moved, size, float(rng.integers(0, 180)), 0, 360, 1, -1)
        around = canvas > 0
        if holes:
            cv2.circle(canvas, (x, y), 3, 0, -1)
        free = (canvas > 0) & ~taken
        if not parts:
            free = largest(free)
        if free.sum() > 20:
            taken |= around
            labels[free] = number
            image[free] = (20 * number, 90, 200 - 30 * number)
    return image, labels


def largest(mask: np.ndarray) -> np.ndarray:
    """Keep one part of a mask, which an earlier object may have cut."""
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return found == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else mask


def objects(labels: np.ndarray) -> list[tuple[int, np.ndarray, shapely.Geometry]]:
    found = []
    for number in np.unique(labels[labels > 0]).tolist():
        polygons = trace_polygons(labels == number)
        found.append((number, labels == number, polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)))
    return found


def as_geojson(folder: Path, labels: np.ndarray) -> Source:
    write_geojson(folder / "a.geojson", [feature(shape, f"n{n}") for n, _, shape in objects(labels)])
    return QuPathFolder(folder)


def as_masks(folder: Path, labels: np.ndarray) -> Source:
    cv2.imwrite(str(folder / "a.mask.png"), labels)
    return TilesFolder(folder)


def as_polygons(folder: Path, labels: np.ndarray) -> Source:
    write_coco(folder / "coco.json", [annotation(shape, n) for n, _, shape in objects(labels)])
    return CocoFile(folder / "coco.json")


def as_runs(folder: Path, labels: np.ndarray) -> Source:
    size = [HEIGHT, WIDTH]
    found = [annotation(None, n, segmentation={"size": size, "counts": runs_of(m)}) for n, m, _ in objects(labels)]
    write_coco(folder / "coco.json", found)
    return CocoFile(folder / "coco.json")


def as_text(folder: Path, labels: np.ndarray) -> Source:
    source = as_runs(folder, labels)
    content = json.loads((folder / "coco.json").read_text())
    for each in content["annotations"]:
        each["segmentation"]["counts"] = compressed(each["segmentation"]["counts"])
    (folder / "coco.json").write_text(json.dumps(content))
    return CocoFile(Path(source.place))


def as_asap(folder: Path, labels: np.ndarray) -> Source:
    found = []
    for number, _, shape in objects(labels):
        found.append(asap(ring(shapely.Polygon(shape.exterior)), f"n{number}", "_0"))
        found += [asap(ring(shapely.Polygon(hole)), f"hole of {number}", "_2") for hole in shape.interiors]
    write_asap(folder / "a.xml", found)
    return AsapFolder(folder)


Written = Callable[[Path, np.ndarray], Source]
FORMS: dict[str, tuple[Written, bool, bool]] = {
    "GeoJSON": (as_geojson, True, True),
    "masks": (as_masks, True, True),
    "COCO polygons": (as_polygons, False, True),
    "COCO run lengths": (as_runs, True, True),
    "COCO run lengths as text": (as_text, True, True),
    "ASAP": (as_asap, True, False),
}
"""How to write; and whether the form knows holes, and objects in several parts."""


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), holes=st.booleans(), parts=st.booleans())
def test_the_same_pixels_come_back(form: str, seed: int, holes: bool, parts: bool) -> None:
    write, knows_holes, knows_parts = FORMS[form]
    image, labels = scene(seed, holes and knows_holes, parts and knows_parts)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        write_tile(folder, "a", image, labels)
        (folder / "a.mask.png").unlink()
        source = write(folder, labels)
        done = export(source, Path(place) / "data", Choice(smallest_area_px0=1))
        wanted = {number: mask for number, mask, _ in objects(labels)}
        assert (done.new, done.refused) == (len(wanted), [])
        dataset = open_dataset(Path(place) / "data")
        for item in dataset.items:
            mask = wanted[int(item.annotation.removeprefix("n"))]
            assert (level0(dataset, item) == mask).all()
            shown = at_centres(dataset.image(item), item)[mask].astype(int)
            assert abs(np.median(shown, axis=0) - np.median(image[mask], axis=0)).max() < 25
