"""Tiles: squares of one side that cover a region, so that every object of usual size lies whole in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, inf

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi, SlideXY
from app.geometry.windows import Window, window_at


@dataclass(frozen=True, slots=True)
class Tile:
    """A square that the model sees, and the part of the slide whose objects are its business."""

    window: Window
    core: Roi
    """Slide frame; without bounds on the sides where no other tile is. Cores share nothing but their borders."""

    @property
    def core_corners(self) -> SlideXY:
        """(2, 2) float64: the core's upper left and lower right corner; infinite where it has no bound."""
        return SlideXY(np.array([[self.core.x_min, self.core.y_min], [self.core.x_max, self.core.y_max]]))

    def owns(self, x: float, y: float) -> bool:
        """Whether an object with its middle at a place of the slide frame is this tile's business."""
        core = self.core
        return core.x_min <= x < core.x_max and core.y_min <= y < core.y_max


@dataclass(frozen=True, slots=True)
class Tiling:
    """How large tiles are, and how much of its side each shares with the next one; level-0 pixels."""

    side_px0: int
    overlap_px0: int
    """At least the longer side of an object of usual size."""

    def count(self, region: Roi, slide_width: int, slide_height: int) -> int:
        """Tell how many tiles cover a box of the slide frame, without making them."""
        return len(self._starts(region.x_min, region.x_max, slide_width)) * len(
            self._starts(region.y_min, region.y_max, slide_height)
        )

    def cover(self, region: BaseGeometry, slide_width: int, slide_height: int) -> list[Tile]:
        """Cover a region, row by row.

        Parameters
        ----------
        region : Polygon or MultiPolygon
            Slide frame, valid, on the slide.
        slide_width, slide_height : int
            Level-0 pixels.

        Returns
        -------
        list of Tile
            Those whose cores meet the region. A slide narrower than a tile is covered from edge to edge.
        """
        x_min, y_min, x_max, y_max = region.bounds
        columns = list(self._cores(self._starts(x_min, x_max, slide_width)))
        rows = list(self._cores(self._starts(y_min, y_max, slide_height)))
        shapely.prepare(region)
        return [
            Tile(window_at(x0, y0, self.side_px0, slide_width, slide_height), core)
            for y0, top, bottom in rows
            for x0, left, right in columns
            for core in [Roi(left, top, right, bottom)]
            if region.intersects(_on_slide(core, slide_width, slide_height))
        ]

    def _starts(self, low: float, high: float, limit: int) -> list[int]:
        """Spread tiles evenly along one axis, over [low, high] and half an overlap more on either side."""
        start = max(0, floor(low) - self.overlap_px0 // 2)
        end = min(limit, ceil(high) + self.overlap_px0 // 2)
        if end - start <= self.side_px0:
            middle = round((start + end - self.side_px0) / 2)
            return [min(max(middle, min(0, limit - self.side_px0)), max(0, limit - self.side_px0))]
        steps = ceil((end - start - self.side_px0) / (self.side_px0 - self.overlap_px0))
        return [round(start + step * (end - start - self.side_px0) / steps) for step in range(steps + 1)]

    def _cores(self, starts: list[int]) -> Iterator[tuple[int, float, float]]:
        """Divide the overlaps evenly; gives each tile's start and the bounds of its core."""
        borders = [-inf, *((one + self.side_px0 + other) / 2 for one, other in pairwise(starts)), inf]
        return ((start, low, high) for start, (low, high) in zip(starts, pairwise(borders), strict=True))


def _on_slide(core: Roi, slide_width: int, slide_height: int) -> BaseGeometry:
    inside = core.clipped(slide_width, slide_height)
    return shapely.box(inside.x_min, inside.y_min, inside.x_max, inside.y_max)
