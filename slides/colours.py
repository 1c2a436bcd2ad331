"""Colours as they are seen: from transparency, CMYK, L*a*b*, Y'CbCr and palettes to RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from slides.source import Pixels

_D50 = (0.9642, 1.0, 0.8249)
_TO_SRGB = np.array([
    [3.1338561, -1.6168667, -0.4906146],
    [-0.9787684, 1.9161415, 0.0334540],
    [0.0719453, -0.2289914, 1.4052427],
], np.float32)  # fmt: skip
"""From XYZ under D50 to linear sRGB, adapted by Bradford. Source: brucelindbloom.com, RGB/XYZ matrices."""


def on_white(rgba: npt.NDArray[Any], *, associated: bool = False) -> Pixels:
    """Lay the last sample, an opacity, under the others: white shines through.

    Parameters
    ----------
    rgba : (h, w, 2) or (h, w, 4) uint8 or uint16
    associated : bool
        Whether the colours were multiplied with their opacity already.
    """
    white = np.iinfo(rgba.dtype).max
    colour = rgba[..., :-1].astype(np.float32)
    opacity = rgba[..., -1:].astype(np.float32) / white
    laid = (colour if associated else colour * opacity) + white * (1 - opacity)
    found: Pixels = np.rint(np.clip(laid, 0, white)).astype(rgba.dtype)
    return found[..., 0] if found.shape[2] == 1 else found


def from_cmyk(inks: npt.NDArray[Any]) -> Pixels:
    """Take ink from white paper, (h, w, 4) to (h, w, 3), without a profile."""
    white = np.iinfo(inks.dtype).max
    paper = white - inks.astype(np.float32)
    return np.rint(paper[..., :3] * paper[..., 3:4] / white).astype(inks.dtype)


def from_lab(lab: npt.NDArray[Any], *, signed: bool) -> npt.NDArray[np.uint8]:
    """Turn 8-bit L*a*b* under D50 into sRGB.

    Parameters
    ----------
    lab : (h, w, 3) uint8
    signed : bool
        Whether a and b are signed bytes (CIELab), else 128 is their zero (ICCLab).
    """
    lightness = lab[..., 0].astype(np.float32) * (100 / 255)
    a, b = ((each.view(np.int8) if signed else each.astype(np.float32) - 128).astype(np.float32)
            for each in (np.ascontiguousarray(lab[..., 1]), np.ascontiguousarray(lab[..., 2])))  # fmt: skip
    y = (lightness + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], -1)
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * np.array(_D50, np.float32)
    linear = np.clip(xyz @ _TO_SRGB.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)  # type: ignore[no-any-return]


def from_ycbcr(ycc: npt.NDArray[Any], luma: tuple[float, float, float]) -> npt.NDArray[np.uint8]:
    """Turn 8-bit Y'CbCr of full range into RGB.

    Parameters
    ----------
    luma : (float, float, float)
        Shares of red, green and blue in Y'.
    """
    red, green, blue = luma
    y, cb, cr = (ycc[..., each].astype(np.float32) - (128 if each else 0) for each in range(3))
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    g = (y - blue * b - red * r) / green
    return np.rint(np.clip(np.stack([r, g, b], -1), 0, 255)).astype(np.uint8)  # type: ignore[no-any-return]


def from_palette(indices: npt.NDArray[Any], colormap: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Look indices up in a TIFF colour map, (3, n) of 16 bits, of which some writers use 8."""
    table = colormap.T if colormap.max() <= 255 else colormap.T >> 8
    return np.asarray(table.astype(np.uint8)[np.minimum(indices, len(table) - 1)], np.uint8)
