"""From a TIFF file to a slide: which of its pages are levels and planes, and what is said of them."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import tifffile

from slides.errors import NotASlide
from slides.facts import believed
from slides.slide import Colour, SlideFile
from slides.source import Plane, Source
from slides.tiff.ome import Told, read_ome
from slides.tiff.pixels import Order, Tiff
from slides.tiff.samples import Samples, samples_of
from slides.tiff.segments import Bytes, Segments
from slides.turned import UPRIGHT, Turned, swaps

_MOST_PAGES = 20_000
_UNEQUAL = 1.1
"""Of the two sides' downsamples; a smaller picture of other proportions is no level."""
_AS_IT_STANDS: dict[str, Any] = {
    "is_ome": False,
    "is_imagej": False,
    "is_shaped": False,
    "is_lsm": False,
    "is_mmstack": False,
}
"""Page after page, where what is said of their order cannot be understood."""
_PER_UNIT_UM = {2: 25_400.0, 3: 10_000.0}
_RESOLUTION, _UNIT, _ORIENTATION = 282, 296, 274


def open_tiff(path: Path, *, turned: bool = True) -> SlideFile:
    """Open a TIFF file.

    Raises
    ------
    NotASlide
        It is none, damaged, or of a kind that tifffile does not read.
    """
    reason: Exception | None = None
    as_told: dict[str, Any] = {}
    for flags in (as_told, _AS_IT_STANDS):
        try:
            with tifffile.TiffFile(path, **flags) as file:
                return _opened(file, path, turned=turned)
        except NotASlide as error:
            reason = reason or error
        except Exception as error:  # a damaged file makes it raise whatever it likes
            reason = reason or NotASlide(f"{path.name} is not a readable TIFF file: {type(error).__name__}.")
    raise reason or NotASlide(path.name)


def _opened(file: tifffile.TiffFile, path: Path, *, turned: bool) -> SlideFile:
    series = _largest(file, path.name)
    page = series.keyframe
    _check_decodable(page, path.name)
    told, stored = read_ome(file.ome_metadata), Bytes(path)
    samples = samples_of(page, path.name)
    order = _order(series)
    levels = [Segments(stored, each.keyframe, _pages(each, order), path.name) for each in _levels(series)]
    stacked = samples.samples == 1 and samples.channels == 1 and order.count("C") == 3 and told.is_rgb
    tiff = Tiff(levels, samples, order, stacked=stacked)
    source: Source = tiff
    sizes = tuple((each.width, each.height) for each in levels)
    tag = page.tags.get(_ORIENTATION)
    orientation = int(tag.value) if turned and tag is not None and tag.value in range(2, 9) else UPRIGHT
    if orientation != UPRIGHT:
        source = Turned(tiff, orientation, sizes)
        sizes = tuple((height, width) for width, height in sizes) if swaps(orientation) else sizes
    planes = _planes(order, samples, stacked=stacked)
    return SlideFile(
        *sizes[0],
        levels=sizes,
        microns_per_pixel=told.microns_per_pixel or _microns(file, page),
        magnification=told.magnification,
        bits=samples.bits,
        samples=3 if stacked else samples.samples,
        pixels=source,
        planes=planes,
        colours=_colours(told, planes[0]),
        stretch=tiff.stretch,
        name=path.name,
    )


def _largest(file: tifffile.TiffFile, name: str) -> Any:
    """Choose the series with the most pixels a plane: others are labels and thumbnails."""
    found = [each for each in file.series if {"Y", "X"} <= set(each.axes) and prod(each.shape) > 0]
    if not found:
        raise NotASlide(f"{name} contains no image.")
    return max(found, key=lambda each: each.keyframe.imagewidth * each.keyframe.imagelength)


def _check_decodable(page: tifffile.TiffPage, name: str) -> None:
    if page.imagedepth != 1:
        raise NotASlide(f"{name} contains volumes, which are not supported.")
    packed = page.compression
    if packed != 1 and packed not in tifffile.TIFF.DECOMPRESSORS:
        raise NotASlide(f"{name} is packed in an unsupported way: {packed}.")
    if page.is_subsampled and packed not in {6, 7, 34892, 33007}:
        raise NotASlide(f"{name} has subsampled colours, which are supported only in JPEG.")


def _order(series: Any) -> Order:
    """Tell how pages are numbered: by all axes that do not belong to a page."""
    axes = tuple((axis, int(size)) for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YXS")
    return Order(axes)


def _pages(level: Any, order: Order) -> list[Any]:
    """List the pages of a level's planes; a stack that follows its only page without a gap has places of its own."""
    pages = list(level.pages)
    if len(pages) > _MOST_PAGES:
        raise NotASlide(f"more than {_MOST_PAGES} pages are too many for a slide.")
    if len(pages) == 1 and order.size > 1:
        return [_Follower(level.keyframe, number) for number in range(order.size)]
    if len(pages) < order.size:
        raise NotASlide("planes are missing.")
    return pages


class _Follower:
    """A plane that lies behind the first one, unpacked, as ImageJ writes large stacks."""

    def __init__(self, page: tifffile.TiffPage, number: int) -> None:
        plane = sum(page.databytecounts)
        self.dataoffsets = [offset + number * plane for offset in page.dataoffsets]
        self.databytecounts = page.databytecounts
        if number and page.compression != 1:
            raise NotASlide("planes are missing.")


def _levels(series: Any) -> list[Any]:
    """Keep of what may be levels those that are smaller copies of the first."""
    first, found = series.keyframe, [series.levels[0]]
    for level in series.levels[1:]:
        page, before = level.keyframe, found[-1].keyframe
        same = (page.dtype, page.samplesperpixel, page.photometric) == (
            first.dtype, first.samplesperpixel, first.photometric,
        )  # fmt: skip
        ratio = (first.imagewidth / page.imagewidth) / (first.imagelength / page.imagelength)
        alike = 1 / _UNEQUAL < ratio < _UNEQUAL or min(page.imagewidth, page.imagelength) < 16
        if same and alike and page.imagewidth < before.imagewidth and page.imagelength < before.imagelength:
            found.append(level)
    return found


def _planes(order: Order, samples: Samples, *, stacked: bool) -> Plane:
    channels = 1 if stacked else order.count("C") * samples.channels
    return channels, order.count("Z"), order.count("T")


def _colours(told: Told, channels: int) -> tuple[Colour, ...]:
    found = tuple(each for each in told.colours if each is not None)
    return found if channels > 1 and len(found) == channels else ()


def _microns(file: tifffile.TiffFile, page: tifffile.TiffPage) -> float | None:
    """Give microns per pixel as ImageJ or the TIFF tags say it."""
    resolution, unit = page.tags.get(_RESOLUTION), page.tags.get(_UNIT)
    if resolution is None:
        return None
    try:
        above, below = resolution.value
        microns = _PER_UNIT_UM.get(int(unit.value) if unit is not None else 2, float("nan"))
        if file.is_imagej and (file.imagej_metadata or {}).get("unit") in {"micron", "µm", "um", "\\u00B5m"}:
            microns = 1.0
        return believed(microns * below / above)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None
