"""Contours along pixel edges: the exact outline of a mask, holes included.

`cv2.findContours` runs through pixel centres and so loses half a pixel on every side. Here the outline follows the
borders between object and background, so that it encloses exactly the object's pixels (decision 0002).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import cv2
import numpy as np
from shapely import Polygon
from shapely.affinity import translate

from app.geometry.masks import BoolMask

Vertex = tuple[int, int]
Loop = list[Vertex]

_RIGHT = 1
"""A right turn, in quarters. Directions are 0: +x, 1: +y, 2: -x, 3: -y; with y down, the next one is to the right."""
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
    moved = [translate(polygon, left, top) for polygon in polygons]
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
    steps = (4, 4 * stride, -4, -4 * stride)
    edges = dict.fromkeys(_edges(mask))
    while edges:
        first, _ = edges.popitem()
        edge, ring = first, []
        while True:
            end = (edge & ~3) + steps[edge & 3]
            turn = _RIGHT
            while (following := end | (edge + turn) & 3) not in edges and following != first:
                turn -= 1  # straight on, then left
            edge = following
            if turn:
                y, x = divmod(edge >> 2, stride)
                ring.append((x, y))
            if edge == first:
                break
            del edges[edge]
        y, x = divmod(first >> 2, stride)
        dx, dy = _PIXEL_ON_THE_RIGHT[first & 3]
        yield (x + dx, y + dy), ring


def _edges(mask: BoolMask) -> list[int]:
    """List the sides that object pixels share with background, each in its direction of travel.

    An edge is one number: four times the index of the corner where it starts, plus its direction. Every corner has as
    many edges leaving as arriving, so that a walk never ends before it is back.
    """
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])  # above, right, below, left
    found: list[int] = []
    for direction, neighbour in enumerate(neighbours):
        dx, dy = _PIXEL_ON_THE_RIGHT[direction]
        rows, columns = np.divmod(np.flatnonzero(inner & ~neighbour), mask.shape[1])  # far faster than np.nonzero
        corners = (rows - dy) * (mask.shape[1] + 1) + (columns - dx)
        found += (4 * corners + direction).tolist()
    return found


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
    corners = np.array(loop, dtype=np.float64)
    x, y = corners[:, 0], corners[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
