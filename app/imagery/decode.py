"""Encoded images to RGB arrays, whatever the server sent: gray, RGBA, 16 bits; a broken one is refused."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from app.errors import BrokenImage, PlatformUnavailable

RgbArray = npt.NDArray[np.uint8]
MOST_PIXELS = 100_000_000
"""PIMS' own limit is 10,000 pixels a side."""
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I")


def decode_rgb(content: bytes, *, width: int, height: int) -> RgbArray:
    """Decode an image of a known size.

    Parameters
    ----------
    content : bytes
        An encoded image. 16-bit values are scaled by their full range; transparent pixels show white.
    width, height : int
        Expected pixels; the image may be one pixel off, since servers round differently.

    Returns
    -------
    (h, w, 3) uint8
        RGB.

    Raises
    ------
    PlatformUnavailable
        It is no image, broken, or of another size.
    """
    try:
        pixels = read_rgb(content)
    except BrokenImage as error:
        raise PlatformUnavailable(f"The image server sent a broken image: {error.detail}") from error
    found_height, found_width = pixels.shape[:2]
    if abs(found_width - width) > 1 or abs(found_height - height) > 1:
        raise PlatformUnavailable(
            f"The image server sent {found_width} x {found_height} pixels in place of {width} x {height}.",
            received=[found_width, found_height],
            expected=[width, height],
        )
    return pixels


def read_rgb(content: bytes) -> RgbArray:
    """Decode an image of any size; see `decode_rgb`.

    Raises
    ------
    BrokenImage
        It is no image, broken, or of more pixels than a crop may have.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BrokenImage(f"The image has {image.width} x {image.height} pixels.", limit_pixels=MOST_PIXELS)
            image.load()
            return _as_rgb(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise BrokenImage(f"The image cannot be read: {error}.") from error


def _as_rgb(image: Image.Image) -> RgbArray:
    if image.mode in _SIXTEEN_BITS:
        gray = (np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return np.stack([gray] * 3, axis=-1)
    if "A" in image.getbands() or "transparency" in image.info:
        layers = image.convert("RGBA")
        white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layers)
    return np.asarray(image.convert("RGB"))
