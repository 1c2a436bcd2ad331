"""Polygons: from a clean mask to the shape that the platform stores and a person can edit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from typing import Literal

import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from app.geometry.contours import trace_polygons
from app.geometry.frames import FloatXY, WindowXY
from app.geometry.masks import BoolMask
from app.geometry.windows import WindowGrid

Holes = Literal["fill", "keep"]
Parts = Literal["all", "largest"]

MOST_VERTICES = 200
"""More than this is tedious to edit by hand; it is also Core's own default for new annotations."""
_LEAST_VERTICES = 4
"""Of a part, its first vertex counted twice."""
LEAST_IOU = 0.99
"""IoU with the mask that a simplified outline must keep."""
TOLERANCES_PX = (0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Largest moves of an edge, model pixels. The first one takes away the stairs of the pixels and little else."""
COORDINATE_STEP_PX0 = 2.0**-8
"""Stored coordinates are multiples of this many level-0 pixels: exact in binary, far finer than any mask."""
_MAX_REPAIRED_VERTICES = 300
"""A star of that many vertices, whose edges all cross, takes 0.7 s to repair."""


def outline(
    mask: BoolMask, grid: WindowGrid, *, holes: Holes = "fill", parts: Parts = "all"
) -> Polygon | MultiPolygon | None:
    """Outline the object of a mask as a valid shape with few vertices.

    Parameters
    ----------
    mask : (h, w) bool
        Model frame.
    grid : WindowGrid
        Where the mask lies on its slide.
    holes : {"fill", "keep"}
        What becomes of background that the object surrounds.
    parts : {"all", "largest"}
        Which components to outline.

    Returns
    -------
    Polygon, MultiPolygon or None
        Slide frame, level-0 pixels; not clipped to the slide. IoU with the outlined components of at least `LEAST_IOU`.
        None if the mask is empty.
    """
    polygons = trace_polygons(mask)
    if not polygons:
        return None
    if parts == "largest":
        polygons = polygons[:1]
    if holes == "fill":
        polygons = [Polygon(polygon.exterior) for polygon in polygons]
    exact = polygonal(shapely.union_all(polygons))

    def to_slide(points: FloatXY) -> FloatXY:
        return grid.to_slide(WindowXY(points))

    return polygonal(shapely.transform(simplify(exact), to_slide))


def simplify(exact: BaseGeometry) -> BaseGeometry:
    """Take vertices away until a person can edit the shape, but never more than `LEAST_IOU` allows.

    Parameters
    ----------
    exact : Polygon or MultiPolygon
        Model pixels, along pixel edges.

    Returns
    -------
    Polygon or MultiPolygon
        That of the first of the `TOLERANCES_PX` with at most `MOST_VERTICES`; that of the last one allowed, if larger
        ones change too much; `exact` itself, if even the smallest one does.
    """

    @cache
    def candidate(at: int) -> BaseGeometry:
        return polygonal(exact.simplify(TOLERANCES_PX[at], preserve_topology=True)) or exact

    def is_editable(at: int) -> bool:
        return bool(shapely.get_num_coordinates(candidate(at)) <= MOST_VERTICES)

    def is_allowed(at: int) -> bool:
        return iou(candidate(at), exact) >= LEAST_IOU  # the dearest step

    steps = range(len(TOLERANCES_PX))
    if shapely.get_num_geometries(exact) * _LEAST_VERTICES <= MOST_VERTICES:  # else no tolerance is large enough
        wanted = 0 if is_editable(0) else min(bisect_left(steps, True, lo=1, key=is_editable), steps[-1])
        if is_allowed(wanted):
            return candidate(wanted)
        steps = steps[:wanted]
    allowed = list(takewhile(is_allowed, steps))
    return candidate(allowed[-1]) if allowed else exact


def clip_to_slide(shape: BaseGeometry, slide_width: int, slide_height: int) -> Polygon | MultiPolygon | None:
    """Cut away what lies outside the slide, and put the coordinates on their final steps.

    Parameters
    ----------
    shape : Polygon or MultiPolygon
        Slide or platform frame, level-0 pixels.
    slide_width, slide_height : int
        Level-0 pixels.

    Returns
    -------
    Polygon, MultiPolygon or None
        Valid, in the frame of `shape`. None if nothing is left.
    """
    inside = shapely.intersection(shape, shapely.box(0, 0, slide_width, slide_height))
    return polygonal(shapely.set_precision(inside, COORDINATE_STEP_PX0))


def iou(first: BaseGeometry, second: BaseGeometry) -> float:
    """Area of the intersection over area of the union; 0 where both are empty."""
    common = float(shapely.intersection(first, second).area)
    union = float(first.area) + float(second.area) - common
    return common / union if union > 0 else 0.0


def polygonal(shape: BaseGeometry) -> Polygon | MultiPolygon | None:
    """Keep the areas of any geometry, as one valid Polygon or MultiPolygon; None if it has no area.

    A shape that crosses itself is repaired. Where that could take minutes, because each of its many edges may cross
    all others, its convex hull stands for it.
    """
    if not shape.is_valid and shapely.get_num_coordinates(shape) > _MAX_REPAIRED_VERTICES:
        shape = shape.convex_hull
    elif not shape.is_valid:
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    areas = [polygon for polygon in _polygons(shape) if polygon.area > 0]
    if not areas:
        return None
    return areas[0] if len(areas) == 1 else MultiPolygon(areas)


def largest_polygon(shape: BaseGeometry) -> Polygon:
    """Give the largest part of a Polygon or MultiPolygon."""
    return max(_polygons(shape), key=lambda part: float(part.area))


def _polygons(shape: BaseGeometry) -> Iterator[Polygon]:
    if isinstance(shape, Polygon):
        yield shape
    else:
        for part in shapely.get_parts(shape):
            if not isinstance(part, Polygon) and shapely.get_num_geometries(part) == 1:
                continue  # a point or a line
            yield from _polygons(part)
