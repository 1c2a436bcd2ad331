"""How sure the service is of an outline, and why somebody should look at it, in words."""

from __future__ import annotations

from dataclasses import dataclass

from app.usecases.ports import ModelInfo

_DEMO_MODEL = "This outline comes from the demo model, which is not meant for annotation work."


@dataclass(frozen=True, slots=True)
class Judged:
    """What the service thinks of an outline."""

    confidence: float
    """0 to 1; the model's own score where its checkpoint has no calibration."""
    calibrated: bool
    doubts: tuple[str, ...]
    doubtful: bool
    """Whether it should be looked at before it is written."""


def judge(score: float, model: ModelInfo) -> Judged:
    """Judge an outline by what is known of it."""
    return Judged(score, calibrated=False, doubts=doubts_of(model), doubtful=False)


def doubts_of(model: ModelInfo) -> tuple[str, ...]:
    """Say what there is to doubt in every outline of a model."""
    return (_DEMO_MODEL,) if model.origin == "embedded" else ()
