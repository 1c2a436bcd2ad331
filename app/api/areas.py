"""The geometry of a GeoJSON Feature, read and checked."""

from __future__ import annotations

import shapely
from shapely.geometry.base import BaseGeometry

from app.api.schemas import AreaFeature
from app.errors import InvalidPrompt
from app.geometry.locations import read_location


def area(feature: AreaFeature) -> BaseGeometry:
    """Read the geometry of a GeoJSON Feature; platform frame. Raises `InvalidPrompt`."""
    try:
        geometry = shapely.geometry.shape(feature.geometry.model_dump())
        return read_location(geometry.wkt)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, shapely.errors.ShapelyError) as error:
        raise InvalidPrompt("The coordinates are not those of a GeoJSON Polygon or MultiPolygon.") from error
