"""What stands out: objects that nobody has shown, found where the encoder sees something else than around it.

For models that hardly learned to outline what a point alone shows. Boxes of several sizes are put where what they hold
differs most from the ring around them, and a mask is judged in the same way (decision 0057).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from app.geometry.automatic import Candidate, Decode, suppressed
from app.geometry.choices import Taken
from app.geometry.frames import WindowXY
from app.geometry.likeness import Features, FloatMap, cover_of_mask, peaks, ring_around
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.signs import signs_of

STABILITY_WEIGHT = 0.7
"""Of a mask's stability, beside its score; source: decision 0057."""


@dataclass(frozen=True, slots=True)
class OutstandingRules:
    """Where boxes are put and which masks are kept; source: ``python -m bench.similar``, decision 0057."""

    sizes: tuple[float, ...] = (24 / 256, 40 / 256, 64 / 256, 112 / 256)
    """Sides of the boxes over that of the window."""
    apart: float = 0.35
    """Distance of places that are prompted, over the side of the box."""
    least_difference: float = 0.3
    """Of places that are prompted; see `difference`."""
    least_worth: float = 1.6
    """Of masks: score, a share of the stability, and difference."""
    most_overlap: float = 0.3
    """IoU from which two masks show the same object."""
    most_inside: float = 0.6
    """Share of the smaller one inside the other from which they do, too."""
    most_of_window: float = 0.5
    """Share of the window's pixels; more is background."""


def find_outstanding(
    decode: Decode, features: Features, shape: tuple[int, int], rules: OutstandingRules = OutstandingRules()
) -> list[Candidate]:
    """Find the objects of a window, each once, the best first.

    Parameters
    ----------
    decode : callable
        Gives the masks of each prompt.
    features : (c, h, w) float32
        Of the window, as the segmenter gives them.
    shape : (rows, columns)
        Of the window's array.
    """
    prompts = list(boxes(features, shape, rules))
    found = [candidate for masks in decode(prompts) if (candidate := _judged(masks, features, rules))]
    return suppressed(found, rules.most_overlap, rules.most_inside)


def boxes(features: Features, shape: tuple[int, int], rules: OutstandingRules) -> Iterator[Prompts]:
    """Put boxes of each size where they hold something else than the ring around them."""
    rows, columns = features.shape[1:]
    scale = np.array([shape[1] / columns, shape[0] / rows])
    for size in rules.sizes:
        side = size * columns
        half = side * scale / 2
        for middle in peaks(differences(features, side), rules.apart * side, rules.least_difference) * scale:
            yield Prompts(WindowXY(np.stack([middle - half, middle + half])), WindowXY(np.empty((0, 2))), ())


def differences(features: Features, side: float) -> FloatMap:
    """Tell of each place how much a square around it differs from the ring around the square.

    Parameters
    ----------
    features : (c, h, w) float32
    side : float
        Of the square, places; taken as the odd number next to it.

    Returns
    -------
    (h, w) float32
        Length of the difference of the means.
    """
    inner = 2 * round((side - 1) / 2) + 1
    outer = inner + 2 * max(1, round(inner / 4))
    inside, all_of_it = (np.stack([cv2.blur(plane, (k, k)) for plane in features]) for k in (inner, outer))
    ring = (all_of_it * outer**2 - inside * inner**2) / (outer**2 - inner**2)
    return np.asarray(np.linalg.norm(inside - ring, axis=0), np.float32)


def difference(features: Features, cover: FloatMap, ring: FloatMap) -> float:
    """Tell how much the mean features of a mask differ from those of the ring around it.

    Parameters
    ----------
    features : (c, h, w) float32
    cover, ring : (h, w) float32
        Shares of each place that mask and ring cover.
    """
    flat = features.reshape(len(features), -1)
    means = [flat @ (each.ravel() / max(float(each.sum()), 1e-6)) for each in (cover, ring)]
    return float(np.linalg.norm(means[0] - means[1]))


def _judged(masks: Masks, features: Features, rules: OutstandingRules) -> Candidate | None:
    """Judge the mask that the model trusts most; None if it is worth too little, background, or cut by the edge."""
    taken: Taken = masks.best  # type: ignore[assignment]  # there are three
    mask = masks.of(taken)
    inside = mask.logits > 0
    if not 0 < float(inside.mean()) <= rules.most_of_window:
        return None
    signs = signs_of(masks, taken)
    size = (features.shape[1], features.shape[2])
    cover, ring = (cover_of_mask(each.astype(np.float32), size) for each in (inside, ring_around(inside)))
    worth = signs.score + STABILITY_WEIGHT * signs.stability + difference(features, cover, ring)
    return Candidate(mask, taken, signs, worth) if worth >= rules.least_worth else None
