"""The automatic mode: objects that nobody has shown, found by prompting with many places of a window.

As SAM's own generator of masks does it: a mask is kept if the model trusts it, if it changes little when its threshold
is shifted, and if no better one shows the same object. Everything here is arithmetic on the decoder's masks; whoever
has a decoder, service or training, hands it over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.choices import Taken
from app.geometry.frames import WindowXY
from app.geometry.masks import Mask, Masks
from app.geometry.prompts import PointLabel, Prompts
from app.geometry.signs import Signs, signs_of

Decode = Callable[[Sequence[Prompts]], list[Masks]]
"""Decodes several objects of one window."""
_COMPARED_PX = 64
"""Masks are compared at about this side."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which masks are kept."""

    least_score: float = 0.7
    """The model's own estimate of the IoU."""
    least_stability: float = 0.6
    """IoU of the masks above a raised and a lowered threshold; see `Signs`."""
    most_overlap: float = 0.5
    """IoU from which two masks show the same object."""
    most_of_window: float = 0.5
    """Share of the window's pixels; more is background."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A mask that may be an object."""

    mask: Mask
    taken: Taken
    signs: Signs
    rank: float
    """More is better; among doubles the one of the highest rank is kept."""
    likeness: float | None = None
    """How like the exemplars it is; None where there are none."""


def grid(per_side: int, shape: tuple[int, int]) -> list[Prompts]:
    """Spread places evenly over a window, one prompt for each.

    Parameters
    ----------
    per_side : int
        The thesis' automatic mode has 16, SAM's 32.
    shape : (rows, columns)
        Of the window's array.
    """
    shares = (np.arange(per_side) + 0.5) / per_side
    return [at_place(x * shape[1], y * shape[0]) for y in shares for x in shares]


def at_place(x: float, y: float) -> Prompts:
    """Show the model a place on an object; window pixels."""
    nothing = WindowXY(np.empty((0, 2), np.float64))
    return Prompts(nothing, WindowXY(np.array([[x, y]], np.float64)), (PointLabel.FOREGROUND,))


def find_automatically(decode: Decode, prompts: Sequence[Prompts], rules: Rules = Rules()) -> list[Candidate]:
    """Decode many prompts of a window and keep the objects that they show, each once, the best first.

    Parameters
    ----------
    decode : callable
        Gives the masks of each prompt.
    prompts : sequence of Prompts
        For instance a `grid`.
    """
    return suppressed(candidates(decode(prompts), rules), rules.most_overlap)


def candidates(found: Iterable[Masks], rules: Rules) -> list[Candidate]:
    """Keep those of the decoder's proposals that the rules let pass."""
    return [candidate for masks in found for candidate in _of(masks, rules)]


def _of(masks: Masks, rules: Rules) -> Iterator[Candidate]:
    for at in range(len(masks.scores)):
        if masks.scores[at] < rules.least_score:
            continue
        taken: Taken = at  # type: ignore[assignment]  # there are three
        share = float(np.mean(masks.logits[at] > 0))
        if not 0 < share <= rules.most_of_window:
            continue
        signs = signs_of(masks, taken)
        if signs.stability >= rules.least_stability:
            yield Candidate(masks.of(taken), taken, signs, signs.score)


def suppressed(found: Sequence[Candidate], most_overlap: float, most_inside: float = 1.0) -> list[Candidate]:
    """Keep the best of each group of masks that show the same object, the best first.

    Parameters
    ----------
    found : sequence of Candidate
        Of one window.
    most_overlap : float
        IoU above which two masks are one object.
    most_inside : float
        Share of the smaller one inside the other above which they are, too.
    """
    ordered = sorted(found, key=lambda each: each.rank, reverse=True)
    same = _same([each.mask.logits for each in ordered], most_overlap, most_inside)
    kept: list[int] = []
    for at in range(len(ordered)):
        if not np.any(same[at, kept]):
            kept.append(at)
    return [ordered[at] for at in kept]


def _same(logits: Sequence[npt.NDArray[np.float32]], most_overlap: float, most_inside: float) -> npt.NDArray[np.bool_]:
    """Tell of each mask and each whether they show the same object."""
    if not logits:
        return np.zeros((0, 0), np.bool_)
    flat = np.stack([_reduced(each) for each in logits]).reshape(len(logits), -1).astype(np.float32)
    common = flat @ flat.T
    areas = np.maximum(np.diagonal(common), 1.0)
    joint = areas[:, None] + areas[None] - common
    smaller = np.minimum(areas[:, None], areas[None])
    return np.asarray((common > most_overlap * joint) | (common > most_inside * smaller), np.bool_)


def _reduced(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    if max(logits.shape) > 2 * _COMPARED_PX:
        logits = np.asarray(cv2.resize(logits, (_COMPARED_PX, _COMPARED_PX), interpolation=cv2.INTER_AREA))
    return logits > 0
