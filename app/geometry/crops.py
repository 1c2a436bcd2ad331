"""Crops of annotations: where the pixels lie that Cytomine's Core cut out around an annotation.

Core says nothing of the place. It asks PIMS for the square of twice the longer side of the envelope; PIMS gives twice
the envelope's own sides, and the square for drawings only. It turns the platform's y by ``height - 0.5 - y``, moves
the box inside the slide, cuts what a narrow slide does not have, and makes it whole pixels: corners rounded down, sizes
up. Source: PIMS' ``get_annotation_region``, ``Region.discretize``.
"""

from __future__ import annotations

from math import floor

from app.geometry.frames import Roi
from app.geometry.windows import CONTEXT_FACTOR, Region, Window

_HALF_PIXEL = 0.5
"""PIMS' y lies half a pixel higher than the slide frame's."""


def crop_region(roi: Roi, crop_width: int, crop_height: int, slide_width: int, slide_height: int) -> Region:
    """Find the part of the slide that a crop shows.

    Core may have simplified the annotation before it asked, so the crop's own size counts, not the one computed here.

    Parameters
    ----------
    roi : Roi
        The annotation's whole envelope, slide frame; it may reach past the slide.
    crop_width, crop_height : int
        Of the image that came, full resolution.
    slide_width, slide_height : int
        Level-0 pixels.

    Returns
    -------
    Region
        Of the crop's size, inside the slide.
    """
    middle_y = (roi.y_min + roi.y_max) / 2 - _HALF_PIXEL
    across, up, square = (
        CONTEXT_FACTOR * side for side in (roi.x_max - roi.x_min, roi.y_max - roi.y_min, roi.longer_side)
    )
    left = _start((roi.x_min + roi.x_max) / 2, (across, square), crop_width, slide_width)
    return Region(left, _start(middle_y, (up, square), crop_height, slide_height), crop_width, crop_height)


def _start(middle: float, wanted: tuple[float, ...], side: int, limit: int) -> int:
    """Place one axis: by the exact extent that is the crop's to rounding, else by the crop's own."""
    exact = (each for each in wanted if 0 <= side - min(each, limit) < 1)
    extent = min(next(exact, float(side)), limit)
    start = min(max(middle - extent / 2, 0.0), limit - extent)
    return max(0, min(floor(start), limit - side))


def window_of_crop(region: Region, roi: Roi) -> Window:
    """Give the square around a crop that is not one, because the slide is narrower than it.

    Parameters
    ----------
    region : Region
        Of the crop.
    roi : Roi
        Slide frame, inside the slide; the square is centred on it as far as it covers the crop.
    """
    side = max(region.width, region.height)

    def place(low: float, high: float, start: int, extent: int) -> int:
        return min(max(round((low + high - side) / 2), start + extent - side), start)

    x0 = place(roi.x_min, roi.x_max, region.left, region.width)
    y0 = place(roi.y_min, roi.y_max, region.top, region.height)
    return Window(x0, y0, side, region)
