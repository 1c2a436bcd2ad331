"""One look at an object: a window, what the model answers in it, and whether it is large enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon, Polygon

from app.geometry.choices import Taken
from app.geometry.frames import Roi
from app.geometry.glance import Sight, sight_of
from app.geometry.windows import Window
from app.usecases.answer import Answer
from app.usecases.ports import EncodedWindow, Slide

MOST_LOOKS = 3
"""The first one, and two from further away: the last window is four times as wide as the first."""
_EDGE_SHARE = 1 / 128
"""Of the window's side: half a pixel of the smallest decoder's masks."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in a window."""

    encoded: EncodedWindow
    answer: Answer
    taken: Taken
    shape: Polygon | MultiPolygon | None
    """Slide frame, inside the slide; None if nothing was found."""

    def is_cut(self, slide: Slide) -> bool:
        """Whether the outline reaches the window's edge where the slide goes on."""
        if self.shape is None:
            return False
        window, (left, top, right, bottom) = self.encoded.window, self.shape.bounds
        near = window.side_px0 * _EDGE_SHARE
        far_x, far_y = window.x0 + window.side_px0, window.y0 + window.side_px0
        return (
            (window.x0 > 0 and left <= window.x0 + near)
            or (window.y0 > 0 and top <= window.y0 + near)
            or (far_x < slide.width and right >= far_x - near)
            or (far_y < slide.height and bottom >= far_y - near)
        )

    def further(self, slide: Slide) -> Roi | None:
        """Give the box whose window is twice as wide and has the object in its middle, if this one cuts it off."""
        if self.shape is None or not self.is_cut(slide):
            return None
        window = self.encoded.window
        left, top, right, bottom = self.shape.bounds
        x, y, half = (left + right) / 2, (top + bottom) / 2, window.side_px0 / 2
        return Roi(x - half, y - half, x + half, y + half).clipped(slide.width, slide.height)

    def sight(self, box: Roi | None) -> Sight | None:
        """Tell what the pixels of a box look like, or of the outline where no box was given."""
        if self.encoded.glance is None:
            return None
        corners = _corners(box, self.shape)
        return None if corners is None else sight_of(self.encoded.glance, shares_of(corners, self.encoded.window))


def parts_of(shape: Polygon | MultiPolygon | None) -> int:
    """Count the parts of an outline."""
    return 0 if shape is None else int(shapely.get_num_geometries(shape))


def _corners(box: Roi | None, shape: Polygon | MultiPolygon | None) -> tuple[float, float, float, float] | None:
    if box is not None:
        return box.x_min, box.y_min, box.x_max, box.y_max
    return None if shape is None else shape.bounds


def shares_of(corners: tuple[float, float, float, float], window: Window) -> npt.NDArray[np.float64]:
    """Give the corners of a box of the slide frame as shares of a window's side, (2, 2)."""
    places = np.array(corners, np.float64).reshape(2, 2)
    return np.asarray((places - (window.x0, window.y0)) / window.side_px0, np.float64)
