"""What the stored samples of a TIFF page mean, and how they become gray or RGB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from slides.colours import from_cmyk, from_lab, from_palette, from_ycbcr, on_white
from slides.errors import NotASlide
from slides.source import Pixels

_JPEG = frozenset({6, 7, 34892, 33007})
"""Whose decoder gives RGB for Y'CbCr."""
_REC_601 = (0.299, 0.587, 0.114)
_ASSOCIATED, _UNASSOCIATED = 1, 2
_WIDE = frozenset("ifc")

Convert = Callable[[npt.NDArray[Any]], Pixels]


@dataclass(frozen=True, slots=True)
class Samples:
    """How a page's samples are seen."""

    samples: int
    """3 (RGB) or 1 (gray)."""
    bits: int
    """8 or 16."""
    convert: Convert
    """From (h, w, stored samples) to (h, w, 3) or (h, w); what is `wide` is stretched before."""
    channels: int = 1
    """Where every stored sample is a channel of its own: how many."""
    wide: bool = False
    """Whether values have to be stretched to 16 bits."""


def samples_of(page: tifffile.TiffPage, name: str) -> Samples:
    """Tell how a page's samples are seen.

    Raises
    ------
    NotASlide
        In an unsupported way.
    """
    if page.dtype is None:
        raise NotASlide(f"{name} has values of an unsupported kind.")
    dtype, stored = np.dtype(page.dtype), int(page.samplesperpixel)
    wide = dtype.kind in _WIDE or dtype.itemsize > 2
    if dtype.kind == "c" or dtype.kind not in "buif":
        raise NotASlide(f"{name} has values of an unsupported kind: {dtype}.")
    kind = tifffile.PHOTOMETRIC(page.photometric).name if page.photometric in list(tifffile.PHOTOMETRIC) else "unknown"
    depth = 16 if wide or dtype.itemsize == 2 else 8
    if kind in {"MINISBLACK", "MINISWHITE"}:
        return _gray(page, stored, depth, wide, white=kind == "MINISWHITE")
    if wide and kind == "RGB":
        return Samples(3, 16, lambda raw: _three(raw), wide=True)
    if wide:
        raise NotASlide(f"{name} has colours ({kind}) in unsupported values: {dtype}.")
    return _coloured(page, kind, stored, depth, name)


def _gray(page: tifffile.TiffPage, stored: int, depth: int, wide: bool, *, white: bool) -> Samples:
    bits = int(page.bitspersample) if isinstance(page.bitspersample, int) else depth

    def scaled(raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring fewer than 8 bits to 8, and turn values where the lowest is white."""
        raw = raw if wide else _of_eight_bits(raw, bits)
        return (2 ** min(max(bits, 8), 16) - 1) - raw if white else raw

    opacity = _opacity(page)
    if stored == 2 and opacity is not None:
        return Samples(1, depth, lambda raw: on_white(scaled(raw), associated=opacity == _ASSOCIATED), wide=wide)
    if stored == 3 or (stored == 4 and opacity is not None):
        return Samples(3, depth, lambda raw: _three(scaled(raw)), wide=wide)
    return Samples(1, depth, lambda raw: scaled(raw)[..., 0], channels=stored, wide=wide)


def _coloured(page: tifffile.TiffPage, kind: str, stored: int, depth: int, name: str) -> Samples:
    opacity = _opacity(page)
    bits = min(page.bitspersample) if isinstance(page.bitspersample, tuple) else int(page.bitspersample)
    ways: dict[str, tuple[int, Convert]] = {
        "RGB": (3, lambda raw: _three(_of_eight_bits(raw, bits))),
        "SEPARATED": (4, lambda raw: from_cmyk(raw[..., :4])),
        "CIELAB": (3, lambda raw: from_lab(_eight(raw[..., :3]), signed=True)),
        "ICCLAB": (3, lambda raw: from_lab(_eight(raw[..., :3]), signed=False)),
        "YCBCR": (3, _three if page.compression in _JPEG else _luma(page)),
    }
    if kind == "PALETTE" and page.colormap is not None and page.colormap.ndim == 2:
        colormap = np.asarray(page.colormap)
        return Samples(3, 8, lambda raw: from_palette(raw[..., 0], colormap))
    least, convert = ways.get(kind, (0, _three))
    if least == 0 or stored < least or (bits < 8 and kind != "RGB"):
        raise NotASlide(f"{name} has unsupported colours: {kind} of {stored} samples.")
    if kind == "RGB" and stored == 4 and opacity is not None and bits >= 8:
        convert = _on_white(associated=opacity == _ASSOCIATED)
    return Samples(3, 8 if kind in {"CIELAB", "ICCLAB", "YCBCR"} else depth, convert)


def _opacity(page: tifffile.TiffPage) -> int | None:
    """Give the kind of opacity that the last sample is, or None."""
    last = int(page.extrasamples[-1]) if page.extrasamples else 0
    return last if last in {_ASSOCIATED, _UNASSOCIATED} else None


def _on_white(*, associated: bool) -> Convert:
    return lambda raw: on_white(raw, associated=associated)


def _luma(page: tifffile.TiffPage) -> Convert:
    tag = page.tags.get(529)
    shares = [_REC_601]
    if tag is not None and len(tag.value) == 6 and all(tag.value[1::2]):
        red, green, blue = (top / bottom for top, bottom in zip(tag.value[::2], tag.value[1::2], strict=True))
        shares += [(red, green, blue)] if green > 0 else []
    return lambda raw: from_ycbcr(_eight(raw), shares[-1])


def _of_eight_bits(raw: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    """Bring values of fewer than 8 bits to 8."""
    if raw.dtype == np.bool_:
        return raw.astype(np.uint8) * 255
    return (raw.astype(np.uint16) * 255 // (2**bits - 1)).astype(np.uint8) if bits < 8 else raw


def _three(raw: npt.NDArray[Any]) -> Pixels:
    return raw[..., :3]


def _eight(raw: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return raw if raw.dtype == np.uint8 else (raw >> 8).astype(np.uint8)
