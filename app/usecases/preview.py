"""What a dry run shows, and all that is needed to write exactly that, or to see that it is no longer valid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from app.usecases.ports import Annotation, PointAnnotation
from app.usecases.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Preview:
    """An outline that was shown and not written."""

    annotation_id: int
    caller: int | None
    """Who has seen it; None where a service account acts for somebody unknown."""
    state: str
    """Digest of the annotation that it was computed from."""
    recipe: Recipe
    """Its location is exactly what will be written."""
    points: tuple[PointAnnotation, ...]
    """Those that were prompts, as they were read."""
    keep_points: bool
    model_sha256: str


def state_of(annotation: Annotation) -> str:
    """Digest what must not have changed."""
    told = f"{annotation.id}\n{annotation.slide_id}\n{annotation.updated}\n{annotation.location}"
    return hashlib.sha256(told.encode()).hexdigest()
