"""Pixels of image files: whole-slide files by their pyramid, anything else at once."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.windows import Window
from training.errors import BrokenSource

Rgb = npt.NDArray[np.uint8]
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
SLIDES = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".tif", ".tiff", ".dcm")


class Pixels(Protocol):
    """An opened image."""

    width: int
    height: int
    mpp: float | None

    def read(self, window: Window, side_px: int) -> Rgb:
        """Read the region of a window, reduced to at most `side_px`."""
        ...


class ArrayPixels:
    """An image that fits into memory.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
        All of it.
    """

    mpp: float | None = None

    def __init__(self, rgb: Rgb) -> None:
        self._rgb = rgb
        self.height, self.width = rgb.shape[:2]

    def read(self, window: Window, side_px: int) -> Rgb:
        """Cut and reduce, averaging."""
        region = window.region
        cut = self._rgb[region.top : region.top + region.height, region.left : region.left + region.width]
        return reduced(cut, window, side_px)


class SlidePixels:
    """A whole-slide file, read from the level that just suffices.

    Parameters
    ----------
    slide : openslide.OpenSlide
        Opened.
    """

    def __init__(self, slide: Any) -> None:
        self._slide = slide
        self.width, self.height = slide.dimensions
        mpp = slide.properties.get("openslide.mpp-x")
        self.mpp = float(mpp) if mpp else None

    def read(self, window: Window, side_px: int) -> Rgb:
        """Read from the pyramid, on white where the slide is transparent."""
        region = window.region
        level = self._slide.get_best_level_for_downsample(max(1.0, window.downsample(side_px)) + 1e-6)
        factor = self._slide.level_downsamples[level]
        size = (max(1, round(region.width / factor)), max(1, round(region.height / factor)))
        rgba = np.asarray(self._slide.read_region((region.left, region.top), level, size), np.float32)
        opacity = rgba[..., 3:] / 255
        rgb = np.asarray(rgba[..., :3] * opacity + 255 * (1 - opacity), np.uint8)
        return reduced(rgb, window, side_px)


def reduced(rgb: Rgb, window: Window, side_px: int) -> Rgb:
    """Bring the pixels of a window's region to the size that they have in the reduced window."""
    scale = min(1.0, side_px / window.side_px0)
    size = (max(1, ceil(window.region.width * scale)), max(1, ceil(window.region.height * scale)))
    if size[0] >= rgb.shape[1] and size[1] >= rgb.shape[0]:
        return np.ascontiguousarray(rgb)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=4)
def open_pixels(file: Path) -> Pixels:
    """Open an image or a whole-slide file.

    Raises
    ------
    BrokenSource
        Neither can read it.
    """
    if file.suffix.lower() in SLIDES:
        import openslide

        try:
            return SlidePixels(openslide.OpenSlide(file))
        except openslide.OpenSlideError:  # flat TIFF files are images
            pass
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR) if file.is_file() else None
    if image is None:
        raise BrokenSource(f"{file} cannot be read as an image or a slide.")
    return ArrayPixels(np.ascontiguousarray(image[..., ::-1], np.uint8))
