"""Images that a camera or scanner stored lying on their side, and said so."""

from __future__ import annotations

import numpy as np

from slides.source import Box, Piece, Pixels, Plane, Source

UPRIGHT = 1
_SWAPPED = frozenset({5, 6, 7, 8})
_MIRRORED_X = frozenset({2, 3, 7, 8})
"""Of the stored image: columns run backwards as seen from the upright one. Source: TIFF 6.0, tag Orientation."""
_MIRRORED_Y = frozenset({3, 4, 6, 7})
"""Rows run backwards."""


def swaps(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation in _SWAPPED


class Turned:
    """A source seen upright.

    Parameters
    ----------
    source : Source
        As the file stores it.
    orientation : int
        The tag's value, 2 to 8.
    stored : tuple of (int, int)
        Width and height of each level as the file stores it.
    """

    def __init__(self, source: Source, orientation: int, stored: tuple[tuple[int, int], ...]) -> None:
        self._source, self._stored = source, stored
        self._swapped = swaps(orientation)
        self._mirrored = (orientation in _MIRRORED_X, orientation in _MIRRORED_Y)

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Piece:
        """Read the part of the stored image that becomes this one, and turn it."""
        box = self._flipped(self._transposed(Box(x, y, width, height)), level)
        piece = self._source.region(level, box.left, box.top, box.width, box.height, plane)
        damaged = tuple(self._transposed(self._flipped(each, level)) for each in piece.damaged)
        pixels = piece.pixels[:: -1 if self._mirrored[1] else 1, :: -1 if self._mirrored[0] else 1]
        if self._swapped:
            pixels = np.swapaxes(pixels, 0, 1)
        upright: Pixels = np.ascontiguousarray(pixels)  # type: ignore[assignment]
        return Piece(upright, damaged)

    def grain(self, level: int) -> tuple[int, int]:
        """Give the grain of the stored image, turned."""
        width, height = self._source.grain(level)
        return (height, width) if self._swapped else (width, height)

    def _transposed(self, box: Box) -> Box:
        return Box(box.top, box.left, box.height, box.width) if self._swapped else box

    def _flipped(self, box: Box, level: int) -> Box:
        width, height = self._stored[level]
        left = width - box.right if self._mirrored[0] else box.left
        top = height - box.bottom if self._mirrored[1] else box.top
        return Box(left, top, box.width, box.height)
