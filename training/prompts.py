"""Prompts as people give them, drawn from a mask: boxes, points, loose outlines and scribbles.

Everything lies in the model frame (1024 px), where the thesis' numbers are meant. Source: the thesis, sections 3.1.3
(boxes, points, scribbles) and 4.2 (loose dilation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask
from app.geometry.windows import MODEL_SIDE_PX

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]

JITTER_PX = 20
"""A box' sides move by a whole number of pixels in [-20, 20]."""
DEPTH_POWER = 4
"""A positive point is drawn with probability proportional to its distance to the background to this power."""
OUTLINE_NOISE_PX = 20
LOOSE_DILATION_PX = 90
"""How far a loose outline stays away. The thesis only says "large"; with this the mask itself has the IoU
that the row of its table 4.1 gives, 0.334 (0.435 is the row of the dilated truth). Source of the law: section 4.2.2."""
MORPHOLOGY_DILATION_PX = 70
SCRIBBLES = 6
"""Horizontal lines over the object's height."""

MaskKind = Literal["truth", "morphology", "scribble", "loose"]
BoxKind = Literal["exact", "jittered", "loosened", "of the mask prompt"]
LOOSENED = (0.05, 0.20)
"""Of a loosened box, each side lies outside by its own share of the object's extent."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which prompts are given together."""

    name: str
    box: BoxKind | None = None
    positive: int = 0
    negative: int = 0
    anywhere: bool = False
    """Negative points anywhere outside of the object, in place of only inside the box."""
    mask: MaskKind | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """Prompts for one object, model frame, continuous pixels."""

    box: Floats | None
    """(4,): x_min, y_min, x_max, y_max."""
    points: Floats
    """(n, 2)."""
    labels: npt.NDArray[np.int32]
    """(n,): 1 object, 0 background."""
    mask: BoolMask | None
    """(1024, 1024)."""


def draw(rng: Rng, recipe: Recipe, mask: BoolMask, box: Floats | tuple[float, ...]) -> Given:
    """Draw the prompts of a recipe.

    What two recipes have in common is the same when they are drawn with the same random numbers.

    Parameters
    ----------
    mask : (1024, 1024) bool
        The object.
    box : (4,)
        Its tight box.
    """
    for_box, for_mask, for_positive, for_negative = rng.spawn(4)
    tight = np.asarray(box, np.float64)
    shown = mask_prompt(for_mask, recipe.mask, mask) if recipe.mask else None
    given_box = None if recipe.box is None else _box(for_box, recipe.box, tight, shown)
    around = given_box if given_box is not None else _box_of(shown) if shown is not None else tight
    positive = positive_points(for_positive, mask, recipe.positive)
    negative = negative_points(for_negative, mask, None if recipe.anywhere else around, recipe.negative)
    labels = np.array([1] * len(positive) + [0] * len(negative), np.int32)
    return Given(given_box, np.concatenate([positive, negative]), labels, shown)


def _box(rng: Rng, kind: BoxKind, tight: Floats, shown: BoolMask | None) -> Floats:
    """Draw a box around the object, or around its mask prompt, as section 4.3 does it beside masks."""
    if kind == "of the mask prompt":
        return jittered_box(rng, tight if shown is None else _box_of(shown))
    return BOXES[kind](rng, tight)


def jittered_box(rng: Rng, tight: Floats) -> Floats:
    """Move each side by a whole number of pixels in [-20, 20], inside the window; sides never cross."""
    moved = np.clip(tight + rng.integers(-JITTER_PX, JITTER_PX + 1, 4), 0, MODEL_SIDE_PX)
    return _uncrossed(moved, tight)


def loosened_box(rng: Rng, tight: Floats, low: float = LOOSENED[0], high: float = LOOSENED[1]) -> Floats:
    """Move each side outwards by its own share, between `low` and `high`, of the object's extent."""
    extent = np.array([tight[2] - tight[0], tight[3] - tight[1]] * 2)
    outwards = rng.uniform(low, high, 4) * extent * np.array([-1, -1, 1, 1])
    return np.asarray(np.clip(tight + outwards, 0, MODEL_SIDE_PX))


def _exact(_: Rng, tight: Floats) -> Floats:
    return tight


BOXES: dict[str, Callable[[Rng, Floats], Floats]] = {
    "exact": _exact,
    "jittered": jittered_box,
    "loosened": loosened_box,
}


def _uncrossed(box: Floats, tight: Floats) -> Floats:
    """Give the tight extent back to an axis whose sides have met."""
    for low, high in ((0, 2), (1, 3)):
        if box[high] - box[low] < 1:
            box[[low, high]] = tight[[low, high]]
    return box


def positive_points(rng: Rng, mask: BoolMask, count: int) -> Floats:
    """Draw points on the object, deep ones more likely; (count, 2) centres of pixels."""
    if count == 0 or not mask.any():
        return np.empty((0, 2))
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    inside = np.pad(mask[top : top + height, left : left + width], 1).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1].astype(np.float64)
    return np.asarray(_drawn(rng, depth**DEPTH_POWER, count) + np.array([left, top]))


def negative_points(rng: Rng, mask: BoolMask, box: Floats | None, count: int) -> Floats:
    """Draw points off the object, evenly inside a box, or anywhere; (count, 2), or none where there is no room."""
    if count == 0:
        return np.empty((0, 2))
    x0, y0, x1, y1 = (0, 0, mask.shape[1], mask.shape[0]) if box is None else _whole(box, mask.shape)
    free = ~mask[y0:y1, x0:x1]
    if not free.any():
        return np.empty((0, 2))
    return np.asarray(_drawn(rng, free.astype(np.float64), count) + np.array([x0, y0]))


def _whole(box: Floats, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    low = np.floor(box[:2]).clip(0).astype(int)
    high = np.ceil(box[2:]).clip(None, shape[::-1]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _drawn(rng: Rng, weights: Floats, count: int) -> Floats:
    """Draw pixels with probability proportional to their weight; (count, 2) centres, x then y."""
    cumulated = np.cumsum(weights)
    picks = np.searchsorted(cumulated, rng.random(count) * cumulated[-1], side="right")
    return np.column_stack((picks % weights.shape[1], picks // weights.shape[1])) + 0.5


def mask_prompt(rng: Rng, kind: MaskKind, mask: BoolMask) -> BoolMask:
    """Draw a mask prompt; (1024, 1024) bool."""
    if kind == "truth":
        return mask
    if kind == "morphology":
        return _dilated(mask, MORPHOLOGY_DILATION_PX)
    return scribbled_mask(mask) if kind == "scribble" else loose_mask(rng, mask)


def loose_mask(rng: Rng, mask: BoolMask) -> BoolMask:
    """Circle the object with a lasso: noise on the outline, its convex hull, and a large dilation."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    places = np.concatenate([outline[:, 0] for outline in outlines])
    noisy = places + rng.integers(-OUTLINE_NOISE_PX, OUTLINE_NOISE_PX + 1, places.shape)
    canvas = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(noisy.astype(np.int32)), 1)
    return _dilated(canvas > 0, LOOSE_DILATION_PX)


def scribbled_mask(mask: BoolMask) -> BoolMask:
    """Hatch the object with six horizontal lines, from border to border, thick enough to meet."""
    _, top, _, height = cv2.boundingRect(mask.astype(np.uint8))
    canvas = np.zeros(mask.shape, np.uint8)
    rows = np.unique(np.round(np.linspace(top, top + height - 1, SCRIBBLES)).astype(int))
    for row in rows:
        columns = np.flatnonzero(mask[row])
        canvas[row, columns[0] : columns[-1] + 1] = 1
    return _dilated(canvas > 0, max(1, int(height / (SCRIBBLES - 1) / 2)))


def _dilated(mask: BoolMask, radius_px: int) -> BoolMask:
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away <= radius_px, np.bool_)


def _box_of(mask: BoolMask) -> Floats:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.array([x, y, x + width, y + height], np.float64)
