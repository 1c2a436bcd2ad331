"""A slide file that was opened. All coordinates are level-0 pixels, origin top-left, y down."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import count
from math import ceil, floor

from slides.errors import DamagedPixels
from slides.overview import in_blocks, overview, overview_factor
from slides.resampling import resampled
from slides.source import Box, Piece, Pixels, Plane, Source

Colour = tuple[int, int, int]
_AT_ONCE_PX = 1_500_000
"""Larger parts of a level are read in blocks, or from the level's overview."""
_serials = count()


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to see of a region."""

    pixels: Pixels
    damaged: tuple[Box, ...]
    """Parts of the region that are only a fill; level-0 pixels."""


@dataclass(frozen=True, slots=True)
class SlideFile:
    """What a slide file says of itself, and its pixels. Safe to share between threads."""

    width: int
    height: int
    levels: tuple[tuple[int, int], ...]
    """Width and height of each, level 0 first."""
    microns_per_pixel: float | None
    magnification: int | None
    bits: int
    """Per sample: 8 or 16."""
    samples: int
    """3 (RGB) or 1 (gray)."""
    pixels: Source
    planes: Plane = (1, 1, 1)
    """How many channels (samples of RGB are none), depths and times."""
    colours: tuple[Colour, ...] = ()
    """In which each channel is shown; empty where the file does not say."""
    stretch: str | None = None
    """What was done to bring values that are no whole numbers of up to 16 bits to 16 bits."""
    name: str = "The slide"
    serial: int = field(default_factory=_serials.__next__, compare=False)
    """Tells open slides apart."""
    _making: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def read(
        self, left: int, top: int, width: int, height: int, size: tuple[int, int], plane: Plane = (0, 0, 0)
    ) -> Pixels:
        """Read a region, resampled to a size, from the smallest level that has all the detail asked for.

        Parameters
        ----------
        left, top, width, height : int
            Level-0 pixels, inside the slide.
        size : (int, int)
            Width and height wanted.
        plane : (int, int, int)
            Channel, depth and time.

        Returns
        -------
        (size[1], size[0], 3) uint8 or (size[1], size[0]) uint8 or uint16

        Raises
        ------
        DamagedPixels
            Not all of it can be read.
        """
        seen = self.look(left, top, width, height, size, plane)
        if seen.damaged:
            raise DamagedPixels(self.name, seen.damaged)
        return seen.pixels

    def look(
        self, left: int, top: int, width: int, height: int, size: tuple[int, int], plane: Plane = (0, 0, 0)
    ) -> Seen:
        """Read a region as `read` does; damaged parts are filled and told."""
        level = self._level_for(width / size[0], height / size[1])
        sx, sy = self.levels[level][0] / self.width, self.levels[level][1] / self.height
        x0, y0 = int(left * sx), int(top * sy)
        x1 = min(max(ceil((left + width) * sx), x0 + 1), self.levels[level][0])
        y1 = min(max(ceil((top + height) * sy), y0 + 1), self.levels[level][1])
        box = Box(x0, y0, x1 - x0, y1 - y0)
        piece, (px, py), factor = self._piece(level, box, min(width * sx / size[0], height * sy / size[1]), plane)
        damaged = self._told(piece.damaged, (sx, sy), Box(left, top, width, height))
        if (x0, y0, box.width, box.height) == (left, top, *size):
            return Seen(piece.pixels, damaged)
        offset = ((left * sx - px) / factor, (top * sy - py) / factor)
        extent = (width * sx / factor, height * sy / factor)
        return Seen(resampled(piece.pixels, offset, extent, size), damaged)

    def _piece(self, level: int, box: Box, step: float, plane: Plane) -> tuple[Piece, tuple[int, int], int]:
        """Read a part of a level; gives it, where it begins on the level, and how much smaller it is.

        Parameters
        ----------
        step : float
            Pixels of the level per pixel wanted.
        """
        factor = floor(step + 1e-9)
        if box.width * box.height <= _AT_ONCE_PX or factor < 2:
            piece = self.pixels.region(level, box.left, box.top, box.width, box.height, plane)
            return piece, (box.left, box.top), 1
        whole = overview_factor(*self.levels[level])
        if factor < whole:
            return in_blocks(self.pixels, level, box, plane, factor), (box.left, box.top), factor
        with self._making:
            found = overview(self.pixels, self.serial, level, self.levels[level], plane)
        x, y = box.left // whole, box.top // whole
        cut = found.pixels[y : ceil(box.bottom / whole), x : ceil(box.right / whole)]
        return Piece(cut, found.damaged), (x * whole, y * whole), whole

    def _told(self, boxes: tuple[Box, ...], scale: tuple[float, float], region: Box) -> tuple[Box, ...]:
        """Bring damaged boxes of a level to level-0 pixels, and leave out those beside the region."""
        found = []
        for box in boxes:
            left, top = floor(box.left / scale[0]), floor(box.top / scale[1])
            right, bottom = ceil(box.right / scale[0]), ceil(box.bottom / scale[1])
            found.append(Box(left, top, right - left, bottom - top).cut(region))
        return tuple(box for box in found if box is not None)

    def _level_for(self, down_x: float, down_y: float) -> int:
        wanted = min(down_x, down_y) * 1.01
        fit = [number for number, (width, _) in enumerate(self.levels) if self.width / width <= max(wanted, 1.01)]
        return fit[-1]
