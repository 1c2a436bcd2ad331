"""What clicks may do to a decoder's raw values: they are heeded, and a mask grows near them only.

A decoder takes clicks as hints, and may leave out a place that somebody has just called object. Here raw values are
raised or lowered around such a click, by as much as it takes (decision 0083). And whoever adds a place with a click
often gets a margin all around the object: with a checkpoint that tends to, only what is near the click is added
(decision 0084).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.frames import FloatXY
from app.geometry.masks import large_components
from app.geometry.prompts import PointLabel, Prompts

RawValues = npt.NDArray[np.float32]

REACH = 0.06
"""Standard deviation of the change around a click, over the longer side of the box."""
_REACH_WITHOUT_BOX = REACH / 2
"""Over the window's side, which is twice the box'."""
_MARGIN = 1.0
"""Raw value by which a click that was contradicted lies on its side afterwards."""
_PASSES = 4
"""Over all clicks: what helps one may hurt another nearby."""
_BEYOND = 1.5
"""Standard deviation of what a foreground click lets grow, over its distance from the object: what was forgotten goes
on beyond the click."""


@dataclass(frozen=True, slots=True)
class Clicks:
    """What people said of places in a window, in the frame of a decoder's raw values."""

    places: FloatXY
    """(n, 2) float64: x and y, pixels of raw values."""
    sides: tuple[int, ...]
    """1 where the place is object, -1 where it is background."""
    reach: float
    """Standard deviation of the change around a click, pixels of raw values."""

    @classmethod
    def among(cls, prompts: Prompts, shape: tuple[int, int], size: tuple[int, int]) -> Clicks:
        """Take the points of prompts that lie in the window.

        Parameters
        ----------
        prompts : Prompts
            Window frame.
        shape : (rows, columns)
            Of the window's array.
        size : (rows, columns)
            Of the raw values, which cover the same window.
        """
        scale = np.array([size[1] / shape[1], size[0] / shape[0]])
        reach = REACH * float(np.ptp(prompts.box * scale, axis=0).max()) if len(prompts.box) else 0.0
        seen = np.flatnonzero(((prompts.points >= 0) & (prompts.points <= shape[::-1])).all(axis=1))
        sides = tuple(1 if prompts.labels[at] == PointLabel.FOREGROUND else -1 for at in seen)
        return cls(np.asarray(prompts.points[seen] * scale), sides, reach or _REACH_WITHOUT_BOX * max(size))

    def grown(self, logits: RawValues, before: RawValues) -> RawValues:
        """Keep a mask from growing away from foreground clicks; it may shrink anywhere.

        Parameters
        ----------
        logits : (h, w) float32
            With the clicks.
        before : (h, w) float32
            Without any. Where it is empty, everything comes from the clicks and is kept.
        """
        if not (before > 0).any():
            return logits
        beside = 1 - large_components((before > 0).astype(np.uint8)).astype(np.uint8)  # specks are no object
        away = np.asarray(cv2.distanceTransform(beside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
        share = np.zeros_like(logits)
        for place, side in zip(self.places, self.sides, strict=True):
            if side > 0:
                reach = max(self.reach, _BEYOND * _value(away, place))
                share = np.maximum(share, _around(place, logits.shape, reach))
        return np.minimum(logits, before + share * (logits - before))

    def heeded(self, logits: RawValues) -> RawValues:
        """Change raw values, (h, w), around the clicks that they contradict; the others change nothing.

        Where not all can be heeded, the last ones count. A mask that is empty stays so: nothing was found.
        """
        changed = logits
        if not (logits > 0).any():
            return changed
        for _ in range(_PASSES):
            before = changed
            for place, side in zip(self.places, self.sides, strict=True):
                missing = _MARGIN - side * _value(changed, place)
                if missing > _MARGIN:  # it lies on the other side
                    around = _around(place, logits.shape, self.reach)
                    changed = changed + side * missing / _value(around, place) * around
            if changed is before:
                break
        return changed


NO_CLICKS = Clicks(np.empty((0, 2)), (), 1.0)


def _around(place: npt.NDArray[np.float64], shape: tuple[int, ...], reach: float) -> RawValues:
    """Give a Gaussian around a place, of this standard deviation."""
    rows, columns = (
        np.exp(-(((np.arange(length) + 0.5 - middle) / reach) ** 2) / 2).astype(np.float32)
        for length, middle in zip(shape, place[::-1], strict=True)
    )
    return np.outer(rows, columns)


def _value(logits: RawValues, place: npt.NDArray[np.float64]) -> float:
    """Interpolate bilinearly between the middles of pixels, as a mask is enlarged."""
    highest = np.array(logits.shape[::-1]) - 1
    at = np.clip(place - 0.5, 0, highest)
    x, y = at.astype(int)
    right, below = np.minimum((x + 1, y + 1), highest)
    across, down = at - (x, y)
    upper = logits[y, x] * (1 - across) + logits[y, right] * across
    lower = logits[below, x] * (1 - across) + logits[below, right] * across
    return float(upper * (1 - down) + lower * down)
