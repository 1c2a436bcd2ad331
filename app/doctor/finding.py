"""What one check found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import httpx

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


def cause(error: Exception) -> str:
    """Say what an exception is about, also where it has no text."""
    return re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def is_down(answer: httpx.Response) -> bool:
    """Tell whether a proxy answered in the place of one that did not."""
    return answer.status_code in {502, 503, 504} and "json" not in answer.headers.get("content-type", "")
