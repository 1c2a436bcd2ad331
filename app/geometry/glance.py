"""A glance at a window's pixels: what they tell whatever the model makes of them.

It is taken once, when the window is encoded, and kept beside the embedding: every later click has it without a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

GLANCE_PX = 64
"""Side of what is kept: 12 KiB, where the smallest embedding takes a hundred times that."""
_NOISE_PX = 1.0
"""Blur that takes away noise and compression, pixels of the glance."""
_FINE_PX, _COARSE_PX = 1.0, 2.5
"""Two blurs, pixels of the window's array: one that takes away little but noise, and one that what is in focus loses
much by. A clean edge keeps 0.4 of the energy of its steps from the one to the other."""
_STILL = 0.02
"""Mean square of the steps between neighbours, grey levels, under which there is nothing to be sharp."""
_LEAST_PX = 3
"""A box is looked at as if it had this side at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """A window, seen from afar."""

    pixels: npt.NDArray[np.uint8]
    """(64, 64, 3) uint8 RGB, the whole window."""
    softness: float
    """0 to 1: how much of the energy of the steps between neighbours a blur leaves. Near 1 nothing is sharp."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a glance tells of a box."""

    contrast: float
    """Grey levels between the darkest and the brightest of it, specks and noise left out; of the strongest colour."""
    sharpness: float
    """How steep its steepest edges are, share of the contrast for each 64th of the window."""
    softness: float
    """Of the whole window; see `Glance`."""


def glance_at(pixels: npt.NDArray[np.uint8]) -> Glance:
    """Look at a window.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
        RGB, window frame.
    """
    small = cv2.resize(pixels, (GLANCE_PX, GLANCE_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (_energy(_blurred(grey, blur_px)) for blur_px in (_FINE_PX, _COARSE_PX))
    softness = coarse / fine if fine > _STILL else 0.0
    return Glance(np.asarray(small, np.uint8), min(softness, 1.0))


def sight_of(glance: Glance, box: npt.NDArray[np.float64]) -> Sight:
    """Tell what a glance shows in a box.

    Parameters
    ----------
    box : (2, 2) float64
        Its corners (x_min, y_min) and (x_max, y_max), shares of the window's side.
    """
    (left, top), (right, bottom) = _whole(box)
    smooth = cv2.GaussianBlur(glance.pixels, (0, 0), _NOISE_PX)[top:bottom, left:right].reshape(-1, 3)
    contrast = float((_percentile(smooth, 98) - _percentile(smooth, 2)).max())
    grey = cv2.cvtColor(glance.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) / 8 for dx in (1, 0))
    steep = float(_percentile(np.hypot(across, down)[top:bottom, left:right].reshape(-1, 1), 95)[0])
    return Sight(contrast, steep / max(contrast, 1.0), glance.softness)


def _percentile(values: npt.NDArray[Any], percent: float) -> npt.NDArray[np.float64]:
    """Give each column's percentile as NumPy does, which takes five times as long for so few."""
    ordered = np.sort(values, axis=0).astype(np.float64)
    at = percent / 100 * (len(ordered) - 1)
    low = int(at)
    return np.asarray(ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low]))


def _blurred(grey: npt.NDArray[np.float32], blur_px: float) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), blur_px), np.float32)


def _energy(grey: npt.NDArray[np.float32]) -> float:
    return float(np.square(np.diff(grey, axis=1)).mean()) if grey.shape[1] > 1 else 0.0


def _whole(box: npt.NDArray[np.float64]) -> npt.NDArray[np.int_]:
    """Give the pixels of a glance that a box touches, some at least, wherever it lies."""
    middle = box.mean(axis=0)
    half = np.maximum(np.ptp(box, axis=0) / 2, _LEAST_PX / 2 / GLANCE_PX)
    corners = np.array([np.floor((middle - half) * GLANCE_PX), np.ceil((middle + half) * GLANCE_PX)])
    low = np.clip(corners[0], 0, GLANCE_PX - _LEAST_PX)
    return np.array([low, np.clip(corners[1], low + _LEAST_PX, GLANCE_PX)]).astype(np.int_)
