"""Reads a window from a crop that the caller sent, in place of the image server."""

from __future__ import annotations

import cv2
import numpy as np

from app.errors import BrokenImage
from app.geometry.crops import crop_region, window_of_crop
from app.geometry.frames import Roi
from app.geometry.windows import Window, WindowImage
from app.imagery.decode import RgbArray, read_rgb
from app.imagery.reader import squared
from app.usecases.ports import Plane, Slide


class CropWindowReader:
    """The window around an annotation, cut out by Core already.

    Parameters
    ----------
    content : bytes
        The crop as an encoded image, full resolution.
    envelope : Roi
        The annotation's whole box, slide frame.
    slide : Slide
        Its size counts.

    Raises
    ------
    BrokenImage
        It is no image, or larger than the slide.
    """

    def __init__(self, content: bytes, envelope: Roi, slide: Slide) -> None:
        self._pixels = read_rgb(content)
        height, width = self._pixels.shape[:2]
        if width > slide.width or height > slide.height:
            raise BrokenImage(
                f"The crop, {width} x {height} pixels, is larger than its slide, {slide.width} x {slide.height}."
            )
        region = crop_region(envelope, width, height, slide.width, slide.height)
        self._window = window_of_crop(region, envelope.clipped(slide.width, slide.height))

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int) -> WindowImage:
        """Give the crop as a square of at most about `side_px`; where it lies is Core's choice, not `window`'s."""
        region = self._window.region
        scale = min(1.0, side_px / self._window.side_px0)
        size = (max(1, round(region.width * scale)), max(1, round(region.height * scale)))
        return squared(_reduced(self._pixels, size), self._window)


def _reduced(pixels: RgbArray, size: tuple[int, int]) -> RgbArray:
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
