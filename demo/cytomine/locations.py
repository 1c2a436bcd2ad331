"""What Core does to a submitted location before it stores it."""

from __future__ import annotations

from typing import Any

import shapely

from demo.cytomine.refusals import Crash, WrongArgument

_ACCEPTED = {"Point", "MultiPoint", "LineString", "Polygon", "MultiPolygon"}
_POINT_ENVELOPE = 100.0


def parse_location(text: Any) -> shapely.Geometry:
    """Read WKT.

    Raises
    ------
    WrongArgument
        Syntax error, or an invalid geometry: nothing is repaired at this stage.
    Crash
        No location, or an unclosed ring: exceptions that Core does not map.
    """
    if not isinstance(text, str):
        raise Crash("Location is null")
    try:
        geometry = shapely.from_wkt(text)
    except shapely.GEOSException as error:
        if "IllegalArgument" in str(error):
            raise Crash(str(error)) from error
        raise WrongArgument("Annotation location is not valid") from error
    except NotImplementedError as error:  # curves
        raise WrongArgument("Annotation location is not valid") from error
    if not geometry.is_valid:
        raise WrongArgument(f"Annotation location is not valid: {shapely.is_valid_reason(geometry)}")
    return geometry


def stored_location(geometry: shapely.Geometry, width: float, height: float, tolerance: float) -> shapely.Geometry:
    """Clip to the image, simplify and repair.

    Parameters
    ----------
    geometry : Geometry
        Platform frame.
    width, height : float
        Of the image, level-0 pixels.
    tolerance : float
        Of Douglas and Peucker, level-0 pixels. At 0 only collinear vertices go.

    Raises
    ------
    WrongArgument
        Nothing is left, or what is left has a type that Core does not store.
    """
    geometry = clipped(geometry, width, height)
    geometry = shapely.simplify(geometry, tolerance, preserve_topology=geometry.geom_type == "MultiPolygon")
    if not geometry.is_valid:
        geometry = geometry.buffer(0)
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry)
    if geometry.is_empty:
        raise WrongArgument(f"{geometry.wkt} is an empty geometry!")
    if geometry.geom_type not in _ACCEPTED:
        raise WrongArgument(f"{geometry.geom_type.upper()} is not a valid geometry type!")
    return geometry


def clipped(geometry: shapely.Geometry, width: float, height: float) -> shapely.Geometry:
    """Cut a geometry at the image's borders, if it crosses them."""
    x0, y0, x1, y1 = geometry.bounds
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        return geometry.intersection(shapely.box(0, 0, width, height))
    return geometry


def check_extent(geometry: shapely.Geometry) -> None:
    """Refuse a new annotation that is flat, unless it is a line or a point; raises `WrongArgument`."""
    x0, y0, x1, y1 = geometry.bounds
    if geometry.geom_type not in {"LineString", "Point"} and (x1 == x0 or y1 == y0):
        raise WrongArgument("Annotation has no width or no height")


def simplified_below(geometry: shapely.Geometry, most_points: int) -> tuple[shapely.Geometry, float]:
    """Simplify a freehand outline until it has few vertices; gives the tolerance used too."""
    if shapely.get_num_coordinates(geometry) < 100:
        return geometry, 0.0
    tolerance = 0.0
    found = shapely.simplify(geometry, 0, preserve_topology=True)
    while shapely.get_num_coordinates(found) > most_points and tolerance < 1000:
        tolerance = tolerance * 1.3 + 0.1
        found = shapely.simplify(geometry, tolerance, preserve_topology=True)
    return found, tolerance


def area_and_perimeter(geometry: shapely.Geometry, microns: float | None) -> dict[str, float | str]:
    """Measure as Core does: in square microns and millimetres where the image has a physical size."""
    if microns:
        return {
            "area": geometry.area * microns**2,
            "areaUnit": "micron²",
            "perimeter": geometry.length * microns / 1000,
            "perimeterUnit": "mm",
        }
    return {
        "area": float(round(geometry.area)),
        "areaUnit": "pixels²",
        "perimeter": float(round(geometry.length)),
        "perimeterUnit": "pixels",
    }


def pseudo_envelope(geometry: shapely.Geometry) -> shapely.Geometry:
    """Give the shape that crops of a single point show: a square around it."""
    if geometry.geom_type != "Point":
        return geometry
    half = _POINT_ENVELOPE / 2
    return shapely.box(geometry.x - half, geometry.y - half, geometry.x + half, geometry.y + half)


def filled(geometry: shapely.Geometry) -> shapely.Geometry:
    """Remove the holes of polygons."""
    parts = [shapely.Polygon(part.exterior) for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return shapely.union_all(parts) if parts else geometry
