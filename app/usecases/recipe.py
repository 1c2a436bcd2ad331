"""All that an outline was made from: made again from it, with the same weights on the same machine, it is the same."""

from __future__ import annotations

from dataclasses import dataclass

from app.geometry.outlines import OutlineOptions
from app.usecases.prompt_session import Bounds, Click
from app.usecases.segment_roi import Account


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one outline was made from."""

    slide_id: int
    slice_id: int | None
    first_box: Bounds
    clicks: tuple[Click, ...]
    points: tuple[Click, ...]
    """The point annotations that were prompts, as they lay then."""
    options: OutlineOptions
    account: Account
    location: str
    """WKT, platform frame: what came of it, before the platform had it."""
