"""What a kind of file has to give: whole pixels of its levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(h, w, 3) RGB or (h, w) gray."""
Plane = tuple[int, int, int]
"""Channel, depth and time."""

_MOST_BOXES = 64
"""More damaged places than that are told as the one box around them."""
_FILLS = {np.dtype(np.uint8): 128, np.dtype(np.uint16): 0}
"""What damaged pixels look like where they are shown at all."""


@dataclass(frozen=True, slots=True)
class Box:
    """Whole pixels, y down."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column past it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row past it."""
        return self.top + self.height

    def moved(self, x: int, y: int) -> Box:
        """Give the same box elsewhere."""
        return Box(self.left + x, self.top + y, self.width, self.height)

    def cut(self, other: Box) -> Box | None:
        """Give what two boxes have in common."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Pixels, and which of them are only a fill."""

    pixels: Pixels
    damaged: tuple[Box, ...] = ()
    """Pixels of the level that could not be read."""


class Source(Protocol):
    """The pixels of one slide file. Safe to share between threads."""

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Piece:
        """Read whole pixels of a level of a plane, in the level's own pixels; what cannot be read is filled."""
        ...

    def grain(self, level: int) -> tuple[int, int]:
        """Give width and height of what is read at once anyway: a tile, or a strip."""
        ...


def filled(pixels: Pixels, origin: tuple[int, int], boxes: tuple[Box, ...]) -> Piece:
    """Fill damaged boxes, given in the level's pixels; the array begins at `origin` there."""
    for box in boxes:
        left, top = box.left - origin[0], box.top - origin[1]
        pixels[max(top, 0) : top + box.height, max(left, 0) : left + box.width] = _FILLS[pixels.dtype]
    return Piece(pixels, boxes)


def few(boxes: list[Box]) -> tuple[Box, ...]:
    """Give boxes as they are, or the one around them where they are many."""
    if len(boxes) <= _MOST_BOXES:
        return tuple(boxes)
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    return (Box(left, top, right - left, bottom - top),)
