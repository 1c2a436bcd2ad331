"""Outlines as WKT: read, measured, turned over and compared, without a geometry library to install."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import hypot
from typing import Any, Literal

Position = tuple[float, float]
Ring = tuple[Position, ...]
Kind = Literal["Point", "LineString", "Polygon", "MultiPolygon"]

_KINDS: dict[str, Kind] = {
    "POINT": "Point",
    "LINESTRING": "LineString",
    "POLYGON": "Polygon",
    "MULTIPOLYGON": "MultiPolygon",
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_POSITION = re.compile(rf"({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER}){{0,2}}")
_SHAPE = re.compile(r"\s*(?:SRID=\d+;)?\s*([A-Za-z]+)\s*(?:Z|M|ZM)?\s*(EMPTY|\(.*\))\s*", re.DOTALL)
_SAME_PX0 = 0.01


@dataclass(frozen=True, slots=True)
class Shape:
    """A point, a line, or polygons with their holes; level-0 pixels, in the frame it was read in."""

    kind: Kind
    polygons: tuple[tuple[Ring, ...], ...]
    """Of each polygon its outer ring, then its holes, closed. A point or a line is the only ring of the only one."""

    @property
    def area(self) -> float:
        """Area without the holes; 0 for points and lines."""
        if self.kind not in ("Polygon", "MultiPolygon"):
            return 0.0
        return sum(abs(_signed_area(rings[0])) - sum(map(abs, map(_signed_area, rings[1:]))) for rings in self.polygons)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max; raises ValueError for an empty one."""
        xs, ys = zip(*self.positions(), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def geojson(self) -> dict[str, Any]:
        """As a GeoJSON geometry."""
        nested = [[list(map(list, ring)) for ring in rings] for rings in self.polygons]
        if self.kind == "MultiPolygon" or not nested:
            return {"type": self.kind, "coordinates": nested}
        within = {"Polygon": nested[0], "LineString": nested[0][0], "Point": nested[0][0][0]}
        return {"type": self.kind, "coordinates": within[self.kind]}

    @property
    def wkt(self) -> str:
        """As WKT; numbers are written so that the same ones are read again."""
        nested = [f"({', '.join(map(_ring_text, rings))})" for rings in self.polygons]
        if not nested:
            return f"{self.kind.upper()} EMPTY"
        within = {"MultiPolygon": f"({', '.join(nested)})", "Polygon": nested[0]}
        return f"{self.kind.upper()} {within.get(self.kind) or nested[0][1:-1]}"

    def positions(self) -> Iterator[Position]:
        """Give all vertices."""
        return chain.from_iterable(chain.from_iterable(self.polygons))

    def upside_down(self, height: float) -> Shape:
        """Move between the platform frame (y up) and the slide frame (y down) of a slide that is `height` px high."""
        return self._moved(lambda place: (place[0], height - place[1]))

    def _moved(self, move: Callable[[Position], Position]) -> Shape:
        polygons = tuple(tuple(tuple(map(move, ring)) for ring in rings) for rings in self.polygons)
        return Shape(self.kind, polygons)


def read_wkt(text: str) -> Shape:
    """Read a location of Core's.

    Raises
    ------
    ValueError
        It is none, or has another type.
    """
    found = _SHAPE.fullmatch(text)
    kind = _KINDS.get(found[1].upper()) if found else None
    if found is None or kind is None:
        raise ValueError(f"This is not an outline: {text[:40]!r}.")
    if found[2] == "EMPTY":
        return Shape(kind, ())
    as_json = _POSITION.sub(lambda two: f"[{float(two[1])!r},{float(two[2])!r}]", found[2]).translate(
        {ord("("): "[", ord(")"): "]"}
    )
    try:
        return shape_of({"type": kind, "coordinates": json.loads(as_json)}, wkt_point=True)
    except ValueError as error:
        raise ValueError(f"This is not an outline: {text[:40]!r}.") from error


def shape_of(geometry: Any, *, wkt_point: bool = False) -> Shape:
    """Read a GeoJSON geometry.

    Parameters
    ----------
    wkt_point : bool
        Points have one pair of brackets more.

    Raises
    ------
    ValueError
        It is none, or has another type.
    """
    try:
        kind, nested = geometry["type"], geometry["coordinates"]
        if kind not in _KINDS.values():
            raise ValueError(f"{kind} is not a type of outline")
        if kind == "Point" and not wkt_point:
            nested = [nested]
        levels = {"MultiPolygon": nested, "Polygon": [nested]}.get(kind, [[nested]])
        polygons = tuple(tuple(tuple(map(_position, ring)) for ring in rings) for rings in levels)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("This is not a geometry.") from error
    if not all(polygon and all(polygon) for polygon in polygons):
        raise ValueError("This geometry has a ring without vertices.")
    return Shape(kind, polygons)


def same_outline(one: str, other: str) -> bool:
    """Tell whether two WKT outlines are the same, however they are written and wherever their rings begin."""
    if one == other:
        return True
    try:
        first, second = read_wkt(one), read_wkt(other)
    except ValueError:
        return False
    return first.kind == second.kind and _match(first.polygons, second.polygons, _same_polygon)


def _same_polygon(one: tuple[Ring, ...], other: tuple[Ring, ...]) -> bool:
    return _same_ring(one[0], other[0]) and _match(one[1:], other[1:], _same_ring)


def _match(ones: Sequence[Any], others: Sequence[Any], same: Callable[[Any, Any], bool]) -> bool:
    """Tell whether each has a counterpart, in any order."""
    left = list(others)
    for one in ones:
        found = next((index for index, other in enumerate(left) if same(one, other)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _same_ring(one: Ring, other: Ring) -> bool:
    """Compare two closed rings (or points), whichever vertex they begin with and whichever way they run."""
    if len(one) != len(other):
        return False
    first, second = _open(one), _open(other)
    count = len(first)
    for way in (second, second[::-1]):
        for start in range(count):
            if _near(first[0], way[start]) and all(
                _near(first[index], way[(start + index) % count]) for index in range(count)
            ):
                return True
    return False


def _open(ring: Ring) -> Ring:
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def _near(one: Position, other: Position) -> bool:
    return hypot(one[0] - other[0], one[1] - other[1]) <= _SAME_PX0


def _signed_area(ring: Ring) -> float:
    """Shoelace formula about the first vertex, which keeps digits far from the origin."""
    x0, y0 = ring[0]
    moved = [(x - x0, y - y0) for x, y in ring]
    return sum(xa * yb - xb * ya for (xa, ya), (xb, yb) in pairwise(moved)) / 2


def _position(numbers: Sequence[Any]) -> Position:
    return float(numbers[0]), float(numbers[1])


def _ring_text(ring: Ring) -> str:
    return f"({', '.join(f'{_number(x)} {_number(y)}' for x, y in ring)})"


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
