"""A slide of gigapixels that takes little disk: discs on a pale ground, tiles without an edge written from two."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

SIDE_PX0 = 60_416
"""3.6 gigapixels."""
_TILE_PX = 1024
_DOWNSAMPLES = (1, 4, 16, 64)
_PALE, _DARK = np.array((236, 200, 222), np.float32), np.array((92, 58, 140), np.float32)

Discs = Mapping[int, tuple[int, int]]
"""Centres by diameter, slide frame, level-0 pixels."""
_Shares = npt.NDArray[np.float32]


def write_huge_slide(file: Path, discs: Discs) -> None:
    """Write a pyramid of `SIDE_PX0` a side."""
    with tifffile.TiffWriter(file, bigtiff=True) as writer:
        for number, downsample in enumerate(_DOWNSAMPLES):
            side = SIDE_PX0 // downsample
            writer.write(
                _tiles(discs, side, downsample),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(_TILE_PX, _TILE_PX),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                subfiletype=int(number > 0),
            )


def _tiles(discs: Discs, side: int, downsample: int) -> Iterator[bytes]:
    packed: dict[bool, bytes] = {}
    for top in range(0, side, _TILE_PX):
        for left in range(0, side, _TILE_PX):
            share = _share_of_disc(discs, left, top, downsample)
            if share.min() == share.max():
                inside = bool(share.max())
                if inside not in packed:
                    packed[inside] = _packed(share)
                yield packed[inside]
            else:
                yield _packed(share)


def _share_of_disc(discs: Discs, left: int, top: int, downsample: int) -> _Shares:
    """Tell how much of each pixel is disc; a single value where no edge passes through the tile."""
    share = np.zeros((1, 1), np.float32)
    corner, size = np.array([left, top]), _TILE_PX
    for diameter, place in discs.items():
        centre, radius = np.array(place) / downsample, diameter / 2 / downsample
        nearest = np.hypot(*(np.clip(centre, corner, corner + size) - centre))
        farthest = np.hypot(*np.maximum(abs(corner - centre), abs(corner + size - centre)))
        if nearest > radius + 1:
            continue
        if farthest < radius - 1:
            return np.ones((1, 1), np.float32)
        columns, rows = (np.arange(size, dtype=np.float32) + 0.5 + corner[:, None] - centre[:, None]).astype(np.float32)
        distance = np.hypot(columns[None], rows[:, None])
        share = np.maximum(share, np.clip(np.float32(radius + 0.5) - distance, 0, 1))
    return share


def _packed(share: _Shares) -> bytes:
    pixels = np.broadcast_to(
        (_PALE + (_DARK - _PALE) * share[..., None]).round().astype(np.uint8), (_TILE_PX, _TILE_PX, 3)
    )
    return zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)
