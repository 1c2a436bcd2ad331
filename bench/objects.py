"""Real objects with known outlines, in boxes as a person draws them: the montage's nuclei and the gland tiles."""

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
class Case:
    """One object, and the boxes that were drawn around it one after the other."""

    name: str
    kind: str
    slide: Slide
    truth: BaseGeometry
    """Slide frame, valid."""
    earlier: Roi
    box: Roi

    @property
    def longer_side_px0(self) -> float:
        """Of the object itself."""
        x0, y0, x1, y1 = self.truth.bounds
        return float(max(x1 - x0, y1 - y0))


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


def cases(data: Path, most: int) -> list[Case]:
    """Choose objects of each type that no edge cuts, evenly and always the same.

    Parameters
    ----------
    data : Path
        Holds ``slides/montage.tiff`` and ``tiles/gland_*.png`` with their masks.
    most : int
        Of a type.
    """
    montage = data / "slides" / "montage.tiff"
    glands = sorted((data / "tiles").glob("gland_*.mask.png"))
    found = {
        "nucleus": [(montage, truth) for truth in truths(montage.with_suffix(".mask.png"))],
        "gland": [(mask.with_name(mask.name.replace(".mask", "")), truth) for mask in glands for truth in truths(mask)],
    }
    rng = np.random.default_rng(0)
    return [
        _case(f"{kind} {at}", kind, file, truth, number, rng)
        for kind, objects in found.items()
        for number, at in enumerate(sorted(rng.permutation(len(objects))[:most]))
        for file, truth in [objects[at]]
    ]


def _case(name: str, kind: str, file: Path, truth: BaseGeometry, number: int, rng: np.random.Generator) -> Case:
    opened = open_slide(file)
    slide = Slide(number, opened.width, opened.height, str(file))
    x0, y0, x1, y1 = truth.bounds
    extent = np.array([x1 - x0, y1 - y0] * 2)
    outwards = np.array([-1, -1, 1, 1])
    first = np.array([x0, y0, x1, y1]) + rng.uniform(*LOOSE, 4) * extent * outwards
    second = first + rng.uniform(-MOVED, MOVED, 4) * extent
    return Case(name, kind, slide, truth, _roi(first, slide), _roi(second, slide))


def _roi(box: npt.NDArray[np.float64], slide: Slide) -> Roi:
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
