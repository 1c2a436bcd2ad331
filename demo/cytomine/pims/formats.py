"""Which image format is sent, and its encoding."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from demo.cytomine.pims.answers import Refused, unprocessable

_TYPES = {"webp": "image/webp", "jpg": "image/jpeg", "png": "image/png"}
_ORDER = ("image/webp", "image/jpg", "image/jpeg", "image/png")
_ORDER_PNG_FIRST = ("image/png", "image/webp", "image/jpg", "image/jpeg")


def media_type(extension: str | None, accept: str | None, *, png_first: bool = False) -> str:
    """Choose the format: the path's extension wins, else the server's first that ``Accept`` names.

    Wildcards name nothing, and weights have no effect.
    """
    if extension is not None:
        if extension not in _TYPES:
            raise unprocessable(["extension"], "Input should be '.jpg', '.png' or '.webp'", extension)
        return _TYPES[extension]
    named = {part.split(";")[0].strip().lower() for part in (accept or "").split(",")}
    for kind in _ORDER_PNG_FIRST if png_first else _ORDER:
        if kind in named:
            return kind
    raise Refused(406, "No acceptable response mimetype", "Accept names no supported type.", accept_header="")


def encode(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], media: str) -> bytes:
    """Encode (h, w), (h, w, 3) or (h, w, 4) pixels; only PNG keeps 16 bits and alpha."""
    stream = io.BytesIO()
    if media == "image/png":
        if pixels.dtype == np.uint16 and pixels.ndim == 3:  # Pillow has no colours of 16 bits
            order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
            fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
            return cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(pixels), order), fast)[1].tobytes()
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=1)
        return stream.getvalue()
    eight = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(eight[..., :3] if eight.ndim == 3 else eight))
    if media == "image/webp":
        image.save(stream, "WEBP", quality=85)
    else:
        image.save(stream, "JPEG", quality=85)
    return stream.getvalue()
