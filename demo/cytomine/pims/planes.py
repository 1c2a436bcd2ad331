"""Which channels, depth and time of a slide are shown, and in which contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from demo.cytomine.pims.answers import Refused, unprocessable
from demo.cytomine.pims.sizes import PixelBox
from demo.slides.reader import Pixels, Plane, SlideFile

_WORDS = ("AUTO_IMAGE", "AUTO_PLANE", "STRETCH_IMAGE", "STRETCH_PLANE")
_AS_DISPLAYED = "AUTO_IMAGE"
_BOUNDS_LENGTH_PX = 1024
"""Lowest and highest values are those of the slide reduced to this length."""
Layer = npt.NDArray[Any]
"""(h, w): one channel."""


@dataclass(frozen=True, slots=True)
class View:
    """What of a slide is shown."""

    channels: tuple[int, ...]
    """A sample counts as a channel: RGB has three."""
    z: int
    t: int
    bounds: tuple[tuple[int, int], ...]
    """Of each channel, the value that becomes black and the one that becomes white."""


def chosen_view(body: Mapping[str, Any], slide: SlideFile, *, displayed: bool = False) -> View:
    """Read a request's planes and intensities.

    Parameters
    ----------
    displayed : bool
        Where nothing is said, stretch the contrast of slides of more than 8 bits, as routes for display do.

    Raises
    ------
    Refused
        400: no such plane, or several where one is needed; 422: something that is no plane or intensity.
    """
    concrete, depth, duration = slide.planes
    count = concrete * slide.samples
    channels = _indexes(body.get("channels"), count, range(count), "channels")
    z = _one(_indexes(body.get("z_slices"), depth, (round(depth / 2),), "z_slices"), "z_slices")
    t = _one(_indexes(body.get("timepoints"), duration, (0,), "timepoints"), "timepoints")
    default = [_AS_DISPLAYED] if displayed else []
    low, high = (_intensities(body, name, default, len(channels)) for name in ("min_intensities", "max_intensities"))
    bounds = tuple(
        (_bound(slide, wanted_low, (channel, z, t), 0), _bound(slide, wanted_high, (channel, z, t), 1))
        for channel, wanted_low, wanted_high in zip(channels, low, high, strict=True)
    )
    return View(tuple(channels), z, t, bounds)


def shown(slide: SlideFile, view: View, region: PixelBox, size: tuple[int, int], *, bits: int) -> Pixels:
    """Read a region, at most `bits` deep, with each channel in its contrast and colour.

    Returns
    -------
    (size[1], size[0]) or (size[1], size[0], 3) uint8 or uint16
        Gray for one channel that has no colour of its own.
    """
    bits = min(bits, slide.bits)
    pixels = {
        concrete: _read(slide, (concrete, view.z, view.t), region, size)
        for concrete in {channel // slide.samples for channel in view.channels}
    }
    layers = [
        _contrasted(_sample(pixels[channel // slide.samples], channel % slide.samples), bounds, slide.bits, bits)
        for channel, bounds in zip(view.channels, view.bounds, strict=True)
    ]
    if slide.samples == 3:
        return _coloured(layers, [channel % 3 for channel in view.channels], bits)
    if len(layers) == 1:
        return _typed(layers[0], bits)
    if len(layers) == 3:
        return _typed(np.dstack(layers), bits)
    return _typed(np.asarray(np.sum(layers, axis=0, dtype=np.int64)), bits)


def _read(slide: SlideFile, plane: Plane, region: PixelBox, size: tuple[int, int]) -> Pixels:
    return slide.read(region.left, region.top, region.width, region.height, size, plane)


def _sample(pixels: Pixels, sample: int) -> Layer:
    return pixels[..., sample] if pixels.ndim == 3 else pixels


def _contrasted(layer: Layer, bounds: tuple[int, int], bits: int, to_bits: int) -> Layer:
    """Map the lower bound to black and what lies just below the upper one to white, linearly."""
    low, high = bounds
    if bits == to_bits and (low, high) == (0, 2**bits - 1):
        return layer
    table = np.zeros(2**bits)
    if high > low:
        table[low:high] = np.linspace(0, 1, num=high - low)
    table[high:] = 1
    return np.asarray(np.rint(table * (2**to_bits - 1)).astype(np.int64)[layer])


def _coloured(layers: Sequence[Layer], samples: list[int], bits: int) -> Pixels:
    """Add channels up, each in its own primary colour."""
    if samples == [0, 1, 2]:
        return _typed(np.dstack(layers), bits)
    total = np.zeros((*layers[0].shape, 3), np.int64)
    for layer, sample in zip(layers, samples, strict=True):
        total[..., sample] += layer
    return _typed(total, bits)


def _typed(values: Layer, bits: int) -> Pixels:
    clipped = np.clip(values, 0, 2**bits - 1)
    return clipped.astype(np.uint8) if bits <= 8 else clipped.astype(np.uint16)


def _indexes(given: Any, count: int, default: Sequence[int], name: str) -> list[int]:
    """Read plane numbers and ranges such as ``1:3``; those that do not exist are passed over."""
    wanted = [] if given is None else given if isinstance(given, list) else [given]
    if not wanted:
        return [min(each, count - 1) for each in default]
    found: set[int] = set()
    for each in wanted:
        if isinstance(each, int) and not isinstance(each, bool):
            found.add(each)
        elif isinstance(each, str):
            found |= set(_range(each, count, name))
        else:
            raise unprocessable([name], "Input should be a valid integer or range", each)
    valid = sorted(each for each in found if 0 <= each < count)
    if not valid:
        raise Refused(400, "Bad Request", f"No valid indexes for {name}")
    return valid


def _range(text: str, count: int, name: str) -> range:
    low, colon, high = (part.strip() for part in text.partition(":"))
    if colon != ":" or any(part and not part.lstrip("-").isdigit() for part in (low, high)):
        raise Refused(400, "Bad Request", f"{text} is not a valid index or range for {name}.")
    first, last = int(low or 0), int(high or count)
    return range(min(first, last), max(first, last))


def _one(indexes: list[int], name: str) -> int:
    if len(indexes) > 1:
        raise Refused(400, "Bad Request", f"A reduction is required for {name}")
    return indexes[0]


def _intensities(body: Mapping[str, Any], name: str, default: list[Any], count: int) -> list[Any]:
    """Read one intensity for all channels, or one for each; None is the lowest or highest that can be."""
    given = body.get(name)
    wanted = default if given is None else given if isinstance(given, list) else [given]
    for each in wanted:
        is_number = isinstance(each, int) and not isinstance(each, bool) and each >= 0
        if not is_number and each not in _WORDS:
            raise unprocessable(
                [name], f"Input should be one of {', '.join(_WORDS)}, or an integer of at least 0", each
            )
    if len(wanted) not in {0, 1, count}:
        raise Refused(400, "Bad Request", f"The parameter {name} has {len(wanted)} elements; 0, 1 or {count} expected.")
    return wanted if len(wanted) == count else (wanted or [None]) * count


def _bound(slide: SlideFile, wanted: Any, plane: tuple[int, int, int], end: int) -> int:
    """Turn an intensity into a value; `end` 0 is the lower bound."""
    largest: int = 2**slide.bits - 1
    if isinstance(wanted, int):
        return min(int(wanted), largest)
    if wanted is None or (wanted.startswith("AUTO") and slide.bits <= 8):
        return largest if end else 0
    low, high = _extremes(slide, plane if str(wanted).endswith("PLANE") else (plane[0], None, None))
    return high if end else low


@lru_cache(maxsize=64)
def _extremes(slide: SlideFile, plane: tuple[int, int | None, int | None]) -> tuple[int, int]:
    """Give a channel's lowest and highest value, over one plane or all of them."""
    channel, z, t = plane
    ratio = min(1.0, _BOUNDS_LENGTH_PX / max(slide.width, slide.height))
    size = (max(1, round(slide.width * ratio)), max(1, round(slide.height * ratio)))
    whole = PixelBox(0, 0, slide.width, slide.height)
    concrete, sample = divmod(channel, slide.samples)
    layers = [
        _sample(_read(slide, (concrete, depth, time), whole, size), sample)
        for depth in (range(slide.planes[1]) if z is None else (z,))
        for time in (range(slide.planes[2]) if t is None else (t,))
    ]
    return min(int(layer.min()) for layer in layers), max(int(layer.max()) for layer in layers)
