"""What was asked and what came of it: one note for each request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["draw", "point", "prefetch", "refine"]
KINDS: tuple[Kind, ...] = ("draw", "point", "prefetch", "refine")

_WAITED_MS = 30.0
"""An answer whose own steps leave more of its total unexplained has waited for a window that somebody had begun."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the service said of a refine."""

    annotation: int
    changed: bool
    location: str
    """WKT, platform frame, as stored."""
    previous_location: str
    points_deleted: tuple[int, ...]
    command: int | None
    """Core's undo handle: which command of Core's this answer tells of."""
    window: tuple[int, int, int, int]
    """x, y, width, height; slide frame."""
    timings_ms: dict[str, float]

    @property
    def embedding(self) -> Literal["ready", "under way", "own"]:
        """Whether the encoder had done its work before, was at it, or had to be asked."""
        if self.timings_ms["encode"]:
            return "own"
        steps_ms = sum(spent for step, spent in self.timings_ms.items() if step != "total")
        return "under way" if self.timings_ms["total"] - steps_ms > _WAITED_MS else "ready"


@dataclass(frozen=True, slots=True)
class Note:
    """One request. Moments are seconds since the start of the run."""

    kind: Kind
    session: int
    annotation: int
    """Whom it is about; for a box or a point that was drawn: its own number. 0: it got none."""
    attempt: int
    """0 is the first; whoever was turned away comes back."""
    wished_s: float
    """When the person wanted it. With an open load a late generator, or a line, cannot move this moment."""
    due_s: float
    """When this attempt was to be sent."""
    sent_s: float
    done_s: float
    status: int
    """0: no answer came."""
    retry_after_s: float | None = None
    told: Told | None = None

    @property
    def latency_s(self) -> float:
        """From the wish to the answer, refusals and waiting included."""
        return self.done_s - self.wished_s

    @property
    def lag_s(self) -> float:
        """How late the generator itself was."""
        return self.sent_s - self.due_s

    @property
    def accepted(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def uncertain(self) -> bool:
        """Whether the service may have written something, although it did not say so."""
        return self.status == 0 or self.status >= 500


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure is spread over requests."""

    n: int
    median: float
    p95: float
    p99: float
    most: float


def spread(values: Iterable[float]) -> Spread | None:
    """Summarise values; None of none."""
    found = np.fromiter(values, float)
    if not found.size:
        return None
    median, p95, p99 = np.percentile(found, (50, 95, 99)).tolist()
    return Spread(found.size, median, p95, p99, float(found.max()))


def between(notes: Sequence[Note], start_s: float, end_s: float) -> list[Note]:
    """Keep what was wished in a time."""
    return [note for note in notes if start_s <= note.wished_s < end_s]


def statuses(notes: Iterable[Note]) -> dict[str, int]:
    """Count the statuses, the most frequent first; "none" where no answer came."""
    names = [str(note.status or "none") for note in notes]
    return dict(sorted(((name, names.count(name)) for name in set(names)), key=lambda pair: -pair[1]))
