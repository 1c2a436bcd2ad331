"""How sure the service is of an outline, and why somebody should look at it, in words (decision 0034).

Here alone it is decided what is doubtful: whoever shows an outline shows these words, and has no thresholds of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.geometry.glance import Sight
from app.geometry.judgement import Confidence
from app.usecases.ports import ModelInfo

LEAST_CONFIDENCE = 0.75
"""Expected IoU under which an outline is doubtful."""
SIZES = (0.1, 2.0)
"""Area of the outline over that of the drawn shape, outside of which one of them shows something else."""
LEAST_CONTRAST = 20.0
"""Grey levels; see `Sight`. Glass has at most 9, the palest of 504 real objects had 36."""
MOST_SOFTNESS = 0.80
SOFT, LEAST_SHARPNESS = 0.68, 0.13
"""A window that is softer than the first is out of focus; one that is softer than the second, if its edges are less
steep than the third, too. See `Sight`; source of all of these: ``python -m bench.doubts``, and decision 0034."""

DEMO_MODEL = "This outline comes from the demo model, which is not meant for annotation work."
LOW_CONFIDENCE = "The model is not sure of this outline."
CUT = "The outline reaches the edge of the area that the model saw, so part of the object may be missing."
SEVERAL_PARTS = "The outline has several parts."
FAR_SMALLER = "The outline is far smaller than the shape that was drawn."
FAR_LARGER = "The outline is far larger than the shape that was drawn."
ONLY_GLASS = "There is only glass or empty background here."
OUT_OF_FOCUS = "The image is out of focus here."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an outline."""

    confidence: Confidence
    is_cut: bool = False
    """Whether it reaches the window's edge, where the slide goes on."""
    parts: int = 1
    size: float | None = None
    """Its area over that of the drawn shape; None where nothing was drawn but points."""
    sight: Sight | None = None
    """Of the box; None where the pixels are not known."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the service thinks of an outline."""

    confidence: float
    """0 to 1: the IoU that is to be expected; the model's own score where its checkpoint has no calibration."""
    calibrated: bool
    doubts: tuple[str, ...]
    doubtful: bool
    """Whether it should be looked at before it is written."""


def judge(evidence: Evidence, model: ModelInfo) -> Judged:
    """Judge an outline by what is known of it.

    That it comes from the demo model is told, but makes no outline doubtful: there it is so of all of them.
    """
    doubts = doubts_of(evidence)
    told = (*doubts, *((DEMO_MODEL,) if model.origin == "embedded" else ()))
    return Judged(evidence.confidence.value, evidence.confidence.calibrated, told, bool(doubts))


def doubts_of(evidence: Evidence) -> tuple[str, ...]:
    """Say what there is to doubt in an outline, the weightiest first."""
    seen = evidence.sight
    low, high = SIZES
    found = (
        (ONLY_GLASS, seen is not None and seen.contrast < LEAST_CONTRAST),
        (OUT_OF_FOCUS, seen is not None and seen.contrast >= LEAST_CONTRAST and _is_blurred(seen)),
        (LOW_CONFIDENCE, evidence.confidence.value < LEAST_CONFIDENCE),
        (CUT, evidence.is_cut),
        (SEVERAL_PARTS, evidence.parts > 1),
        (FAR_SMALLER, evidence.size is not None and evidence.size < low),
        (FAR_LARGER, evidence.size is not None and evidence.size > high),
    )
    return tuple(words for words, holds in found if holds)


def _is_blurred(seen: Sight) -> bool:
    return seen.softness > MOST_SOFTNESS or (seen.softness > SOFT and seen.sharpness < LEAST_SHARPNESS)
