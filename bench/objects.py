"""Real objects with known outlines, in boxes as a person draws them: nuclei and glands of the tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import find_objects
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from app.geometry.contours import trace_polygons
from app.geometry.frames import Roi
from app.geometry.windows import Region
from app.usecases.ports import Plane, Slide
from slides import open_slide

_LEAST_AREA_PX = 100
_EDGE_PX = 2
LOOSE = (0.05, 0.2)
"""How far the first box lies beyond the object on each side, over its extent there; source: the training's boxes."""
MOVED = 0.04
"""How far each side of the second box lies from the first one's, at most, over the object's extent."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One object."""

    name: str
    kind: str
    slide: Slide
    truth: BaseGeometry
    """Slide frame, valid."""

    @property
    def longer_side_px0(self) -> float:
        """Of the object itself."""
        x0, y0, x1, y1 = self.truth.bounds
        return float(max(x1 - x0, y1 - y0))


@dataclass(frozen=True, slots=True)
class Case(Chosen):
    """One object, and the boxes that were drawn around it one after the other."""

    earlier: Roi
    box: Roi


class SlideFiles:
    """A source of pixels: slide files by their path, without loss, as the image server sends them."""

    def region(self, slide: Slide, plane: Plane, region: Region, length_px: int) -> bytes:
        """Read a region as a PNG file."""
        longer = max(region.width, region.height)
        size = tuple(max(1, round(side * length_px / longer)) for side in (region.width, region.height))
        found = open_slide(Path(slide.path)).read(
            region.left, region.top, region.width, region.height, (size[0], size[1])
        )
        return cv2.imencode(".png", cv2.cvtColor(np.asarray(found), cv2.COLOR_RGB2BGR))[1].tobytes()


def chosen(data: Path, most: int, only: frozenset[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Choose objects of the tiles that no edge cuts, evenly and always the same.

    Parameters
    ----------
    data : Path
        Holds ``tiles/NAME.png`` and ``NAME.mask.png``; the type is the name's first word.
    most : int
        Of a type.
    only : set of str
        Names of tiles; empty: all of them.
    """
    found: dict[str, list[tuple[Path, BaseGeometry]]] = {}
    for mask in sorted((data / "tiles").glob("*.mask.png")):
        name = mask.name.removesuffix(".mask.png")
        if not only or name in only:
            file = mask.with_name(f"{name}.png")
            found.setdefault(name.partition("_")[0], []).extend((file, truth) for truth in truths(mask))
    for kind, objects in found.items():
        for number, at in enumerate(sorted(rng.permutation(len(objects))[:most])):
            file, truth = objects[at]
            opened = open_slide(file)
            yield Chosen(f"{kind} {at}", kind, Slide(number, opened.width, opened.height, str(file)), truth)


def cases(data: Path, most: int, only: frozenset[str]) -> Iterator[Case]:
    """Draw two boxes around each of the `chosen` objects, one after the other."""
    rng = np.random.default_rng(0)
    for each in chosen(data, most, only, rng):
        x0, y0, x1, y1 = each.truth.bounds
        extent = np.array([x1 - x0, y1 - y0] * 2)
        outwards = np.array([-1, -1, 1, 1])
        first = np.array([x0, y0, x1, y1]) + rng.uniform(*LOOSE, 4) * extent * outwards
        second = first + rng.uniform(-MOVED, MOVED, 4) * extent
        yield Case(each.name, each.kind, each.slide, each.truth, roi_of(first, each.slide), roi_of(second, each.slide))


def roi_of(box: npt.NDArray[np.float64], slide: Slide) -> Roi:
    """Give the part of a box that lies on the slide."""
    return Roi(*(float(side) for side in box)).clipped(slide.width, slide.height)


def truths(file: Path) -> Iterator[BaseGeometry]:
    """Outline the objects of an instance mask that are large enough and not cut by its edge."""
    labels = np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)).astype(np.int32)
    height, width = labels.shape
    for index, place in enumerate(find_objects(labels), start=1):
        if place is None:
            continue
        rows, columns = place
        whole = min(rows.start, columns.start) > _EDGE_PX
        whole = whole and rows.stop < height - _EDGE_PX and columns.stop < width - _EDGE_PX
        mask = labels[place] == index
        if whole and mask.sum() >= _LEAST_AREA_PX:
            shape = shapely.union_all(trace_polygons(mask))
            yield translate(shape, columns.start, rows.start)
