"""Suppression of doubles: of outlines that share most of their area, the first one stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import shapely
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

from app.geometry.polygons import iou


class Kept:
    """Outlines that were kept so far, found again by place.

    They lie in trees that double in size, as in a binary counter, so that n of them cost n log n however they come.

    Parameters
    ----------
    most_overlap : float
        IoU from which two outlines are one object.
    most_inside : float
        Share of the smaller one's area inside the other from which they are, too.
    """

    def __init__(self, most_overlap: float, most_inside: float = 1.0) -> None:
        self._most_overlap, self._most_inside = most_overlap, most_inside
        self._trees: list[STRtree] = []

    def __len__(self) -> int:
        """Count them."""
        return sum(len(tree) for tree in self._trees)

    def add(self, shape: BaseGeometry) -> bool:
        """Keep an outline unless it is a double of one that is kept; tell whether it was."""
        if any(self._is_double(shape, other) for other in self._near(shape)):
            return False
        self._insert([shape])
        return True

    def _near(self, shape: BaseGeometry) -> Iterator[BaseGeometry]:
        for tree in self._trees:
            yield from tree.geometries[tree.query(shape)]

    def _is_double(self, one: BaseGeometry, other: BaseGeometry) -> bool:
        smaller = min(one.area, other.area)
        common = float(shapely.intersection(one, other).area)
        return iou(one, other) >= self._most_overlap or common >= self._most_inside * smaller > 0

    def _insert(self, shapes: Sequence[BaseGeometry]) -> None:
        while self._trees and len(self._trees[-1]) <= len(shapes):
            shapes = [*self._trees.pop().geometries, *shapes]
        self._trees.append(STRtree(shapes))
