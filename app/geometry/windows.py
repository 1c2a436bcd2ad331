"""Windows: the square of the slide that the model sees, and the place of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, hypot

import numpy as np
import numpy.typing as npt

from app.geometry.frames import Roi, SlideXY, WindowXY

CONTEXT_FACTOR = 2.0
"""Side of the window over the longer side of the box. Section 3.1.3 of the thesis mentions "a dezoom factor"; only its
author's code says that it is 2 (``src/utils/extract_img.py`` of Cytomine-sam)."""

MODEL_SIDE_PX = 1024
"""Side of the model frame, in which masks are cleaned and outlined; source: the input size of SAM 2.1."""

REUSE_SCALE = (0.8, 1.01)
REUSE_SHIFT = 0.05
"""A window serves another box if the ratio of its side to that of the box's own window is within `REUSE_SCALE`, and the
distance of their centres, over the box's longer side, is at most `REUSE_SHIFT`; source: ``python -m bench.reuse``,
decision 0016."""


@dataclass(frozen=True, slots=True)
class Region:
    """Whole level-0 pixels inside a slide, as the image server can return them."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Window:
    """A square of whole level-0 pixels, slide frame. It may extend beyond a slide that is too narrow for it."""

    x0: int
    y0: int
    side_px0: int
    region: Region
    """The part of the square that lies on the slide."""

    def holds(self, roi: Roi) -> bool:
        """Whether a box of the slide frame lies inside, the border included."""
        return (
            self.x0 <= roi.x_min
            and self.y0 <= roi.y_min
            and roi.x_max <= self.x0 + self.side_px0
            and roi.y_max <= self.y0 + self.side_px0
        )

    def downsample(self, side_pxw: int) -> float:
        """Level-0 pixels per pixel of an array of `side_pxw`."""
        return self.side_px0 / side_pxw


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """Where the pixels of an array lie on the slide."""

    x0: float
    """Corner in the slide frame, level-0 pixels."""
    y0: float
    dx: float
    """Level-0 pixels per array pixel; `dx` and `dy` differ a little on real pyramids."""
    dy: float

    def to_slide(self, points: WindowXY) -> SlideXY:
        """Map (n, 2) points of the array's frame to the slide frame."""
        return SlideXY(points * (self.dx, self.dy) + (self.x0, self.y0))

    def to_window(self, points: SlideXY) -> WindowXY:
        """Map (n, 2) points of the slide frame to the array's frame."""
        return WindowXY((points - (self.x0, self.y0)) / (self.dx, self.dy))

    def resized(self, shape: tuple[int, int], new_shape: tuple[int, int]) -> WindowGrid:
        """Return the grid of the same area with `new_shape` (rows, columns) instead of `shape`."""
        return WindowGrid(self.x0, self.y0, self.dx * shape[1] / new_shape[1], self.dy * shape[0] / new_shape[0])


@dataclass(frozen=True, slots=True)
class WindowImage:
    """Pixels, always together with their place."""

    pixels: npt.NDArray[np.uint8]
    """(h, w, 3) uint8, RGB."""
    grid: WindowGrid


def plan_window(roi: Roi, slide_width: int, slide_height: int) -> Window:
    """Choose the square that the model sees around a box.

    Its side is `CONTEXT_FACTOR` times the longer side of the box. It is centred on the box, then moved onto the
    slide; if the slide is narrower than the square, the square covers it from edge to edge.

    Parameters
    ----------
    roi : Roi
        Slide frame, inside the slide, of positive extents.
    slide_width, slide_height : int
        Level-0 pixels.

    Returns
    -------
    Window
        Contains the whole `roi`.
    """
    side = max(ceil(CONTEXT_FACTOR * roi.longer_side), _cover(roi.x_min, roi.x_max), _cover(roi.y_min, roi.y_max))
    x0 = _place(roi.x_min, roi.x_max, side, slide_width)
    y0 = _place(roi.y_min, roi.y_max, side, slide_height)
    return window_at(x0, y0, side, slide_width, slide_height)


def window_at(x0: int, y0: int, side: int, slide_width: int, slide_height: int) -> Window:
    """Return the square at a place, which must overlap the slide."""
    left, top = max(x0, 0), max(y0, 0)
    region = Region(left, top, min(x0 + side, slide_width) - left, min(y0 + side, slide_height) - top)
    return Window(x0, y0, side, region)


def serves(window: Window, own: Window, roi: Roi) -> bool:
    """Whether a window planned for another box is as good for this one as its own.

    Parameters
    ----------
    window : Window
        Of another box on the same slide.
    own : Window
        The result of `plan_window` for the box.
    roi : Roi
        The box, slide frame.
    """
    if not REUSE_SCALE[0] <= window.side_px0 / own.side_px0 <= REUSE_SCALE[1]:
        return False
    if not window.holds(roi):
        return False  # windows at a slide's edge are not centred on their boxes
    grown = (window.side_px0 - own.side_px0) / 2
    return hypot(window.x0 - own.x0 + grown, window.y0 - own.y0 + grown) <= REUSE_SHIFT * roi.longer_side


def _cover(low: float, high: float) -> int:
    """Count the whole pixels that an interval touches."""
    return ceil(high) - floor(low)


def _place(low: float, high: float, side: int, limit: int) -> int:
    """Put an interval of `side` pixels around [low, high], inside [0, limit] as far as it fits."""
    start = round((low + high - side) / 2)
    start = min(max(start, ceil(high) - side), floor(low))  # rounding must not push the box out
    return min(max(start, min(0, limit - side)), max(0, limit - side))
