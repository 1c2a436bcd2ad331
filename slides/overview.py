"""Levels that are too large to be read at once: in blocks, and small copies of them that are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import lcm

import numpy as np

from slides.kept import Kept
from slides.resampling import reduced_by
from slides.source import Box, Piece, Pixels, Plane, Source, few

_BLOCK_PX = 1024
_LARGEST_STEP_PX = 2048
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
        found = in_blocks(source, level, Box(0, 0, *size), plane, overview_factor(*size))
        _OVERVIEWS.put((slide, level, plane), found, found.pixels.nbytes)
    return found


def in_blocks(source: Source, level: int, box: Box, plane: Plane, factor: int) -> Piece:
    """Read a part of a level reduced by a whole factor, never holding more of it than some blocks.

    Returns
    -------
    Piece
        Its pixels are reduced, its damaged boxes are the level's.
    """
    blocks = list(_blocks(box, source.grain(level), factor))

    def read(block: Box) -> Piece:
        piece = source.region(level, block.left, block.top, block.width, block.height, plane)
        return Piece(reduced_by(piece.pixels, factor), piece.damaged)

    pixels: Pixels | None = None
    damaged: list[Box] = []
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for block, piece in zip(blocks, pool.map(read, blocks), strict=True):
            if pixels is None:
                size = (-(-box.height // factor), -(-box.width // factor), *piece.pixels.shape[2:])
                pixels = np.empty(size, piece.pixels.dtype)
            top, left = (block.top - box.top) // factor, (block.left - box.left) // factor
            height, width = piece.pixels.shape[:2]
            pixels[top : top + height, left : left + width] = piece.pixels
            damaged += piece.damaged
    assert pixels is not None  # noqa: S101  a box has pixels
    return Piece(pixels, few(damaged))


def _blocks(box: Box, grain: tuple[int, int], factor: int) -> Iterator[Box]:
    """Cut a box into blocks of some megapixels: multiples of the factor, and where it can be of tiles or strips."""
    steps = [lcm(side, factor) if lcm(side, factor) <= _LARGEST_STEP_PX else factor for side in grain]
    width = box.width if grain[0] >= box.width else steps[0] * max(1, _BLOCK_PX // steps[0])
    height = steps[1] * max(1, _BLOCK_PX**2 // width // steps[1])
    for top in range(box.top, box.bottom, height):
        for left in range(box.left, box.right, width):
            yield Box(left, top, min(width, box.right - left), min(height, box.bottom - top))
