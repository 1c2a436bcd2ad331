"""Values that are no whole numbers of up to 16 bits: stretched to 16 bits from lowest to highest, and told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slides.source import Box

_WHITE = 65535


@dataclass(frozen=True, slots=True)
class Stretch:
    """From which value to which one a channel is shown."""

    low: float
    high: float

    @property
    def told(self) -> str:
        """Say it to a person."""
        return f"values from {self.low:g} to {self.high:g} are shown as 0 to {_WHITE}"

    def applied(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """Stretch values; NaN becomes black."""
        span = self.high - self.low
        with np.errstate(all="ignore"):
            scaled = (values.astype(np.float64) - self.low) * (_WHITE / span if span > 0 else 0)
        finite = np.nan_to_num(scaled, nan=0, posinf=_WHITE, neginf=0)
        return np.asarray(np.rint(np.clip(finite, 0, _WHITE)), np.uint16)


def stretch_of(ends: Iterable[tuple[float, float] | None]) -> Stretch:
    """Give the stretch from the lowest to the highest of several arrays' ends; see `ends_of`."""
    found = [each for each in ends if each is not None]
    if not found:
        return Stretch(0.0, 0.0)
    return Stretch(min(low for low, _ in found), max(high for _, high in found))


def ends_of(values: npt.NDArray[Any], without: Sequence[Box] = ()) -> tuple[float, float] | None:
    """Give the lowest and the highest number of an array, not looking into some boxes; None where there is none."""
    if without:
        beside = np.ones(values.shape[:2], np.bool_)
        for box in without:
            beside[box.top : box.bottom, box.left : box.right] = False
        values = values[beside]
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else None
