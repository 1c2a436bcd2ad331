"""Pixels of image files, through the reader that the demo shows them with: what is trained on is what is seen."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.windows import Window
from slides import Box, DamagedPixels, NotASlide, SlideFile, open_slide
from slides.display import as_seen
from training.errors import BrokenSource

Rgb = npt.NDArray[np.uint8]
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".jp2", ".tif", ".tiff")
SLIDES = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".tif", ".tiff", ".dcm")


class Pixels:
    """An opened image, as people see it in the demo's viewer.

    Parameters
    ----------
    slide : SlideFile
        Opened.
    """

    def __init__(self, slide: SlideFile) -> None:
        self._slide = slide
        self.width, self.height, self.mpp = slide.width, slide.height, slide.microns_per_pixel

    def read(self, window: Window, side_px: int) -> Rgb:
        """Read the region of a window, reduced where the window is larger than `side_px`, never enlarged.

        Raises
        ------
        BrokenSource
            Some of it is damaged; other windows may not be.
        """
        region = window.region
        try:
            box = Box(region.left, region.top, region.width, region.height)
            return as_seen(self._slide, box, _reduced_size(window, side_px))
        except DamagedPixels as error:
            raise BrokenSource(str(error).removesuffix(".")) from error


def reduced(rgb: Rgb, window: Window, side_px: int) -> Rgb:
    """Bring the pixels of a window's region to the size that they have in the reduced window."""
    size = _reduced_size(window, side_px)
    if size[0] >= rgb.shape[1] and size[1] >= rgb.shape[0]:
        return np.ascontiguousarray(rgb)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _reduced_size(window: Window, side_px: int) -> tuple[int, int]:
    scale = min(1.0, side_px / window.side_px0)
    return max(1, ceil(window.region.width * scale)), max(1, ceil(window.region.height * scale))


def open_pixels(file: Path, *, turned: bool = True) -> Pixels:
    """Open an image or a whole-slide file; what it holds decides how, not its name.

    Parameters
    ----------
    turned : bool
        Turn pictures upright that say how they lie; else they stay as they are stored.

    Raises
    ------
    BrokenSource
        No reader understands it.
    """
    try:
        return Pixels(open_slide(file, turned=turned))
    except FileNotFoundError as error:
        raise BrokenSource(f"{file} is missing") from error
    except (NotASlide, OSError) as error:
        reason = str(error).removesuffix(".")
        raise BrokenSource(f"{file} cannot be read as an image or a slide: {reason}") from error
