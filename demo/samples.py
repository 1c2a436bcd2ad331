"""Sample annotations as a person would draw them: a loose box or shape around an object, and points on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from demo.slides.drawn import TrueObject
from slides import Box, Pixels, SlideFile
from slides.display import shown, usual_view

_SAMPLE_SIDE_PX = 340
"""The sample is the gland whose longer side is nearest to this. Around larger ones stand glands that the rim of their
core cuts: those are no objects of the slide's truth, and reach into the sample's box unseen."""
_LOOSE = (0.16, 0.08, 0.1, 0.14)
"""How far the sample's box lies beyond the object on each side, as shares of its extent."""
_THUMB_PX = 1024
_FIELD_PX = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What to draw, in the slide frame: level-0 pixels, y down."""

    shape: shapely.Polygon
    points: tuple[shapely.Point, ...]
    truth: shapely.Polygon | None
    kind: str


def sample_of(objects: tuple[TrueObject, ...]) -> Sample:
    """Choose a gland and draw a loose box, in which it lies alone, with two points on it.

    The embedded model takes what looks alike in a box as one object; source: decision 0061.
    """
    tree = shapely.STRtree([each.polygon for each in objects])
    glands = [
        each
        for each in objects
        if each.kind == "glands" and len(tree.query(loose_box(each.polygon), "intersects")) == 1
    ]
    chosen = min(glands, key=lambda each: abs(_longer_side(each.polygon) - _SAMPLE_SIDE_PX))
    return Sample(loose_box(chosen.polygon), _points_on(chosen.polygon), chosen.polygon, chosen.kind)


def others_of(objects: tuple[TrueObject, ...], taken: shapely.Polygon | None, count: int = 9) -> list[Sample]:
    """Choose objects of every kind and size; boxes and freehand shapes take turns."""
    by_kind = {kind: [each for each in objects if each.kind == kind] for kind in ("nuclei", "glands", "regions")}
    found: list[Sample] = []
    for kind, ones in by_kind.items():
        ones = sorted((each for each in ones if each.polygon != taken), key=lambda each: _longer_side(each.polygon))
        for place in np.linspace(0.05, 0.98, count // 3):
            if ones:
                polygon = ones[int(place * (len(ones) - 1))].polygon
                shape = loose_box(polygon) if len(found) % 2 else loose_shape(polygon)
                found.append(Sample(shape, (), polygon, kind))
    return found


def loose_box(polygon: shapely.Polygon) -> shapely.Polygon:
    """Draw a box around an object by eye: too large, on every side by another share."""
    x0, y0, x1, y1 = polygon.bounds
    width, height = x1 - x0, y1 - y0
    left, top, right, bottom = _LOOSE
    return shapely.box(
        round(x0 - left * width), round(y0 - top * height), round(x1 + right * width), round(y1 + bottom * height)
    )


def loose_shape(polygon: shapely.Polygon) -> shapely.Polygon:
    """Draw a freehand shape around an object by eye."""
    drawn = polygon.convex_hull.buffer(0.12 * _longer_side(polygon)).simplify(0.03 * _longer_side(polygon))
    return shapely.set_precision(drawn, 0.1)


def tissue_sample(slide: SlideFile) -> Sample:
    """Find something to refine on a slide whose truth nobody knows: a stained or glowing object, by Otsu."""
    scale = max(1.0, max(slide.width, slide.height) / _THUMB_PX)
    size = (max(1, round(slide.width / scale)), max(1, round(slide.height / scale)))
    tissue = _foreground(_look(slide, Box(0, 0, slide.width, slide.height), size)).astype(np.float32)
    density = cv2.blur(tissue, (max(3, round(_FIELD_PX / scale)),) * 2, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(density.argmax()), density.shape)
    width, height = min(_FIELD_PX, slide.width), min(_FIELD_PX, slide.height)
    left = int(np.clip(column * scale - width / 2, 0, slide.width - width))
    top = int(np.clip(row * scale - height / 2, 0, slide.height - height))
    x, y, w, h = _typical_object(_foreground(_look(slide, Box(left, top, width, height), (width, height))))
    box = shapely.box(left + x, top + y, left + x + w, top + y + h)
    whole = shapely.box(0, 0, slide.width, slide.height)
    return Sample(loose_box(box).intersection(whole), (), None, "tissue")


def _look(slide: SlideFile, region: Box, size: tuple[int, int]) -> Pixels:
    """Look at a region as the viewer shows it, holes and all."""
    return shown(slide, usual_view(slide), region, size, bits=8).pixels


def _foreground(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Tell stained from empty: the rarer side of Otsu's threshold, so that fluorescence works too."""
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels)
    smooth = cv2.GaussianBlur(gray, (0, 0), 2)
    _, dark = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    found = np.asarray(dark > 0)
    return found if found.mean() < 0.5 else ~found


def _typical_object(foreground: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Give x, y, width and height of the object of the median size among those that are whole and compact."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(foreground.astype(np.uint8))
    height, width = foreground.shape
    x, y, w, h, area = (stats[1:, column] for column in range(5))
    whole = (x > 0) & (y > 0) & (x + w < width) & (y + h < height) & (area > 150)
    whole &= np.maximum(w, h) < 2 * np.minimum(w, h)
    boxes = np.stack([x, y, w, h], 1)[whole]
    if not len(boxes):
        return width // 4, height // 4, width // 2, height // 2
    chosen = boxes[np.argsort(area[whole])[len(boxes) // 2]]
    return int(chosen[0]), int(chosen[1]), int(chosen[2]), int(chosen[3])


def _points_on(polygon: shapely.Polygon) -> tuple[shapely.Point, ...]:
    """Put two points deep inside, apart from each other."""
    first = shapely.maximum_inscribed_circle(polygon)
    centre = shapely.Point(first.coords[0])
    rest = polygon.difference(centre.buffer(1.2 * first.length))
    largest = max(shapely.get_parts(rest), key=lambda part: float(part.area))
    second = shapely.Point(shapely.maximum_inscribed_circle(largest).coords[0])
    return tuple(shapely.Point(round(point.x, 1), round(point.y, 1)) for point in (centre, second))


def _longer_side(polygon: shapely.Polygon) -> float:
    x0, y0, x1, y1 = polygon.bounds
    return float(max(x1 - x0, y1 - y0))
