"""Which of the decoder's masks is taken, and what the others would look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from shapely import MultiPolygon, Polygon

from app.geometry.masks import Masks

Choice = Literal["best", "single", 0, 1, 2]
"""best: the proposal of highest score; single: the decoder's mask for prompts that are not ambiguous; else an index."""
Taken = Literal["single", 0, 1, 2]
INDICES: tuple[Literal[0], Literal[1], Literal[2]] = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One of the three outlines that the decoder offers."""

    index: Literal[0, 1, 2]
    score: float
    shape: Polygon | MultiPolygon | None
    """Platform frame, valid and inside the slide; None if it is empty."""


@dataclass(frozen=True, slots=True)
class TakenMask:
    """The mask that becomes the outline."""

    name: Taken
    logits: npt.NDArray[np.float32]
    """(h, w) float32: raw values over the whole window."""
    score: float


def take(masks: Masks, choice: Choice | None) -> TakenMask:
    """Take the mask that was asked for; None leaves it to the checkpoint."""
    index = choice if isinstance(choice, int) else masks.best
    return TakenMask(INDICES[index], masks.logits[index], float(masks.scores[index]))
