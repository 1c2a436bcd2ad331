"""Pictures without a pyramid, as Pillow reads them: held in memory as a whole, each when first asked for."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from slides.colours import from_lab, on_white
from slides.errors import NotASlide
from slides.kept import Kept
from slides.slide import SlideFile
from slides.source import Box, Piece, Pixels, Plane, Source, filled
from slides.turned import UPRIGHT, Turned, swaps
from slides.wide import ends_of, stretch_of

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "JPEG2000", "GIF", "PPM", "TIFF")
"""Not those whose decoders start other programs."""
_MOST_PIXELS = 89_000_000
_PICTURES: Kept[Pixels] = Kept(288 * 1024**2)
_ORIENTATION = 0x0112
_READING = (
    OSError, ValueError, SyntaxError, EOFError, MemoryError, KeyError, IndexError, TypeError, OverflowError,
    ArithmeticError, RuntimeError, Warning, cv2.error, Image.DecompressionBombError,
)  # fmt: skip
"""What decoders raise on damaged files; warnings, where these are errors."""


def open_plain(path: Path, *, turned: bool = True) -> SlideFile:
    """Open a picture.

    Raises
    ------
    NotASlide
        It is none, or too large to be held in memory.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            (width, height), mode = image.size, image.mode
            orientation = _orientation(image) if turned else UPRIGHT
            deep_rgb = _is_deep_png(path, image)
            kind = _kind(mode, image)
    except (UnidentifiedImageError, *_READING) as error:
        raise NotASlide(f"{path.name} is not a slide that OpenSlide, tifffile or Pillow can read.") from error
    if width * height > _MOST_PIXELS:
        raise NotASlide(f"{path.name} has {width} x {height} pixels and no tiles; convert it to a pyramidal TIFF.")
    if kind is None:
        raise NotASlide(f"{path.name} has pixels of an unsupported kind: {mode}.")
    samples, bits = kind
    bits = 16 if deep_rgb else bits
    picture = _Picture(path, (width, height), samples, bits)
    source: Source = picture if orientation == UPRIGHT else Turned(picture, orientation, ((width, height),))
    stretch = picture.told() if mode in {"F", "I"} else None
    if swaps(orientation):
        width, height = height, width
    return SlideFile(
        width, height, ((width, height),), None, None, bits, samples, source, stretch=stretch, name=path.name
    )


def _orientation(image: Image.Image) -> int:
    """Read how a picture lies; what a PNG says only behind its pixels, does not count."""
    if image.format == "PNG" and "exif" not in image.info:
        return UPRIGHT
    told = image.getexif().get(_ORIENTATION, UPRIGHT)
    return int(told) if told in range(2, 9) else UPRIGHT


def _kind(mode: str, image: Image.Image) -> tuple[int, int] | None:
    """Give samples and bits of what a mode becomes."""
    if mode in {"1", "L", "LA", "La"}:
        return (3 if "transparency" in image.info else 1), 8
    if mode.startswith("I;16") or mode in {"I", "F"}:
        return 1, 16
    return (3, 8) if mode in {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB"} else None


def _is_deep_png(path: Path, image: Image.Image) -> bool:
    """Whether a PNG has colours of 16 bits, of which Pillow gives 8."""
    if image.format != "PNG" or not image.mode.startswith("RGB"):
        return False
    with path.open("rb") as stream:
        return stream.read(25)[24:25] == b"\x10"


class _Picture:
    """One decoded picture, as it is stored; forgotten under the need of others, and decoded again."""

    def __init__(self, path: Path, size: tuple[int, int], samples: int, bits: int) -> None:
        self._path, self._size, self._samples, self._bits = path, size, samples, bits
        self._lock = threading.Lock()

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Piece:
        with self._lock:
            pixels = _PICTURES.get(self)
            if pixels is None:
                try:
                    pixels = self._decoded()
                except _READING:
                    shape = (height, width, 3) if self._samples == 3 else (height, width)
                    empty = np.empty(shape, np.uint8 if self._bits == 8 else np.uint16)
                    return filled(empty, (x, y), (Box(x, y, width, height),))
                _PICTURES.put(self, pixels, pixels.nbytes)
        return Piece(pixels[y : y + height, x : x + width])

    def grain(self, level: int) -> tuple[int, int]:
        return self._size[0], 1

    def told(self) -> str | None:
        """Say how values were stretched; None where they cannot be read."""
        try:
            with Image.open(self._path, formats=_FORMATS) as image:
                return stretch_of([ends_of(np.asarray(image))]).told
        except _READING:
            return None

    def _decoded(self) -> Pixels:
        if self._samples == 3 and self._bits == 16:
            raw = np.asarray(cv2.imdecode(np.fromfile(self._path, np.uint8), cv2.IMREAD_UNCHANGED), np.uint16)
            deep = raw[..., [2, 1, 0, *range(3, raw.shape[2])]]  # OpenCV keeps blue first
            return self._checked(on_white(deep) if deep.shape[2] == 4 else deep)
        with Image.open(self._path, formats=_FORMATS) as image:
            return self._checked(_seen(image, self._samples))

    def _checked(self, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> Pixels:
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            raise ValueError("the image does not have the size that it states")
        return pixels


def _seen(image: Image.Image, samples: int) -> Pixels:
    """Give a picture's pixels: gray, or RGB on white."""
    if image.mode == "F" or image.mode == "I":
        values = np.asarray(image)
        return stretch_of([ends_of(values)]).applied(values)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "LAB":
        return from_lab(np.asarray(image), signed=True)
    if image.mode in {"LA", "La"} or "transparency" in image.info or image.mode in {"RGBA", "RGBa", "PA"}:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(ground, image)
    return np.asarray(image.convert("RGB" if samples == 3 else "L"))
