"""Locations: the platform's WKT, read into the box that the model is prompted with."""

from __future__ import annotations

import math
import re

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt, RoiOutsideSlide
from app.geometry.frames import Roi, flip_y

_SRID = re.compile(r"^\s*SRID\s*=\s*\d+\s*;", re.IGNORECASE)
_POINT = re.compile(r"^\s*(SRID\s*=\s*\d+\s*;)?\s*POINT\b", re.IGNORECASE)
_REFINABLE = ("Polygon", "MultiPolygon")
MAX_VERTICES = 100_000
"""More are refused before they are read."""


def read_location(wkt: str) -> BaseGeometry:
    """Read a location, whatever its type.

    Parameters
    ----------
    wkt : str
        Platform frame. An SRID prefix and a third coordinate are dropped.

    Returns
    -------
    shapely geometry
        Two-dimensional.

    Raises
    ------
    InvalidPrompt
        It is not WKT, has more than `MAX_VERTICES`, a ring is not closed, or a coordinate is not finite.
    """
    if wkt.count(",") > MAX_VERTICES:
        raise InvalidPrompt(f"The location has more than {MAX_VERTICES} vertices.", max_vertices=MAX_VERTICES)
    try:
        geometry = shapely.force_2d(shapely.from_wkt(_SRID.sub("", wkt)))
    except (shapely.errors.ShapelyError, NotImplementedError) as error:  # the second for curves
        raise InvalidPrompt(f"The location is not a readable geometry: {error}.") from error
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise InvalidPrompt("The location has a coordinate that is not a finite number.")
    return geometry


def is_point(wkt: str) -> bool:
    """Whether a location is a single point, told without reading it."""
    return _POINT.match(wkt) is not None


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
        raise InvalidPrompt(
            f"A {kind} has no area to refine; draw a box, a polygon or a freehand shape.", geometry=kind
        )
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
