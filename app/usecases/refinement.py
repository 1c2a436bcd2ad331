"""What became of an annotation, however it was refined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.usecases.ports import ModelInfo
from app.usecases.preview import Preview
from app.usecases.proposals import Proposal
from app.usecases.recipe import Recipe
from app.usecases.segment_roi import Account

Outcome = Literal["changed", "nothing found", "dry run", "doubtful"]
"""doubtful: an outline was found, and kept from being written until somebody has looked at it."""

Provenance = Literal["noted", "failed", "too late"]


@dataclass(frozen=True, slots=True)
class Refinement:
    """What became of an annotation."""

    annotation_id: int
    caller: int | None
    """Who asked, where that is known."""
    outcome: Outcome
    location: str
    """WKT, platform frame: as stored; where nothing was written, as it would be."""
    previous_location: str
    account: Account
    points_used: tuple[int, ...]
    points_deleted: tuple[int, ...]
    points_not_deleted: tuple[int, ...]
    """Points that should have been deleted, but changed, were refused by the platform, or came too late."""
    command: int | None
    """The handle of the write."""
    commands: tuple[int, ...]
    """Handles of everything that was done, in that order: the write, then each deletion. Undo them from the last."""
    model: ModelInfo
    timings_ms: dict[str, float]
    proposals: tuple[Proposal, ...] = ()
    """Filled where a preview is shown."""
    recipe: Recipe | None = None
    """What the outline was made from; None if nothing was found."""
    provenance: Provenance | None = None
    """Whether its origin was noted on the annotation; None where that is not asked for."""
    preview: Preview | None = None
    """What could be written, where nothing was."""
