"""Proposals for whole fields of nuclei, and how they meet what is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import find_objects
from shapely import STRtree
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from app.geometry.contours import trace_polygons
from app.geometry.frames import Roi, flip_geometry
from app.geometry.outlines import OutlineOptions
from app.geometry.polygons import iou, polygonal
from app.geometry.tiles import Tiling
from app.imagery.reader import SlideWindowReader
from app.usecases.embeddings import Embeddings
from app.usecases.exemplars import Exemplars
from app.usecases.ports import Claim, Plane, Segmenter, Slide
from app.usecases.proposal_shapes import Proposed
from app.usecases.proposing import Proposing, Wanted
from app.usecases.segment_roi import SegmentRoi
from app.usecases.timings import Stopwatch
from bench.objects import LOOSE, SlideFiles
from slides import open_slide

LEAST_AREA_PX = 100
EDGE_PX = 2


@dataclass(frozen=True, slots=True)
class Field:
    """A tile of nuclei as a slide of its own, and what is on it; slide frame."""

    name: str
    slide: Slide
    objects: tuple[BaseGeometry, ...]
    """Whole and large enough to count."""
    others: tuple[BaseGeometry, ...]
    """Cut by the edge, or tiny: whoever finds one is neither right nor wrong."""

    @classmethod
    def read(cls, image: Path, number: int) -> Field:
        """Read a tile and the mask beside it."""
        opened = open_slide(image)
        slide = Slide(number, opened.width, opened.height, str(image))
        labels = np.asarray(cv2.imread(str(image.with_suffix(".mask.png")), cv2.IMREAD_UNCHANGED)).astype(np.int32)
        objects: list[BaseGeometry] = []
        others: list[BaseGeometry] = []
        for index, place in enumerate(find_objects(labels), start=1):
            if place is not None:
                mask = labels[place] == index
                shape = translate(shapely.union_all(trace_polygons(mask)), place[1].start, place[0].start)
                (objects if _counts(shape, labels.shape) else others).append(shape)
        return cls(image.stem, slide, tuple(objects), tuple(others))


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on a field, and what it took."""

    shapes: tuple[BaseGeometry, ...]
    """Slide frame, in the order in which they came."""
    prompts: int
    tiles: int
    seconds: float
    first_s: float
    """Until the first proposals were there."""
    timings_ms: dict[str, float]
    likeness: tuple[float | None, ...] = ()
    """Of each shape; None where nothing was shown."""
    cpu_s: float = 0.0
    """Of all threads of this process."""

    def sifted(self, least: float) -> Found:
        """Leave out what is less like the exemplars, as a slider does."""
        kept = [pair for pair in zip(self.shapes, self.likeness, strict=True) if pair[1] is None or pair[1] >= least]
        shapes, likeness = tuple(shape for shape, _ in kept), tuple(told for _, told in kept)
        return replace(self, shapes=shapes, likeness=likeness)


@dataclass(frozen=True, slots=True)
class Judged:
    """How what was found meets what is there."""

    objects: int
    hits: int
    wrong: int
    ious: tuple[float, ...]
    """Of the hits."""


def propose(
    field: Field,
    segmenter: Segmenter,
    exemplars: Exemplars | None,
    tiling: Tiling,
    region: BaseGeometry | None = None,
) -> Found:
    """Let the service's own pass go over a field, or a region of it."""
    region = region or shapely.box(0, 0, field.slide.width, field.slide.height)
    tiles = tiling.cover(region, field.slide.width, field.slide.height)
    ordered = tuple(exemplars.nearest_first(tiles) if exemplars else tiles)
    wanted = Wanted(field.slide, Plane(), region, ordered, exemplars, 100_000, 0.0, OutlineOptions())
    start, cpu = time.perf_counter(), time.process_time()
    proposing = Proposing(
        Embeddings(SlideWindowReader(SlideFiles()), segmenter), segmenter, wanted, Claim(), Stopwatch()
    )
    proposing.begin()
    found: list[Proposed] = []
    first_s = 0.0
    for some in proposing.tiles():
        first_s = first_s or (time.perf_counter() - start if some else 0.0)
        found.extend(some)
    seconds, ended = time.perf_counter() - start, proposing.ended()
    shapes = tuple(flip_geometry(each.shape, field.slide.height) for each in found)
    likeness = tuple(each.likeness for each in found)
    cpu_s = time.process_time() - cpu
    return Found(shapes, ended.prompts, ended.tiles, seconds, first_s, ended.timings_ms, likeness, cpu_s)


def by_boxes(field: Field, segmenter: Segmenter) -> Found:
    """Draw a loose box around each object, as a person would, and have each outlined in a window of its own."""
    embeddings = Embeddings(SlideWindowReader(SlideFiles()), segmenter)
    segment = SegmentRoi(embeddings, segmenter)
    rng = np.random.default_rng(0)
    shapes, start, first_s = [], time.perf_counter(), 0.0
    for truth in field.objects:
        x0, y0, x1, y1 = truth.bounds
        left, top, right, bottom = rng.uniform(*LOOSE, 4) * np.array([x1 - x0, y1 - y0] * 2)
        box = Roi(x0 - left, y0 - top, x1 + right, y1 + bottom).clipped(field.slide.width, field.slide.height)
        with segment.begun(field.slide, Plane(), box, Stopwatch(), Claim()) as begun:
            shape = begun.outline(box, ()).shape
        first_s = first_s or time.perf_counter() - start
        if shape is not None:
            shapes.append(flip_geometry(shape, field.slide.height))
    count = len(field.objects)
    return Found(tuple(shapes), count, count, time.perf_counter() - start, first_s, {})


def judge(found: Sequence[BaseGeometry], field: Field, known: Sequence[BaseGeometry], least_iou: float) -> Judged:
    """Match what was found with what is there, the closest pairs first, each of them once.

    Parameters
    ----------
    known : sequence of Polygon or MultiPolygon
        Objects that were shown: they count neither way.
    """
    looked_for = [shape for shape in field.objects if not any(shape is each for each in known)]
    pairs = sorted(_pairs(found, looked_for, least_iou), reverse=True)
    hits: dict[int, float] = {}
    matched: set[int] = set()
    for overlap, at, truth in pairs:
        if at not in matched and truth not in hits:
            matched.add(at)
            hits[truth] = overlap
    neither = [*field.others, *known]
    excused = {at for _, at, _ in _pairs(found, neither, least_iou)} | _within(found, field.others)
    return Judged(len(looked_for), len(hits), len(found) - len(matched | excused), tuple(hits.values()))


def _pairs(
    found: Sequence[BaseGeometry], there: Sequence[BaseGeometry], least_iou: float
) -> list[tuple[float, int, int]]:
    if not found or not there:
        return []
    near: npt.NDArray[np.intp] = STRtree(there).query(list(found), predicate="intersects")
    overlaps = [(iou(found[at], there[truth]), int(at), int(truth)) for at, truth in near.T]
    return [pair for pair in overlaps if pair[0] >= least_iou]


def _within(found: Sequence[BaseGeometry], others: Sequence[BaseGeometry]) -> set[int]:
    """Tell what lies mostly on objects that do not count."""
    ground = shapely.union_all([polygonal(each) for each in others])
    return {at for at, shape in enumerate(found) if shapely.intersection(shape, ground).area > 0.5 * shape.area}


def _counts(shape: BaseGeometry, size: tuple[int, ...]) -> bool:
    x0, y0, x1, y1 = shape.bounds
    whole = min(x0, y0) > EDGE_PX and x1 < size[1] - EDGE_PX and y1 < size[0] - EDGE_PX
    return bool(whole and shape.area >= LEAST_AREA_PX)
