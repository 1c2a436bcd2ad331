"""Others like this: objects that look like some exemplars, found where the encoder sees what it saw in them.

Places where the likeness is highest around are prompted with boxes of the exemplars' size; what the masks cover is left
out, and the rest is looked through again. A mask is kept if the model trusts it, if it is as like the exemplars as they
ask for, of a size that they allow, and if no better one shows the same object (decision 0042).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.automatic import Candidate, Decode, suppressed
from app.geometry.frames import FloatXY, WindowXY
from app.geometry.likeness import Features, FloatMap, Pattern, cover_of_mask, peaks, pooled
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.signs import signs_of


@dataclass(frozen=True, slots=True)
class SimilarRules:
    """Where to look and which masks are kept; source: ``python -m bench.similar``."""

    sizes: tuple[float, ...] = (0.75, 1.3)
    """Sides of the boxes over those of the exemplars."""
    rounds: int = 2
    apart: float = 0.3
    """Distance of places that are prompted, over the exemplars' longer side."""
    blur: float = 0.15
    """Of the likeness before its highest places are looked for, over the exemplars' longer side."""
    least_likeness: float = 0.4
    """Of places that are prompted, and of masks."""
    least_score: float = 0.7
    most_overlap: float = 0.25
    """IoU from which two masks show the same object."""
    areas: tuple[float, float] = (0.25, 4.0)
    """Smallest area over that of the smallest exemplar, and largest over that of the largest one."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the exemplars are, in pixels of the window's array."""

    width: float
    """Of the usual one."""
    height: float
    areas: tuple[float, float]
    """Of the smallest and of the largest one."""

    @property
    def longer_side(self) -> float:
        """The larger extent of the usual one."""
        return max(self.width, self.height)


@dataclass(slots=True)
class _Search:
    """What is known of a window while it is looked through."""

    sizes: Sizes
    shape: tuple[int, int]
    """(rows, columns) of the window's array."""
    rules: SimilarRules
    values: FloatMap
    """Likeness of each place."""
    covered: npt.NDArray[np.bool_]
    found: list[Candidate] = field(default_factory=list)

    @property
    def place_px(self) -> float:
        """Side of a place, pixels of the window's array."""
        return float(self.shape[1] / self.values.shape[1])

    def places(self) -> FloatXY:
        """Give the places to prompt next, as x and y of the likeness' map."""
        longer = self.sizes.longer_side / self.place_px
        blurred = cv2.GaussianBlur(self.values, (0, 0), max(0.3, self.rules.blur * longer))
        return peaks(
            np.asarray(blurred, np.float32), self.rules.apart * longer, self.rules.least_likeness, self.covered
        )

    def prompts(self, places: FloatXY) -> Iterator[Prompts]:
        """Put boxes of the exemplars' size on places."""
        rows, columns = self.values.shape
        scale = np.array([self.shape[1] / columns, self.shape[0] / rows])
        for middle in places * scale:
            for size in self.rules.sizes:
                half = np.array([self.sizes.width, self.sizes.height]) * size / 2
                yield Prompts(WindowXY(np.stack([middle - half, middle + half])), WindowXY(np.empty((0, 2))), ())

    def cover(self, places: FloatXY) -> None:
        """Look at these places no more."""
        columns, rows = places.astype(np.intp).T
        self.covered[rows, columns] = True

    def take(self, masks: Masks) -> None:
        """Keep the mask that the model trusts most, if the rules let it pass."""
        best = masks.best
        mask = masks.of(best)  # type: ignore[arg-type]  # there are three
        cover = cover_of_mask(mask.logits, (self.values.shape[0], self.values.shape[1]))
        self.covered |= cover > 0.5
        low, high = self.rules.areas
        area = float(np.mean(mask.logits > 0)) * self.shape[0] * self.shape[1]
        if mask.score < self.rules.least_score or area == 0:
            return
        if not low * self.sizes.areas[0] <= area <= high * self.sizes.areas[1]:
            return
        likeness = pooled(self.values, cover)
        if likeness >= self.rules.least_likeness:
            signs = signs_of(masks, best)  # type: ignore[arg-type]
            self.found.append(Candidate(mask, best, signs, signs.score, likeness))  # type: ignore[arg-type]


def find_similar(
    decode: Decode,
    features: Features,
    shape: tuple[int, int],
    pattern: Pattern,
    sizes: Sizes,
    rules: SimilarRules = SimilarRules(),
) -> list[Candidate]:
    """Find the objects of a window that are like the exemplars, each once, the likest first.

    Parameters
    ----------
    decode : callable
        Gives the masks of each prompt.
    features : (c, h, w) float32
        Of the window.
    shape : (rows, columns)
        Of the window's array.
    pattern : Pattern
        What the exemplars look like.
    sizes : Sizes
        How large they are.
    """
    values = pattern.likeness(features)
    search = _Search(sizes, shape, rules, values, np.zeros(values.shape, np.bool_))
    for _ in range(rules.rounds):
        places = search.places()
        if not len(places):
            break
        search.cover(places)
        for masks in decode(list(search.prompts(places))):
            search.take(masks)
    kept = suppressed(search.found, rules.most_overlap)
    return sorted(kept, key=lambda each: each.likeness or 0.0, reverse=True)
