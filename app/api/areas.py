"""Areas as they come in requests."""

from __future__ import annotations

from shapely.geometry.base import BaseGeometry

from app.api.schemas import AreaFeature
from app.geometry.locations import read_geojson


def area(feature: AreaFeature) -> BaseGeometry:
    """Read the geometry of a GeoJSON Feature."""
    return read_geojson(feature.geometry.type, feature.geometry.coordinates)
