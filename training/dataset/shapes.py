"""Shapes: what somebody drew, as one valid area on the slide."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from app.geometry.polygons import polygonal

MOST_CROSSING_VERTICES = 20_000
"""A ring that crosses itself is cut at every crossing, of which it may have this many squared."""
MOST_VERTICES = 2_000_000
_FARTHEST_PX0 = 1e8


class Unusable(ValueError):
    """No area comes out of what was drawn; says why."""


def drawn(shape: BaseGeometry, width: int, height: int) -> Polygon | MultiPolygon | None:
    """Give the union of what was drawn, as far as it lies on the slide.

    Rings that cross themselves are repaired so that everything they run around is inside; overlapping parts are one;
    parts without an area, as lines that a hand left behind, are dropped.

    Parameters
    ----------
    shape : Polygon, MultiPolygon or a collection
        Slide frame, level-0 pixels; valid or not.
    width, height : int
        Of the slide, level-0 pixels.

    Returns
    -------
    Polygon, MultiPolygon or None
        Valid, slide frame. None where nothing of it lies on the slide.

    Raises
    ------
    Unusable
        It has no area, or coordinates that are no places, or crosses itself too often.
    """
    places = shapely.get_coordinates(shape)
    if not np.isfinite(places).all() or np.abs(places).max(initial=0) > _FARTHEST_PX0:
        raise Unusable("its coordinates do not lie on a slide")
    if len(places) > MOST_VERTICES:
        raise Unusable(f"it has more than {MOST_VERTICES:,} vertices")
    whole = _union(shape)
    if whole is None:
        raise Unusable("it has no area")
    if shapely.box(0, 0, width, height).contains(whole):
        return whole
    return polygonal(shapely.intersection(whole, shapely.box(0, 0, width, height)))


def _union(shape: BaseGeometry) -> Polygon | MultiPolygon | None:
    if not shape.is_valid:
        if shapely.get_num_coordinates(shape) > MOST_CROSSING_VERTICES:
            raise Unusable(f"it crosses itself, and has more than {MOST_CROSSING_VERTICES:,} vertices")
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    return polygonal(shape)


def ring_of(places: object) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Read the vertices of a ring, (n, 2) float64.

    Parameters
    ----------
    places : list
        As it came from a file; whatever follows x and y is dropped.

    Raises
    ------
    Unusable
        They are none.
    """
    if not isinstance(places, list) or len(places) < 3:
        raise Unusable("a ring has fewer than three vertices")
    pairs = [_place(place) for place in places]
    return np.array(pairs, np.float64)


def _place(place: object) -> tuple[float, float]:
    if not isinstance(place, list | tuple) or len(place) < 2:
        raise Unusable("a vertex has no x and y")
    return number_of(place[0]), number_of(place[1])


def number_of(value: object) -> float:
    """Read a finite coordinate.

    Raises
    ------
    Unusable
        It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FARTHEST_PX0:
        raise Unusable("a coordinate is not a number, or lies far outside any slide")
    return float(value)
