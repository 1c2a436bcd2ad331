"""The frames of the service, and how to cross from one to the next.

All coordinates are continuous, x then y: pixel (column i, row j) covers ``[i, i + 1) x [j, j + 1)``.

========  ==========================================  =============================
frame     unit                                        origin
========  ==========================================  =============================
platform  level-0 pixels                              bottom left of the slide, y up
slide     level-0 pixels                              top left of the slide, y down
window    pixels of the array just read               its top left, y down
model     pixels of the square the masks live in      as the window
========  ==========================================  =============================

The flip is ``y_slide = height - y_platform``, without a half pixel: windows are requested in whole level-0 pixels, so
the half pixel of PIMS' annotation endpoints does not occur here (decision 0001).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType, TypeVar

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

FloatXY = npt.NDArray[np.float64]
SlideXY = NewType("SlideXY", FloatXY)
"""(n, 2) float64, slide frame, level-0 pixels."""
WindowXY = NewType("WindowXY", FloatXY)
"""(n, 2) float64, window frame, window pixels."""

G = TypeVar("G", bound=BaseGeometry)


@dataclass(frozen=True, slots=True)
class Roi:
    """The requested box, slide frame, level-0 pixels."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        """Extent along x, level-0 pixels."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Extent along y, level-0 pixels."""
        return self.y_max - self.y_min

    @property
    def longer_side(self) -> float:
        """The larger extent, level-0 pixels."""
        return max(self.width, self.height)

    def clipped(self, slide_width: int, slide_height: int) -> Roi:
        """Return the part inside the slide; its extents are not positive if there is none."""
        return Roi(
            max(self.x_min, 0.0),
            max(self.y_min, 0.0),
            min(self.x_max, float(slide_width)),
            min(self.y_max, float(slide_height)),
        )

    def around(self, points: Iterable[tuple[float, float]]) -> Roi:
        """Return the smallest box that contains this one and the given points, slide frame."""
        xs, ys = zip((self.x_min, self.y_min), (self.x_max, self.y_max), *points, strict=True)
        return Roi(min(xs), min(ys), max(xs), max(ys))

    def surrounds(self, x: float, y: float) -> bool:
        """Whether a point of the slide frame lies strictly inside."""
        return self.x_min < x < self.x_max and self.y_min < y < self.y_max


def flip_y(y: float, slide_height: int) -> float:
    """Convert a platform y into a slide y, or the reverse."""
    return slide_height - y


def flip_geometry(geometry: G, slide_height: int) -> G:
    """Convert a geometry from the platform frame to the slide frame, or the reverse.

    Rings change their orientation, which has no meaning in either frame.
    """

    def flip(xy: FloatXY) -> FloatXY:
        return np.column_stack((xy[:, 0], slide_height - xy[:, 1]))

    flipped: G = shapely.transform(geometry, flip)
    return flipped
