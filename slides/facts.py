"""Which physical sizes are believed."""

from __future__ import annotations

import math
from typing import Any

_LEAST_UM, _MOST_UM = 0.005, 25.0
"""Microns per pixel of anything that a microscope or a slide scanner makes; 72 dots per inch are 353."""


def believed(microns: Any) -> float | None:
    """Give microns per pixel where they are a number that can be meant; an absurd one counts as none."""
    try:
        value = float(microns)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and _LEAST_UM <= value <= _MOST_UM else None


def power_of(told: Any) -> int | None:
    """Give a magnification where it is one."""
    try:
        value = float(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return round(value) if math.isfinite(value) and 0.5 <= value <= 400 else None
