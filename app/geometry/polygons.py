"""Polygons: valid shapes inside the slide, from any geometry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

Holes = Literal["fill", "keep"]
Parts = Literal["all", "largest"]

COORDINATE_STEP_PX0 = 2.0**-8
"""Stored coordinates are multiples of this many level-0 pixels: exact in binary, far finer than any mask."""
_MAX_REPAIRED_VERTICES = 300
"""A star of that many vertices, whose edges all cross, takes 0.7 s to repair."""


def clip_to_slide(shape: BaseGeometry, slide_width: int, slide_height: int) -> Polygon | MultiPolygon | None:
    """Clip a shape to the slide, and round its coordinates to multiples of `COORDINATE_STEP_PX0`.

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
    """Area of the intersection over area of the union; 0 if both are empty."""
    common = float(shapely.intersection(first, second).area)
    union = float(first.area) + float(second.area) - common
    return common / union if union > 0 else 0.0


def polygonal(shape: BaseGeometry) -> Polygon | MultiPolygon | None:
    """Keep the areas of any geometry, as one valid Polygon or MultiPolygon; None if it has no area.

    A shape that crosses itself is repaired. If that could take minutes, because each of its many edges may cross
    all others, its convex hull is used instead.
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
    """Return the largest part of a Polygon or MultiPolygon."""
    return max(_polygons(shape), key=lambda part: float(part.area))


def _polygons(shape: BaseGeometry) -> Iterator[Polygon]:
    if isinstance(shape, Polygon):
        yield shape
    else:
        for part in shapely.get_parts(shape):
            if not isinstance(part, Polygon) and shapely.get_num_geometries(part) == 1:
                continue  # a point or a line
            yield from _polygons(part)
