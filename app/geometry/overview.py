"""Overviews: which tiles show tissue and which only glass, seen from afar before any of them is encoded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.frames import SlideXY
from app.geometry.tiles import Tile
from app.geometry.windows import Window, WindowImage, window_at

TILE_PX = 64
"""A tile's side in an overview."""
_MOST_TILES = 12
"""Sides of a tile from the first tile of an overview to its last one, in a row and in a column."""
_SMOOTHED_PX = 3
"""Side of the square over which noise is averaged."""
_NEAR_PX = 5
"""Side of the square in which the brightest is compared with the darkest."""
LEAST_CONTRAST = 15.0
"""Grey levels, of the strongest colour, between the darkest and the brightest; less is glass (decision 0076)."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What is looked at from afar in one piece."""

    window: Window
    """Holds the windows of all its tiles."""
    tiles: tuple[int, ...]
    """Their indices."""
    side_px: int
    """Side of the array to read."""


def overviews(tiles: Sequence[Tile], slide_width: int, slide_height: int) -> list[Overview]:
    """Divide tiles of one side among overviews of at most some 850 pixels a side.

    Parameters
    ----------
    tiles : sequence of Tile
        Those of one `Tiling`.
    slide_width, slide_height : int
        Level-0 pixels.
    """
    pieces: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for at, tile in enumerate(tiles):
        step = _MOST_TILES * tile.window.side_px0
        pieces[tile.window.x0 // step, tile.window.y0 // step].append(at)
    return [_overview(tiles, members, slide_width, slide_height) for members in pieces.values()]


def tissue_in(image: WindowImage, windows: Sequence[Window]) -> list[float]:
    """Tell of windows how much of them shows something.

    Parameters
    ----------
    image : WindowImage
        The pixels of an overview.
    windows : sequence of Window
        Inside of it.

    Returns
    -------
    list of float
        Share of a window's pixels near which there is contrast, 0 to 1; exactly 0 where the whole window has none.
    """
    smooth = np.asarray(cv2.blur(image.pixels, (_SMOOTHED_PX, _SMOOTHED_PX)), np.uint8)
    near = np.ones((_NEAR_PX, _NEAR_PX), np.uint8)
    busy = (cv2.dilate(smooth, near) - cv2.erode(smooth, near)).max(axis=2) >= LEAST_CONTRAST
    return [_share(smooth[place], busy[place]) for place in (_place(image, window) for window in windows)]


def _overview(tiles: Sequence[Tile], members: list[int], slide_width: int, slide_height: int) -> Overview:
    windows = [tiles[at].window for at in members]
    (x0, y0), side = np.min([(each.x0, each.y0) for each in windows], axis=0), windows[0].side_px0
    whole = side + int(np.max([(each.x0 - x0, each.y0 - y0) for each in windows]))
    side_px = max(1, round(whole * min(1.0, TILE_PX / side)))
    return Overview(window_at(int(x0), int(y0), whole, slide_width, slide_height), tuple(members), side_px)


def _place(image: WindowImage, window: Window) -> tuple[slice, slice]:
    """Give the rows and columns of what a window shows of the slide."""
    region = window.region
    corners = np.array([[region.left, region.top], [region.left + region.width, region.top + region.height]])
    (left, top), (right, bottom) = image.grid.to_window(SlideXY(corners.astype(np.float64)))
    rows, columns = image.pixels.shape[:2]
    return _whole(top, bottom, rows), _whole(left, right, columns)


def _whole(low: float, high: float, limit: int) -> slice:
    start = min(max(int(np.floor(low)), 0), limit - 1)
    return slice(start, min(max(int(np.ceil(high)), start + 1), limit))


def _share(smooth: npt.NDArray[np.uint8], busy: npt.NDArray[np.bool_]) -> float:
    contrast = float(np.ptp(smooth.reshape(-1, smooth.shape[-1]).astype(np.float32), axis=0).max())
    return 0.0 if contrast < LEAST_CONTRAST else max(float(busy.mean()), 1 / busy.size)
