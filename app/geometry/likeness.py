"""Likeness: how much places of a window look, to the encoder, like the objects that somebody has shown.

Features are compared by the cosine of their directions from what is usual around the exemplars: what all places have in
common (the stain, the encoder's own bias) says nothing. Source of these choices: ``python -m bench.similar``, decision
0042.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import FloatXY, SlideXY
from app.geometry.masks import BoolMask, extent_of
from app.geometry.windows import WindowGrid

Features = npt.NDArray[np.float32]
"""(c, h, w) float32 over a whole window."""
FloatMap = npt.NDArray[np.float32]
"""(h, w) float32 over a whole window."""
_FINER = 8
"""Shapes are drawn on a grid so many times finer than the features', then averaged."""
_LEAST_SHARE = 0.6
"""A place is an object's if so much of it is covered; the fullest one always is."""
_LEAST_OWN = 0.2
"""Cosine."""
_RING, _LEAST_RING_PX = 0.25, 2
"""Width of the ring that a mask is compared with, over its longer side; and at least, pixels of the mask."""
_TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """An object that somebody has shown, in its window."""

    features: Features
    cover: FloatMap
    """Share of each place that the object covers, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """What the exemplars look like, and what the counter-examples do; directions from the usual, of length 1."""

    usual: npt.NDArray[np.float32]
    """(c,) float32"""
    like: npt.NDArray[np.float32]
    """(c,) float32"""
    unlike: npt.NDArray[np.float32]
    """(k, c) float32, k >= 0."""
    own: float
    """How like this the exemplars are themselves."""

    def likeness(self, features: Features) -> FloatMap:
        """Tell how like the exemplars each place is: 1 as they are themselves, 0 or less not at all.

        Of what is like a counter-example, that likeness is taken away.
        """
        channels, rows, columns = features.shape
        away = features.reshape(channels, -1).T - self.usual
        away /= np.linalg.norm(away, axis=1, keepdims=True) + _TINY
        found = away @ self.like
        if len(self.unlike):
            found = found - np.maximum((away @ self.unlike.T).max(1), 0.0)
        return np.asarray(found / self.own, np.float32).reshape(rows, columns)


def pattern_of(like: Sequence[Shown], unlike: Sequence[Shown] = ()) -> Pattern:
    """Learn what objects look like.

    Parameters
    ----------
    like : sequence of Shown
        At least one.
    unlike : sequence of Shown
        What looks alike to the encoder, and is something else.
    """
    usual = np.mean([shown.features.reshape(len(shown.features), -1).mean(1) for shown in like], axis=0)
    means = np.stack([_mean(shown) - usual for shown in like])
    towards = _unit(np.mean([_unit(mean) for mean in means], axis=0))
    others = [_unit(_mean(shown) - usual) for shown in unlike]
    pattern = Pattern(
        np.asarray(usual, np.float32),
        np.asarray(towards, np.float32),
        np.asarray(others, np.float32).reshape(len(others), len(towards)),
        1.0,
    )
    # Where the counter-examples look like the exemplars, little is like them, and nothing more so than they are.
    own = np.mean([pooled(pattern.likeness(shown.features), shown.cover) for shown in like])
    return Pattern(pattern.usual, pattern.like, pattern.unlike, max(float(own), _LEAST_OWN))


def pooled(values: FloatMap, cover: FloatMap) -> float:
    """Average a map over what an object covers."""
    weights = _weights(cover)
    return float((values * weights).sum() / weights.sum())


def cover_of(shape: BaseGeometry, grid: WindowGrid, array: tuple[int, int], size: tuple[int, int]) -> FloatMap:
    """Draw how much of each place a shape covers.

    Parameters
    ----------
    shape : Polygon or MultiPolygon
        Slide frame.
    grid : WindowGrid
        Of the window's array.
    array : (rows, columns)
        Of that array.
    size : (rows, columns)
        Of the features.

    Returns
    -------
    (rows, columns) float32
        0 to 1.
    """
    fine = (size[0] * _FINER, size[1] * _FINER)
    placed = grid.resized(array, fine)

    def to_window(points: FloatXY) -> FloatXY:
        return placed.to_window(SlideXY(points))

    drawn = np.zeros(fine, np.uint8)
    for part in shapely.get_parts(shapely.transform(shape, to_window)):
        rings = [part.exterior, *part.interiors]
        cv2.fillPoly(drawn, [np.round(shapely.get_coordinates(ring) - 0.5).astype(np.int32) for ring in rings], 255)
    return _shrunk((drawn / 255).astype(np.float32), size)


def cover_of_mask(logits: npt.NDArray[np.float32], size: tuple[int, int]) -> FloatMap:
    """Give how much of each place a mask covers, (rows, columns) float32."""
    return _shrunk((logits > 0).astype(np.float32), size)


def contrast(values: FloatMap, mask: BoolMask) -> float:
    """Tell how much more like the exemplars a mask is than the ring around it.

    A mask that takes in ground, or ends in the middle of an object, has less of it than one that follows the object.

    Parameters
    ----------
    values : (h, w) float32
        Likeness, at the mask's resolution; see `fine`.
    mask : (h, w) bool
        With at least one pixel.

    Returns
    -------
    float
        Mean likeness inside, less that of the ring, which is a quarter of the mask's longer side wide.
    """
    ring = ring_around(mask)
    return float(values[mask].mean() - (values[ring].mean() if ring.any() else 0.0))


def ring_around(mask: BoolMask) -> BoolMask:
    """Give the pixels around a mask, as far as a quarter of its longer side, (h, w) bool."""
    left, top, right, bottom = extent_of(mask)
    width = max(_LEAST_RING_PX, round(_RING * max(right - left, bottom - top)))
    place = (slice(max(0, top - width), bottom + width), slice(max(0, left - width), right + width))
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    ring = np.zeros(mask.shape, np.bool_)
    ring[place] = (cv2.dilate(mask[place].astype(np.uint8), kernel) > 0) & ~mask[place]
    return ring


def fine(values: FloatMap, size: tuple[int, int]) -> FloatMap:
    """Enlarge a map of likeness to the resolution of masks, (rows, columns) float32."""
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def peaks(values: FloatMap, apart: float, least: float, covered: npt.NDArray[np.bool_] | None = None) -> FloatXY:
    """Find the places where a map is highest around.

    Parameters
    ----------
    values : (h, w) float32
    apart : float
        Distance within which only the highest counts, places of the map.
    least : float
        Lower ones are none.
    covered : (h, w) bool, optional
        Where nothing is looked for.

    Returns
    -------
    (n, 2) float64
        x, y in places of the map, continuous; the highest first.
    """
    if covered is not None:
        values = np.where(covered, np.float32(-1), values)
    reach = max(1, round(apart))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    highest = cv2.dilate(values, kernel, borderType=cv2.BORDER_REPLICATE)
    rows, columns = np.nonzero((values >= highest) & (values >= least))
    order = np.argsort(-values[rows, columns], kind="stable")
    return np.column_stack([columns[order] + 0.5, rows[order] + 0.5]).astype(np.float64)


def _mean(shown: Shown) -> npt.NDArray[np.float32]:
    weights = _weights(shown.cover)
    return np.asarray((shown.features * weights).sum((1, 2)) / weights.sum(), np.float32)


def _weights(cover: FloatMap) -> FloatMap:
    """Weigh the places that are mostly covered; where none is, those that are covered most."""
    least = min(_LEAST_SHARE, float(cover.max()))
    return np.where(cover >= least, np.maximum(cover, np.float32(_TINY)), np.float32(0))


def _unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vector / (np.linalg.norm(vector) + np.float32(_TINY))


def _shrunk(fine: FloatMap, size: tuple[int, int]) -> FloatMap:
    return np.asarray(cv2.resize(fine, (size[1], size[0]), interpolation=cv2.INTER_AREA), np.float32)
