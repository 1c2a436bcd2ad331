"""The pixels of a TIFF file: which plane of which level, and what its samples mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from slides.source import Box, Piece, Pixels, Plane, few, filled
from slides.tiff.samples import Samples
from slides.tiff.segments import Segments
from slides.wide import Stretch, ends_of, stretch_of

_BAND_PX = 4_000_000
_ENOUGH_PX = 1024
"""A level of this longer side is large enough to find lowest and highest values on."""


@dataclass(frozen=True, slots=True)
class Order:
    """By which axes pages are numbered, slowest first."""

    axes: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """How many pages that makes."""
        return prod(size for _, size in self.axes)

    def count(self, axis: str) -> int:
        """How many there are along an axis."""
        return prod(size for name, size in self.axes if name == axis)

    def page(self, plane: Plane) -> int:
        """Give a plane's page; of other axes than channel, depth and time, the first."""
        places, number = dict(zip("CZT", plane, strict=True)), 0
        for name, size in self.axes:
            number = number * size + min(places.get(name, 0), size - 1)
        return number


class Tiff:
    """Pixels of a TIFF file; see `Source`.

    Parameters
    ----------
    levels : list of Segments
        The largest first.
    samples : Samples
        How stored samples are seen.
    order : Order
        Of the pages.
    stacked : bool
        Whether the three channels are red, green and blue of one picture.
    """

    def __init__(self, levels: list[Segments], samples: Samples, order: Order, *, stacked: bool) -> None:
        self._levels, self._samples, self._order, self._stacked = levels, samples, order, stacked
        self._stretches = [self._stretch(channel) for channel in range(self._channels())] if samples.wide else []

    @property
    def stretch(self) -> str | None:
        """What was done to values that do not fit into 16 bits."""
        found = list(dict.fromkeys(each.told for each in self._stretches))
        return "; ".join(found) or None

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Piece:
        """Read the tiles or strips that a region touches."""
        box = Box(x, y, width, height)
        if not self._stacked:
            return self._one(level, box, plane)
        layers = [self._one(level, box, (channel, *plane[1:])) for channel in range(3)]
        pixels: Pixels = np.dstack([layer.pixels for layer in layers])  # type: ignore[assignment]
        damaged = list(dict.fromkeys(each for layer in layers for each in layer.damaged))
        return filled(pixels, (x, y), few(damaged))

    def grain(self, level: int) -> tuple[int, int]:
        """Give the size of a tile or strip; of strips that are not packed, a row."""
        return self._levels[level].grain

    def _one(self, level: int, box: Box, plane: Plane) -> Piece:
        channel, sample = divmod(plane[0], self._samples.channels)
        raw, damaged = self._levels[level].read(self._order.page((channel, plane[1], plane[2])), box)
        if self._samples.channels > 1:
            raw = raw[..., sample : sample + 1]
        values: Any = self._stretches[plane[0]].applied(raw) if self._samples.wide else raw
        pixels = self._samples.convert(values)
        if damaged and not pixels.flags.writeable:
            pixels = pixels.copy()
        return filled(np.ascontiguousarray(pixels), (box.left, box.top), few(damaged))  # type: ignore[arg-type]

    def _channels(self) -> int:
        return self._order.count("C") * self._samples.channels

    def _stretch(self, number: int) -> Stretch:
        """Find the lowest and the highest value of a channel, in its middle depth."""
        channel, sample = divmod(number, self._samples.channels)
        fit = [each for each in self._levels if max(each.width, each.height) >= _ENOUGH_PX]
        level = fit[-1] if fit else self._levels[0]
        page = self._order.page((channel, self._order.count("Z") // 2, 0))
        several = self._samples.channels > 1
        return stretch_of(
            ends_of(raw[..., sample] if several else raw, [box.moved(-band.left, -band.top) for box in damaged])
            for band in _bands(level)
            for raw, damaged in (level.read(page, band),)
        )


def _bands(level: Segments) -> Iterator[Box]:
    rows = max(1, _BAND_PX // level.width)
    for top in range(0, level.height, rows):
        yield Box(0, top, level.width, min(rows, level.height - top))
