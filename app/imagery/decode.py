"""Encoded images to RGB arrays, whatever the server sent: gray, RGBA, 16 bits; a broken one is refused.

A few kilobytes may unfold to gigabytes. So only the formats that Cytomine sends are read, sizes are taken from the
header before anything is unfolded, and what is being unfolded in the whole process at a time has one limit.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.errors import BrokenImage, ModelBusy, PlatformUnavailable
from app.imagery.gate import MemoryGate
from app.usecases.ports import Claim

RgbArray = npt.NDArray[np.uint8]
FORMATS = ("PNG", "JPEG")
"""What PIMS sends; Pillow knows many more, and programs that it would start for some."""
MOST_PIXELS = 100_000_000
"""PIMS' own limit is 10,000 pixels a side."""
MOST_SIDE_PX = 100_000
"""Decoders keep whole rows."""
DECODING = MemoryGate(768 * 2**20)
"""All images that are being decoded, in bytes of pixels."""
Image.MAX_IMAGE_PIXELS = MOST_PIXELS

_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I")
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Bytes of a pixel in Pillow's memory; 4 in all other modes."""
_RGB = 3
_COEFFICIENTS = 8
"""Bytes of a pixel that a progressive JPEG keeps until its last scan."""
_STRIP_PIXELS = 2**20
"""Pixels are turned into RGB so many at a time, so that no second copy of the whole is made."""


def decode_rgb(content: bytes, *, width: int, height: int, claim: Claim = Claim()) -> RgbArray:
    """Decode an image of a known size.

    Parameters
    ----------
    content : bytes
        An encoded image. 16-bit values are scaled by their full range; transparent pixels show white.
    width, height : int
        Expected pixels; the image may be one pixel off, since servers round differently.
    claim : Claim
        Who waits, and how long, until there is memory.

    Returns
    -------
    (h, w, 3) uint8
        RGB.

    Raises
    ------
    PlatformUnavailable
        It is no image, broken, or of another size.
    ModelBusy, CallerGone
        See `decoded`.
    """
    try:
        with opened(content) as image:
            if abs(image.width - width) > 1 or abs(image.height - height) > 1:
                raise PlatformUnavailable(
                    f"The image server sent {image.width} x {image.height} pixels in place of {width} x {height}.",
                    received=[image.width, image.height],
                    expected=[width, height],
                )
            with decoded(image, claim) as pixels:
                return pixels
    except BrokenImage as error:
        raise PlatformUnavailable(f"The image server sent a broken image: {error.detail}") from error


def read_rgb(content: bytes, claim: Claim = Claim()) -> RgbArray:
    """Decode an image of any size; see `opened` and `decoded` for what it raises."""
    with opened(content) as image, decoded(image, claim) as pixels:
        return pixels


@contextmanager
def opened(content: bytes) -> Iterator[Image.Image]:
    """Read the header of an image; nothing is decoded yet.

    Raises
    ------
    BrokenImage
        Its format is not in `FORMATS`, or it is broken.
    """
    with _decoder():
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    with image:
        yield image


@contextmanager
def decoded(image: Image.Image, claim: Claim) -> Iterator[RgbArray]:
    """Decode an image from `opened`; its memory counts until the block ends.

    Yields
    ------
    (h, w, 3) uint8
        RGB; whoever keeps it beyond the block keeps it small.

    Raises
    ------
    BrokenImage
        It has more pixels than can be decoded, or is broken.
    ModelBusy, CallerGone
        So many images are being decoded that there was no memory before the claim's deadline.
    """
    per_pixel = _STORED.get(image.mode, 4) + _RGB + (_COEFFICIENTS if image.info.get("progressive") else 0)
    most = min(MOST_PIXELS, DECODING.most_bytes // per_pixel)
    pixels = image.width * image.height
    if pixels > most or max(image.size) > MOST_SIDE_PX:
        raise BrokenImage(
            f"The image has {image.width} x {image.height} pixels; at most {most} are read, {MOST_SIDE_PX} a side.",
            limit_pixels=most,
        )
    with DECODING.taking(pixels * per_pixel, claim):
        with _decoder():
            image.load()
            rgb = _as_rgb(image)
        yield rgb


@contextmanager
def _decoder() -> Iterator[None]:
    """Translate what decoders raise, and they raise what they like; our own code does not run in here."""
    try:
        yield
    except MemoryError as error:
        raise ModelBusy("There is not enough memory for this image.", retry_after_s=5.0) from error
    except Exception as error:
        raise BrokenImage("The image is broken, or neither PNG nor JPEG.") from error


def _as_rgb(image: Image.Image) -> RgbArray:
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        rgb[top:bottom] = _strip_as_rgb(image.crop((0, top, image.width, bottom)))
    return rgb


def _strip_as_rgb(image: Image.Image) -> RgbArray:
    if image.mode in _SIXTEEN_BITS:
        gray = (np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return np.stack([gray] * 3, axis=-1)
    if "A" in image.getbands() or "transparency" in image.info:
        layers = image.convert("RGBA")
        white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layers)
    return np.asarray(image.convert("RGB"))
