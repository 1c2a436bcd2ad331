"""Slide files of every kind, written by the tests: two dark discs on pink ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

WIDTH, HEIGHT = 240, 160
GROUND, DISC = (236, 214, 236), (92, 58, 140)
CENTRES, RADIUS = ((70, 60), (170, 100)), 24
Pixels = npt.NDArray[Any]


def tissue(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Draw (h, w, 3) uint8."""
    pixels = np.full((height, width, 3), GROUND, np.uint8)
    for x, y in CENTRES:
        cv2.circle(pixels, (x * width // WIDTH, y * height // HEIGHT), RADIUS * width // WIDTH, DISC, -1)
    return pixels


def gray() -> Pixels:
    return np.asarray(Image.fromarray(tissue()).convert("L"))


def discs() -> npt.NDArray[np.bool_]:
    return tissue()[..., 0] == DISC[0]


def aperio(file: Path, pixels: Pixels, mpp: str = "0.499") -> None:
    """Write what OpenSlide takes for an Aperio slide."""
    told = f"Aperio Image Library v11.2.1\r\n{pixels.shape[1]}x{pixels.shape[0]}|AppMag = 20|MPP = {mpp}"
    tifffile.imwrite(
        file, pixels, tile=(240, 240), photometric="rgb", compression="jpeg", description=told, metadata=None
    )


def pyramid(file: Path, pixels: Pixels, *, tile: int = 256, compression: str = "deflate", **more: Any) -> None:
    """Write a tiled pyramid of three levels, one page after the other."""
    with tifffile.TiffWriter(file) as writer:
        for level in range(3):
            half = cv2.resize(pixels, None, fx=0.5**level, fy=0.5**level, interpolation=cv2.INTER_AREA)
            options = {"photometric": "rgb", "metadata": None, "subfiletype": int(level > 0), **more}
            writer.write(half, tile=(tile, tile), compression=compression, **options)


def ome_pyramid(file: Path, pixels: Pixels, **metadata: Any) -> None:
    """Write an OME-TIFF whose smaller levels are SubIFDs."""
    with tifffile.TiffWriter(file, ome=True) as writer:
        options: dict[str, Any] = {"tile": (256, 256), "photometric": "rgb", "compression": "deflate"}
        writer.write(pixels, subifds=2, metadata=metadata, **options)
        for level in (1, 2):
            half = cv2.resize(pixels, None, fx=0.5**level, fy=0.5**level, interpolation=cv2.INTER_AREA)
            writer.write(half, subfiletype=1, **options)


def spoil_tile(file: Path, index: int) -> None:
    """Overwrite a tile of the first page with what no decoder understands."""
    with tifffile.TiffFile(file) as opened:
        page = opened.pages.first
        offset, count = page.dataoffsets[index], page.databytecounts[index]
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\x01" * count)
