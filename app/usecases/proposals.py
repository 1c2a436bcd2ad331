"""Which of the decoder's masks is taken, and what the others would look like (decision 0033)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shapely import MultiPolygon, Polygon

from app.geometry.choices import Proposal as Choice
from app.geometry.choices import Taken
from app.geometry.judgement import Judgement
from app.geometry.masks import Masks
from app.geometry.prompts import PointPrompt, prompt_kind

__all__ = ["INDICES", "Choice", "Proposal", "Taken", "take"]

INDICES: tuple[Literal[0], Literal[1], Literal[2]] = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One of the three outlines that the decoder offers."""

    index: Literal[0, 1, 2]
    score: float
    shape: Polygon | MultiPolygon | None
    """Platform frame, valid and inside the slide; None if it is empty."""


def take(masks: Masks, choice: Choice | None, points: tuple[PointPrompt, ...], judgement: Judgement) -> Taken:
    """Take the mask that was asked for; None leaves it to what the checkpoint's card says of such prompts."""
    wanted = choice if choice is not None else judgement.proposal(prompt_kind([point.label for point in points]))
    return masks.named(wanted)
