"""Levels that are too large to be read at once: in bands, and small copies of them that are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from slides.kept import Kept
from slides.resampling import reduced_by
from slides.source import Box, Piece, Pixels, Plane, Source, few

_BAND_BYTES = 8 * 1024**2
_THREADS = 4
_LONGEST_PX = 3072
"""An overview's longer side, at most."""
_OVERVIEWS: Kept[Piece] = Kept(96 * 1024**2)


def overview_factor(width: int, height: int) -> int:
    """Give the power of two by which a level's overview is smaller."""
    factor = 2
    while max(width, height) / factor > _LONGEST_PX:
        factor *= 2
    return factor


def overview(source: Source, slide: int, level: int, size: tuple[int, int], plane: Plane) -> Piece:
    """Give a level reduced by its `overview_factor`, made when it is first asked for.

    Parameters
    ----------
    slide : int
        Tells slides apart. Whoever calls sees to it that each slide's overviews are made one after the other.
    size : (int, int)
        Width and height of the level.
    """
    found = _OVERVIEWS.get((slide, level, plane))
    if found is None:
        found = in_bands(source, level, Box(0, 0, *size), plane, overview_factor(*size))
        _OVERVIEWS.put((slide, level, plane), found, found.pixels.nbytes)
    return found


def in_bands(source: Source, level: int, box: Box, plane: Plane, factor: int) -> Piece:
    """Read a part of a level reduced by a whole factor, never holding more of it than some bands.

    Returns
    -------
    Piece
        Its pixels are reduced, its damaged boxes are the level's.
    """

    def band(rows: tuple[int, int]) -> Piece:
        top, height = rows
        piece = source.region(level, box.left, top, box.width, height, plane)
        return Piece(reduced_by(piece.pixels, factor), piece.damaged)

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        pieces = list(pool.map(band, _bands(box, factor)))
    pixels: Pixels = np.concatenate([piece.pixels for piece in pieces])
    return Piece(pixels, few([box for piece in pieces for box in piece.damaged]))


def _bands(box: Box, factor: int) -> Iterator[tuple[int, int]]:
    """Cut rows into bands of some megabytes, each a multiple of the factor but the last."""
    rows = max(1, _BAND_BYTES // (box.width * 3) // factor) * factor
    for top in range(box.top, box.bottom, rows):
        yield top, min(rows, box.bottom - top)
