"""Locations: the platform's WKT, read into the box that the model is prompted with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from app.bounds import MAX_COORDINATE_PX0, MAX_VERTICES, bounded_wkt, check_places, wkt_kind
from app.errors import InvalidPrompt, RoiOutsideSlide
from app.geometry.frames import Roi, flip_y

_REFINABLE = ("Polygon", "MultiPolygon")
_READABLE = (*_REFINABLE, "Point")
_POSITION = range(2, 5)
"""How many numbers a vertex of GeoJSON may have; the first two count."""


def read_location(wkt: str) -> BaseGeometry:
    """Read a location; every WKT that comes from outside comes through here.

    Parameters
    ----------
    wkt : str
        Platform frame. An SRID prefix and a third coordinate are dropped.

    Returns
    -------
    Point, Polygon or MultiPolygon
        Two-dimensional.

    Raises
    ------
    InvalidPrompt
        It is no WKT within the bounds of `app.bounds`, of another type, or a ring is not closed.
    """
    text, kind = bounded_wkt(wkt), wkt_kind(wkt)
    if kind not in _READABLE:
        raise _no_area(kind) if kind else InvalidPrompt("The location is not a readable geometry.")
    try:
        with np.errstate(over="ignore"):  # a number too large becomes an infinite one, which is refused below
            geometry = shapely.force_2d(shapely.from_wkt(text))
    except shapely.errors.ShapelyError as error:
        reason = "a ring is not closed" if "closed" in str(error) else "it is damaged"
        raise InvalidPrompt(f"The location is not a valid geometry: {reason}.") from error
    check_places(shapely.get_coordinates(geometry))
    return geometry


def read_geojson(kind: str, coordinates: list[Any]) -> Polygon | MultiPolygon:
    """Read the coordinates of a GeoJSON Polygon or MultiPolygon, within the same bounds as a WKT.

    Parameters
    ----------
    kind : {"Polygon", "MultiPolygon"}
    coordinates : list
        As it came, platform frame. Whatever follows x and y in a vertex is dropped; rings are closed.

    Raises
    ------
    InvalidPrompt
        They are not those of such a geometry, or out of bounds.
    """
    try:
        parts = [_polygon(rings) for rings in ([coordinates] if kind == "Polygon" else coordinates)]
    except (TypeError, ValueError, shapely.errors.ShapelyError) as error:
        raise InvalidPrompt("The coordinates are not a GeoJSON Polygon or MultiPolygon.") from error
    if sum(int(shapely.get_num_coordinates(part)) for part in parts) > MAX_VERTICES + 1:
        raise InvalidPrompt(f"The geometry has more than {MAX_VERTICES} vertices.", max_vertices=MAX_VERTICES)
    return parts[0] if kind == "Polygon" else MultiPolygon(parts)


def _polygon(rings: list[Any]) -> Polygon:
    shell, *holes = [[_place(position) for position in ring] for ring in rings] or [[]]
    return Polygon(shell, holes)


def _place(position: list[Any]) -> tuple[float, float]:
    if not isinstance(position, list) or len(position) not in _POSITION:
        raise TypeError("no vertex")
    x, y = position[:2]
    for each in (x, y):
        if isinstance(each, bool) or not isinstance(each, int | float):
            raise TypeError("no number")
        if not abs(each) <= MAX_COORDINATE_PX0:  # an int may be larger than any float
            raise ValueError("no place")
    return float(x), float(y)


def is_point(wkt: str) -> bool:
    """Whether a location is a single point, told without reading it."""
    return wkt_kind(wkt) == "Point"


def has_no_area(wkt: str) -> bool:
    """Whether a location is of a known type that nobody could refine, told without reading it."""
    return wkt_kind(wkt) not in (*_REFINABLE, None)


def _no_area(kind: str) -> InvalidPrompt:
    return InvalidPrompt(f"A {kind} has no area to refine; draw a box, a polygon or a freehand shape.", geometry=kind)


def roi_of(geometry: BaseGeometry, slide_width: int, slide_height: int) -> Roi:
    """Give the box around a shape, clipped to its slide.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        Platform frame. Self-intersections and holes do not matter: only the envelope counts.
    slide_width, slide_height : int
        Level-0 pixels.

    Returns
    -------
    Roi
        Slide frame, of positive extents.

    Raises
    ------
    InvalidPrompt
        The geometry is of a type without area, empty, or its area is zero.
    RoiOutsideSlide
        It does not meet the slide.
    """
    kind = geometry.geom_type
    if kind not in _REFINABLE:
        raise _no_area(kind)
    if geometry.is_empty:
        raise InvalidPrompt("The annotation is empty.", geometry=kind)
    # A repair would take minutes where some hundred edges all cross; the hull is told apart from a line at once.
    if (geometry if geometry.is_valid else geometry.convex_hull).area <= 0:
        raise InvalidPrompt("The annotation has no area.", geometry=kind)
    x_min, y_min, x_max, y_max = geometry.bounds
    whole = Roi(x_min, flip_y(y_max, slide_height), x_max, flip_y(y_min, slide_height))
    roi = whole.clipped(slide_width, slide_height)
    if not (roi.width > 0 and roi.height > 0):
        raise RoiOutsideSlide(
            f"The annotation lies outside its slide of {slide_width} x {slide_height} pixels.",
            bounds=[x_min, y_min, x_max, y_max],
            slide=[slide_width, slide_height],
        )
    return roi


def write_location(shape: BaseGeometry) -> str:
    """Write a shape of the platform frame as WKT that reads back to the same coordinates."""
    return str(shapely.to_wkt(shape, rounding_precision=-1, trim=True))


def is_finite_point(x: float, y: float) -> bool:
    """Whether both coordinates are numbers that a place can have."""
    return math.isfinite(x) and math.isfinite(y)
