"""Cutting: the window of an object, its pixels and its mask in the model frame."""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi
from app.geometry.windows import CONTEXT_FACTOR, MODEL_SIDE_PX, Window, window_at

JPEG_QUALITY = 95
_FRACTION_BITS = 6


def centred_window(roi: Roi, width: int, height: int) -> Window:
    """Give the window around a box in a tile: centred, whatever of it lies past the tile, whose edges are no glass."""
    side = ceil(CONTEXT_FACTOR * roi.longer_side)
    x0, y0 = (floor((low + high - side) / 2) for low, high in ((roi.x_min, roi.x_max), (roi.y_min, roi.y_max)))
    return window_at(x0, y0, side, width, height)


def squared_to_model(pixels: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.uint8]:
    """Place a window's region in the model frame; past the image its last pixels repeat, as in the service.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
        The region, at any scale.

    Returns
    -------
    (1024, 1024, 3) uint8
    """
    region, scale = window.region, MODEL_SIDE_PX / window.side_px0
    dx, dy = region.width * scale / pixels.shape[1], region.height * scale / pixels.shape[0]
    left, top = (region.left - window.x0) * scale, (region.top - window.y0) * scale
    to_model = np.array([[dx, 0, left + 0.5 * dx - 0.5], [0, dy, top + 0.5 * dy - 0.5]])
    size = (MODEL_SIDE_PX, MODEL_SIDE_PX)
    return np.asarray(
        cv2.warpAffine(pixels, to_model, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def painted(outline: BaseGeometry, window: Window) -> npt.NDArray[np.uint8]:
    """Paint an outline into the model frame, (1024, 1024) uint8, 255 inside; holes stay open.

    Pixels that the outline runs through count as inside, which is half a pixel of 1024.
    """
    scale = MODEL_SIDE_PX / window.side_px0
    canvas = np.zeros((MODEL_SIDE_PX, MODEL_SIDE_PX), np.uint8)
    for polygon in getattr(outline, "geoms", [outline]):
        if polygon.geom_type == "Polygon":
            rings = [np.asarray(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors)]
            placed = [(ring - (window.x0, window.y0)) * scale - 0.5 for ring in rings]  # OpenCV counts from centres
            fixed = [np.round(ring * 2**_FRACTION_BITS).astype(np.int32) for ring in placed]
            cv2.fillPoly(canvas, fixed, 255, shift=_FRACTION_BITS)
    return canvas


def jpeg_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Compress (h, w, 3) uint8 RGB."""
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])


def png_of(mask: npt.NDArray[np.uint8]) -> bytes:
    """Compress (h, w) uint8."""
    return bytes(cv2.imencode(".png", mask)[1])
