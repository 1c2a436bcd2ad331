"""Scanners' own formats and DICOM, as OpenSlide reads them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

from slides.errors import NotASlide
from slides.facts import believed, power_of
from slides.slide import SlideFile
from slides.source import Box, Piece, Plane, few, filled

PLAIN_TIFF = "generic-tiff"
"""OpenSlide's word for a TIFF file of no scanner."""
_BLOCK_PX = 512
"""Where a region fails, it is read in blocks of this side, so that not all of it is lost."""
_MOST_FAILURES = 256


def kind_of(path: Path) -> str | None:
    """Give the name of the scanner's format, or None."""
    try:
        return openslide.OpenSlide.detect_format(str(path))
    except openslide.OpenSlideError:
        return None


def open_vendor(path: Path) -> SlideFile:
    """Open a file with OpenSlide.

    Raises
    ------
    NotASlide
        It is damaged.
    """
    try:
        slide = openslide.OpenSlide(str(path))
        told = dict(slide.properties)
        size, levels = slide.dimensions, tuple(slide.level_dimensions)
    except (openslide.OpenSlideError, ValueError) as error:
        raise NotASlide(f"{path.name} is damaged: {error}".replace(f"{path.parent}/", "")) from error
    return SlideFile(
        *size,
        levels=levels,
        microns_per_pixel=believed(told.get(openslide.PROPERTY_NAME_MPP_X)),
        magnification=power_of(told.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
        bits=8,
        samples=3,
        pixels=_OpenSlidePixels(path, slide),
        name=path.name,
    )


class _OpenSlidePixels:
    """OpenSlide's pixels: transparent background becomes white.

    A handle of OpenSlide that met one damaged tile refuses everything from then on, so it is opened anew.
    """

    def __init__(self, path: Path, slide: openslide.OpenSlide) -> None:
        self._path, self._slide, self._lock = path, slide, threading.Lock()

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Piece:
        box = Box(x, y, width, height)
        try:
            return Piece(self._read(self._slide, level, box))
        except (openslide.OpenSlideError, OSError, MemoryError):
            return self._in_blocks(level, box)

    def grain(self, level: int) -> tuple[int, int]:
        told = self._slide.properties
        sides = [told.get(f"openslide.level[{level}].tile-{side}", "") for side in ("width", "height")]
        width, height = (int(side) if side.isdigit() and 0 < int(side) <= _BLOCK_PX else _BLOCK_PX for side in sides)
        return width, height

    def _in_blocks(self, level: int, box: Box) -> Piece:
        """Read what can be read of a region with a damaged part, with a handle of its own."""
        pixels = np.full((box.height, box.width, 3), 255, np.uint8)
        damaged: list[Box] = []
        slide = self._anew()
        for block in _blocks(box):
            try:
                if slide is None or len(damaged) > _MOST_FAILURES:
                    raise OSError
                top, left = block.top - box.top, block.left - box.left
                pixels[top : top + block.height, left : left + block.width] = self._read(slide, level, block)
            except (openslide.OpenSlideError, OSError, MemoryError):
                damaged.append(block)
                slide = self._anew()
        return filled(pixels, (box.left, box.top), few(damaged))

    def _anew(self) -> openslide.OpenSlide | None:
        """Open the file once more, for this region and for those that come after it."""
        try:
            slide = openslide.OpenSlide(str(self._path))
        except (openslide.OpenSlideError, OSError):
            return None
        with self._lock:
            self._slide = openslide.OpenSlide(str(self._path))
        return slide

    @staticmethod
    def _read(slide: openslide.OpenSlide, level: int, box: Box) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        full, own = slide.dimensions, slide.level_dimensions[level]
        # OpenSlide takes the corner in level-0 pixels, rounded towards zero on the way back: aim at the pixel's middle.
        corner = (int(np.ceil(box.left * full[0] / own[0])), int(np.ceil(box.top * full[1] / own[1])))
        image = slide.read_region(corner, level, (box.width, box.height))
        ground = Image.new("RGB", image.size, (255, 255, 255))
        ground.paste(image, mask=image.getchannel("A"))
        return np.asarray(ground)


def _blocks(box: Box) -> list[Box]:
    return [
        Box(left, top, min(_BLOCK_PX, box.right - left), min(_BLOCK_PX, box.bottom - top))
        for top in range(box.top, box.bottom, _BLOCK_PX)
        for left in range(box.left, box.right, _BLOCK_PX)
    ]
