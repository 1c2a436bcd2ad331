"""Reads slide files: OpenSlide where it knows the format, else a TIFF or image library.

All coordinates are level-0 pixels, origin top-left, y down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import openslide
import tifffile
from PIL import Image, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(h, w, 3) RGB or (h, w) gray."""
Plane = tuple[int, int, int]
"""Channel, depth and time."""

_MOST_PLAIN_PIXELS = 400_000_000
"""A file without a pyramid is held in memory as a whole; larger ones need one."""


class NotASlide(ValueError):
    """The file is none that a reader here understands."""


@dataclass(frozen=True, slots=True)
class SlideFile:
    """What a slide file says of itself, and its pixels."""

    width: int
    height: int
    levels: tuple[tuple[int, int], ...]
    """Width and height of each, level 0 first."""
    microns_per_pixel: float | None
    magnification: int | None
    bits: int
    """Per sample: 8 or 16."""
    samples: int
    """3 (RGB) or 1 (gray)."""
    pixels: _Source
    planes: Plane = (1, 1, 1)
    """How many channels (samples of RGB are none), depths and times."""

    def read(
        self, left: int, top: int, width: int, height: int, size: tuple[int, int], plane: Plane = (0, 0, 0)
    ) -> Pixels:
        """Read a region, resampled to a size, from the smallest level that has all the detail asked for.

        Parameters
        ----------
        left, top, width, height : int
            Level-0 pixels, inside the slide.
        size : (int, int)
            Width and height wanted.
        plane : (int, int, int)
            Channel, depth and time.

        Returns
        -------
        (size[1], size[0], 3) uint8 or (size[1], size[0]) uint8 or uint16
        """
        level = self._level_for(width / size[0], height / size[1])
        sx, sy = self.levels[level][0] / self.width, self.levels[level][1] / self.height
        x0, y0 = int(left * sx), int(top * sy)
        x1 = min(max(int(np.ceil((left + width) * sx)), x0 + 1), self.levels[level][0])
        y1 = min(max(int(np.ceil((top + height) * sy)), y0 + 1), self.levels[level][1])
        found = self.pixels.region(level, x0, y0, x1 - x0, y1 - y0, plane)
        if (x0, y0, x1 - x0, y1 - y0) == (left, top, *size):
            return found
        return _resampled(found, (left * sx - x0, top * sy - y0), (width * sx, height * sy), size)

    def _level_for(self, down_x: float, down_y: float) -> int:
        wanted = min(down_x, down_y) * 1.01
        fit = [number for number, (width, _) in enumerate(self.levels) if self.width / width <= max(wanted, 1.01)]
        return fit[-1]


class _Source(Protocol):
    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Pixels:
        """Read whole pixels of a level of a plane, in the level's own pixels."""
        ...


class _OpenSlidePixels:
    """OpenSlide's pixels: transparent background becomes white."""

    def __init__(self, slide: openslide.OpenSlide) -> None:
        self._slide = slide

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Pixels:
        full, own = self._slide.dimensions, self._slide.level_dimensions[level]
        # OpenSlide takes the corner in level-0 pixels, rounded towards zero on the way back: aim at the pixel's middle.
        corner = (int(np.ceil(x * full[0] / own[0])), int(np.ceil(y * full[1] / own[1])))
        image = self._slide.read_region(corner, level, (width, height))
        ground = Image.new("RGB", image.size, (255, 255, 255))
        ground.paste(image, mask=image.getchannel("A"))
        return np.asarray(ground)


class _ArrayPixels:
    """Planes that are in memory as a whole, each read when first asked for."""

    def __init__(self, load: Callable[[Plane], Pixels]) -> None:
        self._load, self._lock = load, threading.Lock()
        self._arrays: dict[Plane, Pixels] = {}

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Pixels:
        with self._lock:
            if plane not in self._arrays:
                self._arrays[plane] = self._load(plane)
        return self._arrays[plane][y : y + height, x : x + width]


@lru_cache(maxsize=16)
def open_slide(path: Path) -> SlideFile:
    """Open a slide file, or give the handle that is open already. Handles may be shared between threads.

    Raises
    ------
    NotASlide
        No reader understands it, or it is a huge plane without a pyramid.
    FileNotFoundError
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    if openslide.OpenSlide.detect_format(str(path)):
        try:
            return _with_openslide(path)
        except openslide.OpenSlideError as error:
            raise NotASlide(f"{path.name} is damaged: {error}") from error
    try:
        return _with_tifffile(path)
    except tifffile.TiffFileError:
        return _with_pillow(path)


def _with_openslide(path: Path) -> SlideFile:
    slide = openslide.OpenSlide(str(path))
    told = slide.properties
    microns, power = told.get("openslide.mpp-x"), told.get("openslide.objective-power")
    return SlideFile(
        *slide.dimensions,
        levels=tuple(slide.level_dimensions),
        microns_per_pixel=float(microns) if microns else None,
        magnification=round(float(power)) if power else None,
        bits=8,
        samples=3,
        pixels=_OpenSlidePixels(slide),
    )


def _with_tifffile(path: Path) -> SlideFile:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        microns = _ome_microns(file.ome_metadata)
        axes, shape = series.axes, series.shape
    height, width = (shape[axes.index(axis)] for axis in "YX")
    _check_plain(path, width, height)
    rgb = "S" in axes and shape[axes.index("S")] >= 3
    wide = series.dtype.itemsize > 1

    planes = _counts(axes, shape)

    def load(wanted: Plane) -> Pixels:
        """Take a plane, and the first of every axis that is none of channels, depths and times."""
        whole = np.asarray(tifffile.imread(path, series=0))
        places = dict(zip("CZT", wanted, strict=True))
        index = tuple(slice(None) if axis in "YXS" else places.get(axis, 0) for axis in axes)
        plane = whole[index]
        kept = "".join(axis for axis in axes if axis in "YXS")
        plane = np.transpose(plane, [kept.index(axis) for axis in "YXS" if axis in kept])
        plane = plane[..., :3] if rgb else plane.reshape(height, width, -1)[..., 0]
        return np.ascontiguousarray(plane.astype(np.uint16 if wide else np.uint8))

    bits, samples = 16 if wide else 8, 3 if rgb else 1
    return SlideFile(width, height, ((width, height),), microns, None, bits, samples, _ArrayPixels(load), planes)


def _counts(axes: str, shape: tuple[int, ...]) -> Plane:
    """Count channels, depths and times."""
    channels, depth, duration = (shape[axes.index(axis)] if axis in axes else 1 for axis in "CZT")
    return channels, depth, duration


def _with_pillow(path: Path) -> SlideFile:
    try:
        with Image.open(path) as image:
            width, height = image.size
            gray = image.mode in {"L", "1"}
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise NotASlide(f"{path.name} is no slide that OpenSlide, tifffile or Pillow can read.") from error
    _check_plain(path, width, height)

    def load(plane: Plane) -> Pixels:
        with Image.open(path) as image:
            return np.asarray(image.convert("L" if gray else "RGB"))

    return SlideFile(width, height, ((width, height),), None, None, 8, 1 if gray else 3, _ArrayPixels(load))


def _check_plain(path: Path, width: int, height: int) -> None:
    if width * height > _MOST_PLAIN_PIXELS:
        raise NotASlide(f"{path.name} has {width} x {height} pixels and no pyramid; convert it to a pyramidal TIFF.")


def _ome_microns(ome: str | None) -> float | None:
    """Find PhysicalSizeX of the first image, where it is in micrometres (the default unit)."""
    if not ome:
        return None
    pixels = tifffile.xml2dict(ome)["OME"]["Image"]
    first = (pixels[0] if isinstance(pixels, list) else pixels)["Pixels"]
    if first.get("PhysicalSizeXUnit", "µm") != "µm" or "PhysicalSizeX" not in first:
        return None
    return float(first["PhysicalSizeX"])


def _resampled(
    pixels: Pixels, offset: tuple[float, float], extent: tuple[float, float], size: tuple[int, int]
) -> Pixels:
    """Resample a box of an array, given in continuous pixels, to a size."""
    step = (extent[0] / size[0], extent[1] / size[1])
    if max(step) > 1:  # reduce by areas first, so that nothing aliases
        shape = (
            max(1, round(pixels.shape[1] / max(step[0], 1))),
            max(1, round(pixels.shape[0] / max(step[1], 1))),
        )
        ratio = (shape[0] / pixels.shape[1], shape[1] / pixels.shape[0])
        pixels = np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA))  # type: ignore[assignment]
        offset = (offset[0] * ratio[0], offset[1] * ratio[1])
        step = (step[0] * ratio[0], step[1] * ratio[1])
    affine = np.array([[step[0], 0, offset[0] + 0.5 * step[0] - 0.5], [0, step[1], offset[1] + 0.5 * step[1] - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    found = cv2.warpAffine(np.ascontiguousarray(pixels), affine, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found)  # type: ignore[return-value]
