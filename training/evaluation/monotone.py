"""Monotone fits: weights of signs that are never below 0, and a map that never falls (pool adjacent violators)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from app.geometry.judgement import SIGNS, Calibration

Floats = npt.NDArray[np.float64]
KNOTS = 12
"""Of a map, at most: quantiles of the objects."""
_SPREAD = 1e-3
"""A sign that moves less than this among the objects has nothing to say."""
_APART = 1e-4


def fit(signs: Floats, iou: Floats, weights: Floats, using: Sequence[str] = SIGNS) -> Calibration:
    """Fit a calibration.

    Parameters
    ----------
    signs : (n, len(SIGNS))
        Of each mask, in that order.
    iou : (n,)
        With the truth.
    weights : (n,)
        How much each object counts.
    using : sequence of str
        Which of `SIGNS` may have a weight.

    Returns
    -------
    Calibration
        Its weights are those of the best line through the IoU that rises with every sign; its map is isotonic.
    """
    counts = weights / weights.sum()
    mean = counts @ signs
    says = (np.sqrt(counts @ (signs - mean) ** 2) > _SPREAD) & np.isin(SIGNS, list(using))
    lever = np.sqrt(counts)
    slopes = np.zeros(len(SIGNS))
    if says.any():  # a line may begin anywhere, so both sides are taken from their means
        slopes[says] = nnls((signs - mean)[:, says] * lever[:, None], (iou - counts @ iou) * lever)[0]
    if not slopes.any():
        slopes[SIGNS.index("score")] = 1.0
    named = tuple((name, round(float(slope), 4)) for name, slope in zip(SIGNS, slopes, strict=True) if slope >= _APART)
    places = signs @ np.array([dict(named).get(name, 0.0) for name in SIGNS])
    return Calibration(named, _knots(places, iou, counts))


def _knots(places: Floats, iou: Floats, counts: Floats) -> tuple[tuple[float, float], ...]:
    """Draw a map through the means of the objects' quantiles, made to rise."""
    order = np.argsort(places, kind="stable")
    shares = np.cumsum(counts[order])
    parts = np.minimum((shares * KNOTS - 1e-9).astype(int), KNOTS - 1)
    some = [order[parts == part] for part in range(KNOTS) if (parts == part).any()]
    across = [float(np.average(places[each], weights=counts[each])) for each in some]
    values = isotonic([float(np.average(iou[each], weights=counts[each])) for each in some],
                      [float(counts[each].sum()) for each in some])  # fmt: skip
    knots = [(0.0, 0.0)]  # a mask without a good sign is worth nothing
    for place, value in zip(across, values, strict=True):
        if place > knots[-1][0] + _APART:
            knots.append((round(place, 5), round(float(np.clip(value, 0, 1)), 5)))
    return tuple(knots)


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Give the nearest values that never fall, by weighted squares: neighbours that do are pooled."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, total, count = value, weight, 1
        while pools and pools[-1][0] >= mean:
            before, its_weight, its_count = pools.pop()
            mean = (before * its_weight + mean * total) / (its_weight + total)
            total, count = total + its_weight, count + its_count
        pools.append((mean, total, count))
    return [mean for mean, _, count in pools for _ in range(count)]


def calibration_error(expected: Floats, iou: Floats, weights: Floats, bins: int = 10) -> float:
    """Give the expected calibration error: the mean gap between what was expected and what came, over equal bins.

    Source: Naeini, Cooper and Hauskrecht 2015, here with the IoU in place of the share of right answers.
    """
    return sum(share * abs(told - came) for share, told, came, _ in reliability(expected, iou, weights, bins))


def reliability(
    expected: Floats, iou: Floats, weights: Floats, bins: int = 10
) -> list[tuple[float, float, float, int]]:
    """Give for every bin that has objects their share, what was expected, what came, and how many they are."""
    at = np.minimum((expected * bins).astype(int), bins - 1)
    found = []
    for bin_ in np.unique(at):
        mine = at == bin_
        share = float(weights[mine].sum() / weights.sum())
        told, came = (float(np.average(each[mine], weights=weights[mine])) for each in (expected, iou))
        found.append((share, told, came, int(mine.sum())))
    return found
