"""Others like this: objects that look like some exemplars, found where the encoder sees what it saw in them.

Places where the likeness is highest around are prompted with a box of the exemplars' size, a larger one first; those
that no convincing mask covers, with a smaller one, too, if they are very like. What a mask is worth is judged by three
signs: the model's own score, how little it changes when its threshold is shifted, and how much more like the exemplars
it is than the ring around it. A mask is kept if it is worth enough, as like the exemplars as they ask for, of a size
that they allow, and if no better one shows the same object (decisions 0042, 0057 and 0079).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.automatic import Candidate, Decode, suppressed
from app.geometry.frames import FloatXY, WindowXY
from app.geometry.likeness import Features, FloatMap, Pattern, contrast, cover_of_mask, fine, peaks, pooled
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.signs import Signs, signs_of

_MOST_CONTRAST = 1.2
"""More tells no more."""
EVERYWHERE = WindowXY(np.array([[-np.inf, -np.inf], [np.inf, np.inf]]))
_COVERED = 0.5
"""Share of a place from which a mask covers it."""


@dataclass(frozen=True, slots=True)
class SimilarRules:
    """Where to look and which masks are kept; source: ``python -m bench.similar``, decision 0057."""

    sizes: tuple[float, ...] = (1.3, 0.75)
    """Sides of the boxes over those of the exemplars, in the order in which they are tried."""
    apart: float = 0.3
    """Distance of places that are prompted, over the exemplars' longer side."""
    blur: float = 0.15
    """Of the likeness before its highest places are looked for, over the exemplars' longer side."""
    beyond: float = 0.2
    """How far outside of the core places are prompted, over the exemplars' longer side."""
    least_likeness: float = 0.4
    """Of places that are prompted, and of masks."""
    again_from: float = 0.7
    """Likeness of a place from which it is prompted with another size, too."""
    least_worth: float = 1.4
    """Of masks; see `worth`."""
    convincing: float = 1.8
    """Worth of a mask from which the places that it covers are not prompted with another size."""
    most_overlap: float = 0.25
    """IoU from which two masks show the same object."""
    most_inside: float = 0.6
    """Share of the smaller one inside the other from which they do, too."""
    areas: tuple[float, float] = (0.25, 4.0)
    """Smallest area over that of the smallest exemplar, and largest over that of the largest one."""


def worth(signs: Signs, apart: float) -> float:
    """Tell how probably a mask is a whole object: more is better.

    The weights are those of a logistic regression on four fields of the training, rounded (decision 0057).

    Parameters
    ----------
    signs : Signs
    apart : float
        Its `contrast`.
    """
    return signs.score + 0.7 * signs.stability + min(apart, _MOST_CONTRAST)


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
    done: npt.NDArray[np.bool_]
    """Places that a convincing mask covers."""
    core: WindowXY
    """(2, 2) corners."""
    found: list[Candidate] = field(default_factory=list)
    enlarged: FloatMap | None = None

    @property
    def scale(self) -> FloatXY:
        """Width and height of a place, pixels of the window's array."""
        rows, columns = self.values.shape
        return np.array([self.shape[1] / columns, self.shape[0] / rows])

    def blurred(self) -> FloatMap:
        """Give the likeness whose highest places are prompted."""
        longer = self.sizes.longer_side / self.scale[0]
        return np.asarray(cv2.GaussianBlur(self.values, (0, 0), max(0.3, self.rules.blur * longer)), np.float32)

    def places(self, likeness: FloatMap) -> FloatXY:
        """Give the places to prompt, as x and y of the likeness' map, the likest first."""
        longer = self.sizes.longer_side / self.scale[0]
        found = peaks(likeness, self.rules.apart * longer, self.rules.least_likeness)
        beyond = self.rules.beyond * self.sizes.longer_side
        middles = found * self.scale
        near = (middles >= self.core[0] - beyond) & (middles <= self.core[1] + beyond)
        return np.asarray(found[near.all(axis=1)])

    def left(self, places: FloatXY, likeness: FloatMap) -> FloatXY:
        """Leave out the places that a convincing mask covers, and those where another size is hardly worth it."""
        columns, rows = places.astype(np.intp).T
        again = ~self.done[rows, columns] & (likeness[rows, columns] >= self.rules.again_from)
        return np.asarray(places[again], np.float64)

    def prompts(self, places: FloatXY, size: float) -> Iterator[Prompts]:
        """Put boxes on places, so many times as large as the exemplars."""
        half = np.array([self.sizes.width, self.sizes.height]) * size / 2
        for middle in places * self.scale:
            yield Prompts(WindowXY(np.stack([middle - half, middle + half])), WindowXY(np.empty((0, 2))), ())

    def take(self, masks: Masks) -> None:
        """Keep the mask that the model trusts most, if the rules let it pass."""
        best = masks.best
        mask = masks.of(best)  # type: ignore[arg-type]  # there are three
        inside = mask.logits > 0
        low, high = self.rules.areas
        area = np.count_nonzero(inside) / inside.size * self.shape[0] * self.shape[1]
        if not area or not low * self.sizes.areas[0] <= area <= high * self.sizes.areas[1]:
            return
        cover = cover_of_mask(mask.logits, (self.values.shape[0], self.values.shape[1]))
        likeness = pooled(self.values, cover)
        if likeness < self.rules.least_likeness:
            return
        signs = signs_of(masks, best)  # type: ignore[arg-type]
        rank = worth(signs, contrast(self._fine(inside.shape), inside))
        if rank >= self.rules.convincing:
            self.done |= cover > _COVERED
        if rank >= self.rules.least_worth:
            self.found.append(Candidate(mask, best, signs, rank, likeness))  # type: ignore[arg-type]

    def _fine(self, size: tuple[int, ...]) -> FloatMap:
        """Give the likeness at the masks' resolution; made once."""
        if self.enlarged is None:
            self.enlarged = fine(self.values, (size[0], size[1]))
        return self.enlarged


def find_similar(
    decode: Decode,
    features: Features,
    shape: tuple[int, int],
    pattern: Pattern,
    sizes: Sizes,
    rules: SimilarRules = SimilarRules(),
    core: WindowXY = EVERYWHERE,
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
    core : (2, 2) float64
        Corners of the part of the window whose objects are wanted, in pixels of its array. Of others some may be found.
    """
    values = pattern.likeness(features)
    search = _Search(sizes, shape, rules, values, np.zeros(values.shape, np.bool_), core)
    likeness = search.blurred()
    places = search.places(likeness)
    for size in rules.sizes:
        if not len(places):
            break
        for masks in decode(list(search.prompts(places, size))):
            search.take(masks)
        places = search.left(places, likeness)
    kept = suppressed(search.found, rules.most_overlap, rules.most_inside)
    return sorted(kept, key=lambda each: each.likeness or 0.0, reverse=True)
