"""Reads a planned window: asks for its pixels, decodes them, and pads a slide that is narrower than the window."""

from __future__ import annotations

from math import ceil
from typing import Protocol

import cv2
import numpy as np

from app.geometry.windows import Region, Window, WindowGrid, WindowImage
from app.imagery.decode import RgbArray, decode_rgb
from app.usecases.ports import Claim, Plane, Slide

_THIN = 2.0
"""Rounding to at least one pixel makes the pixels of one axis at most so many times those of the other."""


class PixelSource(Protocol):
    """Where encoded pixels come from."""

    def region(self, slide: Slide, plane: Plane, region: Region, length_px: int) -> bytes:
        """Fetch a region inside the slide, its longer side reduced to `length_px`."""
        ...


class SlideWindowReader:
    """Windows of slides as RGB squares.

    Parameters
    ----------
    source : PixelSource
        Gives encoded images.
    """

    def __init__(self, source: PixelSource) -> None:
        self._source = source

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        """Read a window.

        Parameters
        ----------
        window : Window
            Slide frame, level-0 pixels.
        side_px : int
            The array's side is at most about this; never more pixels are read than the slide has.
        claim : Claim
            Who waits, and how long, until there is memory to decode the image.

        Returns
        -------
        WindowImage
            (n, n, 3); what lies past the slide repeats the slide's last pixels.

        Raises
        ------
        PlatformError
            The source fails, or its image is broken or of another size.
        ModelBusy, CallerGone
            There was no memory in time.
        """
        region = window.region
        scale = min(1.0, side_px / window.side_px0)
        longer = max(region.width, region.height)
        length = max(1, ceil(scale * longer - 1e-9))
        width, height = (max(1, round(side * length / longer)) for side in (region.width, region.height))
        content = self._source.region(slide, plane, region, length)
        return squared(decode_rgb(content, width=width, height=height, claim=claim), window)


def squared(pixels: RgbArray, window: Window) -> WindowImage:
    """Complete the pixels of a window's region to the window's square, by repeating the last ones.

    The paddings are whole pixels, so that the grid of the pixels that were read stays exact. Only a region thinner than
    half a pixel of the other axis is drawn as if it were a whole one wide: in its own measure the square would have as
    many pixels a side as the slide.
    """
    region = window.region
    height, width = pixels.shape[:2]
    dx, dy = region.width / width, region.height / height
    if max(dx, dy) > _THIN * min(dx, dy):
        dx = dy = max(dx, dy)
    left, top = round((region.left - window.x0) / dx), round((region.top - window.y0) / dy)
    side = max(round(window.side_px0 / min(dx, dy)), left + width, top + height)
    squared = cv2.copyMakeBorder(
        pixels, top, side - top - height, left, side - left - width, borderType=cv2.BORDER_REPLICATE
    )
    grid = WindowGrid(region.left - left * dx, region.top - top * dy, dx, dy)
    return WindowImage(np.ascontiguousarray(squared), grid)
