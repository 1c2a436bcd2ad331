"""What people see of a slide: its channels in their contrast and colours, at most 8 or 16 bits deep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slides.errors import DamagedPixels
from slides.kept import Kept
from slides.slide import Colour, Seen, SlideFile
from slides.source import Box, Pixels

_BOUNDS_LENGTH_PX = 1024
"""Lowest and highest values are those of the slide reduced to this length."""
_PRIMARIES: tuple[Colour, ...] = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
"""Of two or three channels whose file names no colours."""
_BOUNDS: Kept[tuple[int, int]] = Kept(4096)
"""Counted, not weighed."""
Layer = npt.NDArray[Any]
"""(h, w): one channel."""
Bounds = tuple[int, int]
"""The value that becomes black and the one that becomes white."""


@dataclass(frozen=True, slots=True)
class View:
    """What of a slide is shown."""

    channels: tuple[int, ...]
    """A sample counts as a channel: RGB has three."""
    z: int
    t: int
    bounds: tuple[Bounds, ...]
    """Of each channel."""


def usual_view(slide: SlideFile) -> View:
    """Give what is shown of a slide where nobody says more: every channel of the middle plane.

    Slides of more than 8 bits are shown from their lowest to their highest value, channel by channel.
    """
    channels = tuple(range(slide.planes[0] * slide.samples))
    z, t = middle_plane(slide)
    full = (0, 2**slide.bits - 1)
    bounds = tuple(full if slide.bits <= 8 else extremes(slide, channel) for channel in channels)
    return View(channels, z, t, bounds)


def middle_plane(slide: SlideFile) -> tuple[int, int]:
    """Give depth and time of the plane in the middle, as Core counts it: all times of a depth, then the next."""
    _, depth, duration = slide.planes
    return divmod(depth * duration // 2, duration)


def as_seen(slide: SlideFile, region: Box, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Read a region as people see it where nobody says more.

    Parameters
    ----------
    region : Box
        Level-0 pixels, inside the slide.
    size : (int, int)
        Width and height wanted.

    Returns
    -------
    (size[1], size[0], 3) uint8
        RGB, also of gray slides.

    Raises
    ------
    DamagedPixels
        Not all of it can be read.
    """
    seen = shown(slide, usual_view(slide), region, size, bits=8)
    if seen.damaged:
        raise DamagedPixels(slide.name, seen.damaged)
    pixels = np.asarray(seen.pixels, np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def shown(slide: SlideFile, view: View, region: Box, size: tuple[int, int], *, bits: int) -> Seen:
    """Read a region, at most `bits` deep, with each channel in its contrast and colour.

    Returns
    -------
    Seen
        (size[1], size[0]) or (size[1], size[0], 3) uint8 or uint16: gray for one channel that has no colour of its own.
    """
    bits = min(bits, slide.bits)
    box = (region.left, region.top, region.width, region.height)
    wanted = dict.fromkeys(channel // slide.samples for channel in view.channels)
    seen = {concrete: slide.look(*box, size, (concrete, view.z, view.t)) for concrete in wanted}
    layers = [
        _contrasted(_sample(seen[channel // slide.samples].pixels, channel % slide.samples), bounds, slide.bits, bits)
        for channel, bounds in zip(view.channels, view.bounds, strict=True)
    ]
    damaged = tuple(dict.fromkeys(box for each in seen.values() for box in each.damaged))
    return Seen(_together(slide, layers, view.channels, bits), damaged)


def extremes(slide: SlideFile, channel: int, z: int | None = None, t: int | None = None) -> Bounds:
    """Give a channel's lowest and highest value, over one depth and time or all of them; damage does not count."""
    key = (slide.serial, channel, z, t)
    found = _BOUNDS.get(key)
    if found is None:
        found = _extremes(slide, channel, z, t)
        _BOUNDS.put(key, found, 1)
    return found


def _extremes(slide: SlideFile, channel: int, z: int | None, t: int | None) -> Bounds:
    ratio = min(1.0, _BOUNDS_LENGTH_PX / max(slide.width, slide.height))
    size = (max(1, round(slide.width * ratio)), max(1, round(slide.height * ratio)))
    concrete, sample = divmod(channel, slide.samples)
    low, high = 2**slide.bits - 1, 0
    for depth in range(slide.planes[1]) if z is None else (z,):
        for time in range(slide.planes[2]) if t is None else (t,):
            seen = slide.look(0, 0, slide.width, slide.height, size, (concrete, depth, time))
            values = _sample(seen.pixels, sample)[_readable(seen, (slide.width, slide.height), size)]
            if values.size:
                low, high = min(low, int(values.min())), max(high, int(values.max()))
    return (low, high) if low <= high else (0, 2**slide.bits - 1)


def _readable(seen: Seen, full: tuple[int, int], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Tell which pixels of a reduced slide come from no damaged ones."""
    readable = np.ones((size[1], size[0]), np.bool_)
    sx, sy = size[0] / full[0], size[1] / full[1]
    for box in seen.damaged:
        rows = slice(max(int(box.top * sy) - 1, 0), int(np.ceil(box.bottom * sy)) + 1)
        columns = slice(max(int(box.left * sx) - 1, 0), int(np.ceil(box.right * sx)) + 1)
        readable[rows, columns] = False
    return readable


def _sample(pixels: Pixels, sample: int) -> Layer:
    return pixels[..., sample] if pixels.ndim == 3 else pixels


def _contrasted(layer: Layer, bounds: Bounds, bits: int, to_bits: int) -> Layer:
    """Map the lower bound to black and what lies just below the upper one to white, linearly."""
    low, high = bounds
    if bits == to_bits and (low, high) == (0, 2**bits - 1):
        return layer
    table = np.zeros(2**bits)
    if high > low:
        table[low:high] = np.linspace(0, 1, num=high - low)
    table[high:] = 1
    return np.asarray(np.rint(table * (2**to_bits - 1)).astype(np.uint8 if to_bits <= 8 else np.uint16)[layer])


def _together(slide: SlideFile, layers: Sequence[Layer], channels: Sequence[int], bits: int) -> Pixels:
    """Put channels together: each in its colour where it has one, else added up."""
    if slide.samples == 3:
        return _coloured(layers, [_PRIMARIES[channel % 3] for channel in channels], bits)
    if len(layers) == 1:
        return layers[0]
    colours = slide.colours or (_PRIMARIES if slide.planes[0] <= len(_PRIMARIES) else ())
    if colours:
        return _coloured(layers, [colours[channel] for channel in channels], bits)
    return _typed(np.asarray(np.sum(layers, axis=0, dtype=np.int64)), bits)


def _coloured(layers: Sequence[Layer], colours: Sequence[Colour], bits: int) -> Pixels:
    """Add layers up, each in its colour."""
    if list(colours) == list(_PRIMARIES):
        return np.dstack(layers)
    total = np.zeros((*layers[0].shape, 3), np.int64)
    for layer, colour in zip(layers, colours, strict=True):
        for sample, share in enumerate(colour):
            if share:
                total[..., sample] += np.asarray(layer, np.int64) * share // 255
    return _typed(total, bits)


def _typed(values: Layer, bits: int) -> Pixels:
    clipped = np.clip(values, 0, 2**bits - 1)
    return clipped.astype(np.uint8) if bits <= 8 else clipped.astype(np.uint16)
