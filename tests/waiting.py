"""How tests wait: for what they mean, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], what: str = "what was waited for", most_s: float = 240) -> None:
    """Wait for something that must come; the bound only ends a test that will never pass."""
    give_up = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < give_up, f"never came: {what}"
        time.sleep(0.005)
