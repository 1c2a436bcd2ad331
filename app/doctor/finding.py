"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    about: str
    state: State
    said: str
    """What was found, in one line."""
    advice: str = ""
    """What to do, where something is wrong."""
