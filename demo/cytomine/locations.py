"""What Core does to a submitted location before it stores it."""

from __future__ import annotations

from typing import Any

import shapely

from demo.cytomine.refusals import Crash, WrongArgument

_REFUSED = {"MultiLineString", "GeometryCollection"}
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
        raise WrongArgument("Annotation location is not valid")
    return geometry


def stored_location(
    geometry: shapely.Geometry, width: float | None, height: float | None, tolerance: float
) -> shapely.Geometry:
    """Clip to the image, simplify and repair.

    Parameters
    ----------
    geometry : Geometry
        Platform frame.
    width, height : float, optional
        Of the image, level-0 pixels; without them nothing is clipped.
    tolerance : float
        Of Douglas and Peucker, level-0 pixels. At 0 only collinear vertices go.

    Raises
    ------
    WrongArgument
        Nothing is left, or what is left has a type that Core does not store.
    """
    geometry = clipped(geometry, width, height)
    return valid_location(_thinned(geometry, tolerance))


def valid_location(geometry: shapely.Geometry) -> shapely.Geometry:
    """Repair what clipping and simplifying left; raises `WrongArgument` if it is nothing, or of a refused type."""
    if not geometry.is_valid:
        geometry = geometry.buffer(0)
    if not geometry.is_valid or geometry.is_empty:
        geometry = shapely.make_valid(geometry)
        if geometry.geom_type == "GeometryCollection" and not geometry.is_empty:
            geometry = shapely.get_geometry(geometry, 0)
    if geometry.is_empty:
        raise WrongArgument(f"{geometry.wkt} is an empty geometry!")
    if geometry.geom_type in _REFUSED:
        raise WrongArgument(f"{geometry.geom_type} is not a valid geometry type!")
    return geometry


def clipped(geometry: shapely.Geometry, width: float | None, height: float | None) -> shapely.Geometry:
    """Cut a geometry at the image's borders, if it crosses them.

    The box to cut with has one corner at the origin and the other at the geometry's far corner, or the image's. So a
    shape that lies wholly left of the image or below it leaves the edge or the point in which it touches that box.
    """
    x0, y0, x1, y1 = geometry.bounds
    if width is None or height is None:
        return geometry
    if not (x0 < 0 or y0 < 0 or x1 > width or y1 > height):
        return geometry
    right, top = min(x1, width), min(y1, height)
    try:
        return geometry.intersection(shapely.Polygon([(0, 0), (0, top), (right, top), (right, 0)]))
    except shapely.GEOSException as error:  # a box without a width
        raise Crash(str(error)) from error


def check_extent(geometry: shapely.Geometry) -> None:
    """Refuse a new annotation that is less than a pixel wide or high, unless it is a line; raises `WrongArgument`."""
    if geometry.geom_type == "LineString" or shapely.get_num_coordinates(geometry) == 1:
        return
    if geometry.is_empty:
        raise WrongArgument(f"Cannot extract boundaries for {geometry.wkt}")
    x0, y0, x1, y1 = geometry.bounds
    if int(x1 - x0) == 0 or int(y1 - y0) == 0:
        raise WrongArgument("Annotation dimension not valid")


def simplified(geometry: shapely.Geometry, asked_most: int | None, most_points: int) -> tuple[shapely.Geometry, float]:
    """Simplify a freehand outline a little more each time, until it has few vertices.

    Parameters
    ----------
    geometry : Geometry
        Left as it is below 100 vertices.
    asked_most : int, optional
        Vertices for each ring; default: `most_points`, but not less than the vertices given divided by 1.3.

    Returns
    -------
    geometry : Geometry
    tolerance : float
        That was used, level-0 pixels.
    """
    count = shapely.get_num_coordinates(geometry)
    if count < 100:
        return geometry, 0.0
    rings = _ring_factor(geometry)
    most = asked_most * rings if asked_most else max(count / 1.3, rings * most_points)
    least = min(max(count / 1.7, 10), rings * 100)
    found, tolerance, tried = geometry, 0.0, 0
    while shapely.get_num_coordinates(found) > most and tried < 1000:
        tolerance = tried * 0.25
        found = _thinned(geometry, tolerance)
        if shapely.get_num_coordinates(found) < least:
            break
        tried += 1
    return found, tolerance


def _ring_factor(geometry: shapely.Geometry) -> int:
    """Count the holes over all parts, at least one for each part and at most ten together."""
    parts = shapely.get_parts(geometry)
    if geometry.geom_type == "MultiPolygon":
        count = sum(shapely.get_num_interior_rings(part) for part in parts)
    else:
        holes = shapely.get_num_interior_rings(geometry) if geometry.geom_type == "Polygon" else 1
        count = len(parts) * holes
    count = max(1, int(count))
    return min(10, count // 2 if count > 10 else count)


def _thinned(geometry: shapely.Geometry, tolerance: float) -> shapely.Geometry:
    """Take out vertices by Douglas and Peucker; of several polygons without changing how they lie to each other."""
    return shapely.simplify(geometry, tolerance, preserve_topology=geometry.geom_type == "MultiPolygon")


def simplified_for_crop(geometry: shapely.Geometry) -> shapely.Geometry:
    """Give the outline that Core sends to PIMS for a crop: below 150 vertices, two decimals."""
    tolerance = 2.0
    while shapely.get_num_coordinates(geometry) >= 100 and tolerance < 1000:
        geometry = shapely.simplify(geometry, tolerance, preserve_topology=True)
        if shapely.get_num_coordinates(geometry) < 150:
            break
        tolerance = (tolerance + 5) * 1.1
    return reduced_precision(geometry)


def reduced_precision(geometry: shapely.Geometry) -> shapely.Geometry:
    """Round to two decimals."""
    return shapely.set_precision(geometry, 0.01)


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
    """Remove the holes of polygons; raises `WrongArgument` for other types."""
    if geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        raise WrongArgument(f"Form cannot be filled:{geometry.wkt}")
    parts = [shapely.Polygon(part.exterior) for part in shapely.get_parts(geometry)]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
