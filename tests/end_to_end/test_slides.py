"""The loop on real slide files, read by the embedded image server, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import shapely
from scipy.ndimage import find_objects
from shapely.affinity import translate

from app.geometry.contours import trace_polygons
from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from demo.samples import tissue_sample
from slides import open_slide
from tests.lab import Lab

SMALLEST_PX2 = 100
REPORT = Path(__file__).parents[2] / "out" / "iou-by-object-type.md"
LOOSENING = 0.1
"""Of the box's width and height, beyond the object on each side."""


def import_slide(lab: Lab, file: Path) -> None:
    """Put a slide file into the laboratory."""
    link = lab.cytomine.slides / file.name
    if not link.exists():
        link.symlink_to(file)
    slide = open_slide(file)
    lab.image = lab.cytomine.store.add_image(
        lab.project,
        lab.alice.id,
        file.name,
        slide.width,
        slide.height,
        microns=slide.microns_per_pixel,
        bits=slide.bits,
        samples=slide.samples,
    )


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "test3-DAPI.ndpi", "OS-1-detail.ome.tif", "montage.tiff"])
def test_a_tissue_object_is_outlined(lab: Lab, shared_data: Path, name: str) -> None:
    file = shared_data / "slides" / name
    import_slide(lab, file)
    slide = open_slide(file)
    drawn = flip_geometry(tissue_sample(slide).shape, slide.height)
    number = lab.draw(drawn)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    stored = shapely.from_wkt(lab.location(number))
    assert answer.json()["changed"]
    assert stored.is_valid
    assert stored.within(shapely.box(0, 0, slide.width, slide.height))
    assert stored.intersection(drawn).area > 0.8 * stored.area


@pytest.mark.long
def test_refined_polygons_beat_the_plain_box(lab: Lab, shared_data: Path) -> None:
    """Boxes loosened by 10 %: nuclei of the montage and glands of the tiles, every type better than its boxes."""
    found: dict[str, list[tuple[float, float]]] = {"nuclei": [], "glands": []}
    montage = shared_data / "slides" / "montage.tiff"
    labels = _labels(shared_data / "slides" / "montage.mask.png")
    found["nuclei"] = _refined(lab, montage, _chosen(_truths(labels), 110))
    for mask in sorted((shared_data / "tiles").glob("gland_*.mask.png")):
        tile = mask.with_name(mask.name.replace(".mask", ""))
        found["glands"] += _refined(lab, tile, _chosen(_truths(_labels(mask)), 2))
    assert len(found["nuclei"]) >= 100
    means = {kind: np.mean(values, axis=0) for kind, values in found.items()}
    _report({kind: (len(found[kind]), *means[kind]) for kind in found})
    for kind, (box, refined) in means.items():
        assert refined > box + 0.03, kind


def _refined(lab: Lab, file: Path, truths: list[shapely.Geometry]) -> list[tuple[float, float]]:
    """Refine loosened boxes around objects; gives IoU of the box and of the refined polygon for each."""
    import_slide(lab, file)
    height = open_slide(file).height
    truths = [flip_geometry(truth, height) for truth in truths]
    numbers = [lab.draw(_loosened(truth)) for truth in truths]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lab.refine, numbers))
    assert {answer.status_code for answer in answers} <= {200}
    return [
        (iou(_loosened(truth), truth), iou(shapely.from_wkt(lab.location(number)), truth))
        for truth, number in zip(truths, numbers, strict=True)
    ]


def _labels(file: Path) -> npt.NDArray[np.int32]:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)).astype(np.int32)


def _truths(labels: npt.NDArray[np.int32]) -> Iterator[shapely.Geometry]:
    """Outline the objects that are large enough and not cut by the border; slide frame."""
    height, width = labels.shape
    for index, place in enumerate(find_objects(labels)):
        if place is None:
            continue
        rows, columns = place
        inside = min(rows.start, columns.start) > 2 and rows.stop < height - 2 and columns.stop < width - 2
        mask = labels[place] == index + 1
        if inside and mask.sum() >= SMALLEST_PX2:
            shape = shapely.union_all(trace_polygons(mask))
            yield translate(shape, columns.start, rows.start)


def _chosen(truths: Iterator[shapely.Geometry], most: int) -> list[shapely.Geometry]:
    """Take an even choice of what there is."""
    everything = list(truths)
    return everything[:: max(1, -(-len(everything) // most))]


def _report(rows: dict[str, tuple[float, ...]]) -> None:
    """Leave the table where people look for results."""
    lines = ["| objects | count | plain box, IoU | refined, IoU |", "|---|---|---|---|"]
    lines += [f"| {kind} | {count:.0f} | {box:.3f} | {refined:.3f} |" for kind, (count, box, refined) in rows.items()]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")


def _loosened(truth: shapely.Geometry) -> shapely.Polygon:
    x0, y0, x1, y1 = truth.bounds
    dx, dy = LOOSENING * (x1 - x0), LOOSENING * (y1 - y0)
    return shapely.box(x0 - dx, y0 - dy, x1 + dx, y1 + dy)
