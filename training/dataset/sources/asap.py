"""ASAP XML, as of Camelyon16 and 17: one file per image, outlines in level-0 pixels with y down, in groups.

Where a group outlines what does not belong to the others (``_2`` of Camelyon16, ``Exclusion`` of later sets), its
outlines are cut out of them and are no objects themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from training.dataset.shapes import Unusable, drawn, number_of
from training.dataset.sources.folders import AnnotatedFolder
from training.dataset.sources.geojson import UNCLASSIFIED
from training.dataset.sources.reading import read_xml
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource

EXCLUDED = ("_2", "Exclusion")
"""Source: the README of Camelyon16, and ASAP's own default groups."""
_OUTLINES = frozenset({"polygon", "spline", "rectangle"})
_WITHOUT_AREA = frozenset({"dot", "pointset", "measurement", "line"})


class AsapFolder(AnnotatedFolder):
    """A folder of ASAP's XML files and the images that they outline.

    Parameters
    ----------
    folder : Path
        With ``NAME.xml``.
    images : Path, optional
        Where the image of each NAME lies, whatever its suffix; default: the same folder.
    excluded : sequence of str
        Groups whose outlines are cut out of the others.
    """

    def __init__(self, folder: Path, images: Path | None = None, excluded: Sequence[str] = EXCLUDED) -> None:
        super().__init__(folder, (".xml",), "XML", images)
        self._excluded = frozenset(excluded)

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through the annotations."""
        root = read_xml(self.file(slide))
        if root.tag != "ASAP_Annotations":
            raise BrokenSource(f"{slide.id} is not an ASAP file: it holds {root.tag}")
        found = [
            _record(element, slide.id, f"annotation {number}")
            for number, element in enumerate(root.iter("Annotation"), start=1)
        ]
        holes = [each for each in found if isinstance(each, SourceObject) and each.object_type in self._excluded]
        outside = self._outside(holes, slide)
        for each in found:
            if isinstance(each, SourceObject) and each.object_type in self._excluded:
                yield Passed(f"{slide.id}, {each.place}", f"{each.object_type} is cut out of the others")
            else:
                yield _without(each, outside, slide)

    def _outside(self, holes: Sequence[SourceObject], slide: SourceSlide) -> BaseGeometry:
        """Give the area of everything that is cut out; what of it cannot be used was refused before."""
        shapes = [drawn(hole.outline, slide.width, slide.height) for hole in holes]
        return shapely.union_all([shape for shape in shapes if shape is not None])


def _without(
    each: SourceObject | Passed | Refused, outside: BaseGeometry, slide: SourceSlide
) -> SourceObject | Passed | Refused:
    """Cut out what does not belong to an outline."""
    if not isinstance(each, SourceObject) or outside.is_empty:
        return each
    try:
        whole = drawn(each.outline, slide.width, slide.height)
    except Unusable:
        return each  # told by the export
    if whole is None or not whole.intersects(outside):
        return each
    left = shapely.difference(whole, outside)
    if left.area == 0:
        return Passed(f"{slide.id}, {each.place}", "all of it is cut out by another group")
    return SourceObject(each.annotation, each.object_type, left, each.place)


def _record(element: Element, slide: str, place: str) -> SourceObject | Passed | Refused:
    name, group = element.get("Name") or "", element.get("PartOfGroup") or ""
    what = f"{slide}, {place}" + (f" ({name})" if name else "")
    kind = (element.get("Type") or "none").lower()
    if kind in _WITHOUT_AREA:
        return Passed(what, f"a {kind} has no area")
    if kind not in _OUTLINES:
        return Refused(what, f"its type {kind} is not one of ASAP's outlines")
    try:
        outline = Polygon(_ring(element, kind))
        drawn(outline, *_FAR)
    except Unusable as error:
        return Refused(what, str(error))
    return SourceObject(name, UNCLASSIFIED if group in {"", "None"} else group, outline, place)


_FAR = (100_000_000, 100_000_000)
"""Larger than any slide: only whether there is an area counts here."""


def _ring(element: Element, kind: str) -> npt.NDArray[np.float64]:
    """Read the vertices in their order, (n, 2) float64; a rectangle may be told by two corners."""
    vertices = []
    for number, vertex in enumerate(element.iter("Coordinate")):
        order = vertex.get("Order")
        vertices.append(
            (_number(order) if order else float(number), _number(vertex.get("X")), _number(vertex.get("Y")))
        )
    places = [(x, y) for _, x, y in sorted(vertices, key=lambda each: each[0])]
    if kind == "rectangle" and len(places) == 2:
        (x0, y0), (x1, y1) = places
        places = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    if len(places) < 3:
        raise Unusable("it has fewer than three vertices")
    return np.array(places, np.float64)


def _number(text: str | None) -> float:
    """Read a number, also with a comma as some systems write it."""
    try:
        return number_of(float((text or "").replace(",", ".")))
    except ValueError as error:
        raise Unusable("a coordinate is not a number, or lies far outside any slide") from error
