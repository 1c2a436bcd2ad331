"""Bars for whoever watches: on a terminal only, and never among what a script reads."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def bar_of(*columns: str | ProgressColumn) -> Progress:
    """Give a bar on the standard error; elsewhere than on a terminal it shows nothing."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)
