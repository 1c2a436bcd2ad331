"""GeoJSON as QuPath writes it: one file per image, features in level-0 pixels with y down.

All its generations: a bare list of features (0.2), a collection, one feature; identifiers that are the name of a Java
class (0.2) or a UUID; classes with a name or a list of names; measurements as a list or a map; cells with the outline
of a nucleus beside their own; text, gzip or ZIP.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from training.dataset.shapes import Unusable, ring_of
from training.dataset.sources.folders import AnnotatedFolder
from training.dataset.sources.reading import read_json
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource

_SUFFIXES = (".geojson.gz", ".geojson.zip", ".geojson", ".json.gz", ".json", ".zip")
UNCLASSIFIED = "unclassified"
_NO_NAMES = frozenset(
    f"{kind}Object"
    for kind in ("Path", "PathAnnotation", "PathDetection", "PathCell", "PathTile", "PathRoot", "TMACore", "PathROI")
)
"""What 0.2 gives as the id of every object."""
_WITHOUT_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")


class QuPathFolder(AnnotatedFolder):
    """A folder of GeoJSON files and the images that they outline.

    Parameters
    ----------
    folder : Path
        With ``NAME.geojson``; QuPath's own export of annotations or detections, or any like it.
    images : Path, optional
        Where the image of each NAME lies, whatever its suffix; default: the same folder.
    """

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        super().__init__(folder, _SUFFIXES, "GeoJSON", images)

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through the features."""
        for number, feature in enumerate(_features(self.file(slide)), start=1):
            yield _record(feature, slide.id, f"feature {number}")


def _features(file: Path) -> list[Any]:
    found = read_json(file)
    if isinstance(found, dict):
        if found.get("type") in ("Feature", "Polygon", "MultiPolygon", "GeometryCollection"):
            found = [found]
        elif isinstance(found.get("features"), list):
            found = found["features"]
    if not isinstance(found, list):
        raise BrokenSource(f"{file.name} holds no GeoJSON features")
    return found


def _record(feature: Any, slide: str, place: str) -> SourceObject | Passed | Refused:
    """Read a feature, or a geometry that stands for itself."""
    if not isinstance(feature, dict):
        return Refused(f"{slide}, {place}", "it is not a GeoJSON feature")
    name = _name(feature)
    what = f"{slide}, {place}" + (f" ({name})" if name else "")
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    if properties.get("objectType") == "root":
        return Passed(what, "it represents the whole image")
    geometry = feature if "coordinates" in feature or "geometries" in feature else feature.get("geometry")
    if not isinstance(geometry, dict):
        return Refused(what, "it has no geometry")
    if geometry.get("type") in _WITHOUT_AREA:
        return Passed(what, f"a {geometry['type']} has no area")
    try:
        return SourceObject(name, _classification(properties), _geometry(geometry), place)
    except Unusable as error:
        return Refused(what, str(error))


def _name(feature: dict[str, Any]) -> str:
    """Give the feature's id, unless it is what every feature of its kind is called."""
    found = feature.get("id")
    if isinstance(found, bool) or not isinstance(found, str | int):
        return ""
    return "" if found in _NO_NAMES else str(found)


def _geometry(geometry: dict[str, Any], depth: int = 0) -> BaseGeometry:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon" and isinstance(coordinates, list):
        return _polygon(coordinates)
    if kind == "MultiPolygon" and isinstance(coordinates, list) and coordinates:
        return MultiPolygon([_polygon(part) for part in coordinates])
    parts = geometry.get("geometries")
    if kind == "GeometryCollection" and isinstance(parts, list) and depth == 0:
        areas = [part for part in parts if isinstance(part, dict) and part.get("type") not in _WITHOUT_AREA]
        shapes = [_geometry(part, 1) for part in areas]
        polygons = [each for shape in shapes for each in getattr(shape, "geoms", [shape])]
        if polygons:
            return MultiPolygon(polygons)
        raise Unusable("nothing in it has an area")
    raise Unusable(f"its geometry is not a readable {kind}" if isinstance(kind, str) else "its geometry has no type")


def _polygon(rings: Any) -> Polygon:
    if not isinstance(rings, list) or not rings:
        raise Unusable("a polygon has no rings")
    found = [ring_of(ring) for ring in rings if ring]
    if not found:
        raise Unusable("a polygon has no rings")
    for ring in found:
        if not np.array_equal(ring[0], ring[-1]):
            raise Unusable("a ring is not closed, as if its end had been cut off")
        if len(ring) < 4:
            raise Unusable("a ring has fewer than three corners")
    return Polygon(found[0], found[1:])


def _classification(properties: dict[str, Any]) -> str:
    found = properties.get("classification")
    if isinstance(found, dict):
        names = found.get("names")
        several = "/".join(str(name) for name in names) if isinstance(names, list) else ""
        found = found.get("name") or several
    return found if isinstance(found, str) and found else UNCLASSIFIED
