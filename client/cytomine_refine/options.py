"""The options of a refine, and how they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

_AT_CORE = {"keep_points": "keepPoints", "dry_run": "dryRun"}
"""How Core's addition spells them."""
_USUAL = {"holes": "fill", "parts": "all", "outline": "smooth"}
"""A service that does not know these yet does well without them."""


class Click(TypedDict):
    """A place on the object, or on the background."""

    x: float
    """Platform frame (origin bottom left), level-0 pixels."""
    y: float
    label: Literal[0, 1]
    """1: object; 0: background."""


class Options(TypedDict, total=False):
    """Options of a refine; docs/clicks.md explains them."""

    keep_points: bool
    points: Literal["auto", "all", "ignore"]
    dry_run: bool
    holes: Literal["fill", "keep"]
    parts: Literal["all", "largest"]
    box: Sequence[float] | None
    """The first box, x_min, y_min, x_max, y_max; by default the annotation's envelope."""
    clicks: Sequence[Click]
    proposal: Literal["best", "single", 0, 1, 2] | None
    detail: int | None
    """Most vertices."""
    outline: Literal["smooth", "thesis"]
    doubtful: Literal["write", "preview", "refuse"] | None
    """What to do with a doubtful outline; by default the operator's choice."""


def body_of(options: Options, *, to_core: bool) -> dict[str, Any]:
    """Give what is sent, to Core's addition or to the service.

    Raises
    ------
    TypeError
        There is no such option.
    """
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"There is no option {', '.join(sorted(unknown))}.")
    given: dict[str, Any] = {"keep_points": False, "dry_run": False, "points": "auto", **options}
    told = {name: value for name, value in given.items() if value is not None and _USUAL.get(name) != value}
    return {_AT_CORE.get(name, name) if to_core else name: value for name, value in told.items()}
