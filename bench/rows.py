"""What a question answers: rows of figures, ours beside the reference's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    name: str
    ours: float
    """Median."""
    reference: float | None
    """Median of the reference, measured alternating with ours."""
    unit: str
    n: int
    p95: float
    share_of_ceiling: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the reference's."""
        return self.ours / self.reference if self.reference else None


def row(
    name: str,
    ours: Sequence[float],
    reference: Sequence[float] | None = None,
    *,
    unit: str = "s",
    share_of_ceiling: float | None = None,
    note: str = "",
) -> Row:
    """Make a row of samples."""
    return Row(
        name,
        float(np.median(ours)),
        float(np.median(reference)) if reference else None,
        unit,
        len(ours),
        float(np.percentile(ours, 95)),
        share_of_ceiling,
        note,
    )


def timed(work: Callable[..., object], *given: object, **options: object) -> float:
    """Give the seconds that a call takes."""
    start = time.perf_counter()
    work(*given, **options)
    return time.perf_counter() - start
