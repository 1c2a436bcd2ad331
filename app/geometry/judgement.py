"""What a checkpoint's card says of its masks: which one to take, where clicks may let it grow, how far to trust it.

Decisions 0033, 0084 and 0034.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from app.geometry.choices import PromptKind, Proposal

if TYPE_CHECKING:
    from app.geometry.signs import Signs  # knows arrays; whoever reads a card need not

Rule = Literal["best", "single"]
Growth = Literal["anywhere", "near clicks"]
"""Where a mask with clicks may hold more than that of the box alone: anywhere, or near foreground clicks only."""
SIGNS = ("score", "stability", "agreement", "inside")
"""What a calibration may weigh: the fields of `Signs`."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone map from the signs of a mask to the IoU that is to be expected."""

    weights: tuple[tuple[str, float], ...]
    """Sign and weight, none below 0; some of `SIGNS`."""
    knots: tuple[tuple[float, float], ...]
    """(weighted sum, IoU): the first ones rise, the second ones never fall and lie within 0 to 1."""

    def __call__(self, signs: Signs) -> float:
        """Give the IoU that is to be expected, 0 to 1; straight between the knots, level past them."""
        place: float = sum(weight * getattr(signs, name) for name, weight in self.weights)
        if place <= self.knots[0][0]:
            return self.knots[0][1]
        for (before, low), (after, high) in pairwise(self.knots):
            if place < after:
                return low + (high - low) * ((place - before) / (after - before))
        return self.knots[-1][1]


@dataclass(frozen=True, slots=True)
class Confidence:
    """How good an outline probably is."""

    value: float
    """0 to 1: the IoU that is to be expected; without a calibration the model's own score."""
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """How to judge the masks of a checkpoint; that of a checkpoint without a card takes the best of three."""

    takes: tuple[tuple[PromptKind, Rule], ...] = field(default=())
    """Which mask to take for which kind of prompts; ``best`` for the others."""
    calibration: Calibration | None = None
    growth: Growth = "anywhere"
    needs_box: bool = False
    """Whether the checkpoint hardly learned to outline what a point alone shows."""

    def proposal(self, kind: PromptKind) -> Proposal:
        """Tell which mask to take for a kind of prompts."""
        return dict(self.takes).get(kind, "best")

    def confidence(self, signs: Signs) -> Confidence:
        """Tell how far to trust a mask."""
        if self.calibration is None:
            return Confidence(signs.score, calibrated=False)
        return Confidence(self.calibration(signs), calibrated=True)


UNJUDGED = Judgement()
"""Of a checkpoint whose card says nothing, or that has none."""
