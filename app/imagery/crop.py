"""Reads a window from a crop that the caller sent, in place of the image server."""

from __future__ import annotations

import cv2
import numpy as np

from app.errors import BrokenImage
from app.geometry.crops import crop_region, window_of_crop
from app.geometry.frames import Roi
from app.geometry.windows import Region, Window, WindowImage
from app.imagery.decode import RgbArray, decoded, opened
from app.imagery.reader import squared
from app.usecases.ports import Claim, Plane, Slide


class CropWindowReader:
    """The window around an annotation, cut out by Core already. Only what the model can see of it is kept.

    Parameters
    ----------
    content : bytes
        The crop as an encoded image, full resolution.
    envelope : Roi
        The annotation's whole box, slide frame.
    slide : Slide
        Its size counts.
    side_px : int
        The array's side is at most about this.
    claim : Claim
        Who waits, and how long, until there is memory to decode the crop.

    Raises
    ------
    BrokenImage
        It is no image, or larger than the slide.
    ModelBusy, CallerGone
        There was no memory in time.
    """

    def __init__(self, content: bytes, envelope: Roi, slide: Slide, side_px: int, claim: Claim = Claim()) -> None:
        with opened(content) as image:
            width, height = image.size
            if width > slide.width or height > slide.height:
                raise BrokenImage(
                    f"The crop, {width} x {height} pixels, is larger than its slide, {slide.width} x {slide.height}."
                )
            region = crop_region(envelope, width, height, slide.width, slide.height)
            self._window = window_of_crop(region, envelope.clipped(slide.width, slide.height))
            with decoded(image, claim) as pixels:
                self._image = squared(_reduced(pixels, self._size(region, side_px)), self._window)

    def plan(self, roi: Roi, slide_width: int, slide_height: int) -> Window:
        """Give the crop's window: where it lies is Core's choice, whatever the box."""
        return self._window

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        """Give the window that `plan` gave."""
        assert window == self._window  # noqa: S101  there is no other
        return self._image

    def _size(self, region: Region, side_px: int) -> tuple[int, int]:
        scale = min(1.0, side_px / self._window.side_px0)
        return max(1, round(region.width * scale)), max(1, round(region.height * scale))


def _reduced(pixels: RgbArray, size: tuple[int, int]) -> RgbArray:
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
