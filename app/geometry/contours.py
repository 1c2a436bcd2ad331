"""Contours along pixel edges: the exact outline of a mask, holes included.

`cv2.findContours` runs through pixel centres and so loses half a pixel on every side. Here the outline follows the
borders between object and background, so that it encloses exactly the object's pixels (decision 0002).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from shapely import Polygon

from app.geometry.masks import BoolMask

Vertex = tuple[int, int]
Loop = list[Vertex]

_RIGHT = 1
"""A right turn, in quarters; a left one is its opposite.

Directions are 0: +x, 1: +y, 2: -x, 3: -y; with y down, the next one is to the right.
"""
_PIXEL_ON_THE_RIGHT = ((0, 0), (-1, 0), (-1, -1), (0, -1))
"""For each direction, the pixel (x, y) beside an edge, from the corner where the edge starts."""


def trace_polygons(mask: BoolMask) -> list[Polygon]:
    """Outline a mask exactly.

    Parameters
    ----------
    mask : (h, w) bool
        True is object.

    Returns
    -------
    list of Polygon
        One valid polygon for each 4-connected component, largest first; vertices are corners of pixels, in pixels of
        the mask, x then y. Painted pixel by pixel, they give back `mask`.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    mask = mask[top : top + height, left : left + width]
    components, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    shells: dict[int, Loop] = {}
    holes: dict[int, list[Loop]] = defaultdict(list)
    for (x, y), ring in _rings(mask):
        component = int(labels[y, x])
        for loop in _simple_loops(ring):
            if _signed_area(loop) > 0:
                shells[component] = loop
            else:
                holes[component].append(loop)
    polygons = [Polygon(shells[component], holes[component]) for component in range(1, components)]
    moved: list[Polygon] = list(shapely.transform(polygons, lambda corners: corners + np.array([left, top])))
    return sorted(moved, key=lambda polygon: polygon.area, reverse=True)


def _rings(mask: BoolMask) -> Iterator[tuple[Vertex, Loop]]:
    """Walk along every border with the object on the right hand.

    Where two object pixels touch only by a corner, the walk turns right and so stays at its own pixel; a ring may
    therefore pass such a corner twice.

    Yields
    ------
    pixel : (x, y)
        A pixel of the object that the ring runs along.
    ring : list of (x, y)
        The corners where the walk turns.
    """
    stride = mask.shape[1] + 1  # corners in a row
    edges = _edges(mask)
    if not edges.size:
        return
    heading = edges & 3
    ends = (edges & ~3) + np.array([4, 4 * stride, -4, -4 * stride])[heading]
    number = np.zeros(4 * stride * (mask.shape[0] + 1), np.int32)  # of each edge, from 1; 0 where there is none
    number[edges] = np.arange(1, edges.size + 1)
    right, straight, left = (number[ends | (heading + turn) & 3] for turn in (_RIGHT, 0, -_RIGHT))
    following = np.where(right, right, np.where(straight, straight, left)) - 1
    turning = following != straight - 1

    to_turn = np.where(turning, np.arange(edges.size), following)  # from an edge to the end of its straight run
    while not np.array_equal(farther := to_turn[to_turn], to_turn):
        to_turn = farther
    next_turn = to_turn[following].tolist()
    rows, columns = np.divmod(ends >> 2, stride)
    corners = list(zip(columns.tolist(), rows.tolist(), strict=True))
    open_turns = dict.fromkeys(np.flatnonzero(turning).tolist())
    while open_turns:
        first, _ = open_turns.popitem()
        ring, turn = [corners[first]], next_turn[first]
        while turn != first:
            del open_turns[turn]
            ring.append(corners[turn])
            turn = next_turn[turn]
        y, x = divmod(int(edges[first]) >> 2, stride)
        dx, dy = _PIXEL_ON_THE_RIGHT[int(heading[first])]
        yield (x + dx, y + dy), ring


def _edges(mask: BoolMask) -> npt.NDArray[np.int64]:
    """List the sides that object pixels share with background, each in its direction of travel.

    An edge is one number: four times the index of the corner where it starts, plus its direction. Every corner has as
    many edges leaving as arriving, so that a walk never ends before it is back.
    """
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])  # above, right, below, left
    found = []
    for direction, neighbour in enumerate(neighbours):
        dx, dy = _PIXEL_ON_THE_RIGHT[direction]
        rows, columns = np.divmod(np.flatnonzero(inner & ~neighbour), mask.shape[1])  # far faster than np.nonzero
        found.append(4 * ((rows - dy) * (mask.shape[1] + 1) + (columns - dx)) + direction)
    return np.concatenate(found)


def _simple_loops(ring: Loop) -> Iterator[Loop]:
    """Cut a ring at the corners that it passes twice."""
    path: Loop = []
    place: dict[Vertex, int] = {}
    for vertex in ring:
        if vertex in place:
            start = place[vertex]
            loop = path[start:]
            del path[start:]
            for passed in loop:
                del place[passed]
            yield loop
        place[vertex] = len(path)
        path.append(vertex)
    yield path


def _signed_area(loop: Loop) -> float:
    """Area in square pixels; positive where the object is inside (clockwise with y down)."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*loop, loop[0]])) / 2
