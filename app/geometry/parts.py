"""Parts of a window: the square around one object that is small in it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from app.geometry.masks import extent_of
from app.geometry.windows import CONTEXT_FACTOR, WindowGrid


def part_of(
    logits: npt.NDArray[np.float32], grid: WindowGrid, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], WindowGrid, tuple[int, int]]:
    """Cut out the square that an object's own window would show.

    Outlined from there, it is cleaned and smoothed at the scale at which every object is.

    Parameters
    ----------
    logits : (h, w) float32
        Raw values over the whole window; above 0 is object.
    grid : WindowGrid
        Where the window's array lies on its slide.
    shape : (rows, columns)
        Of that array.

    Returns
    -------
    logits, grid, shape
        Of the part: `CONTEXT_FACTOR` times the object's longer side, as far as the window goes.
    """
    rows, columns = logits.shape
    placed = grid.resized(shape, (rows, columns))
    left, top, right, bottom = extent_of(logits > 0)
    side = min(math.ceil(CONTEXT_FACTOR * max(right - left, bottom - top, 1)), rows, columns)
    x = min(max((left + right - side) // 2, 0), columns - side)
    y = min(max((top + bottom - side) // 2, 0), rows - side)
    part = WindowGrid(placed.x0 + x * placed.dx, placed.y0 + y * placed.dy, placed.dx, placed.dy)
    return logits[y : y + side, x : x + side], part, (side, side)
