"""Bars for long steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.dataset.item import Item
from training.terminal import bar_of

_FEW = 200
"""Items that are looked at in a moment, without a bar."""


def checked(items: Sequence[Item]) -> Iterator[Item]:
    """Go through items whose files are looked at, with a bar where that takes a while."""
    return _with_bar(items, len(items)) if len(items) > _FEW else iter(items)


def _with_bar(items: Iterable[Item], total: int) -> Iterator[Item]:
    columns = (TextColumn("Checking files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar_of(*columns) as bar:
        yield from bar.track(items, total=total)


def export_bar() -> Progress:
    """Give the bar of an export: images, and what was made of them."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("images {task.fields[told]}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    return bar_of(*columns)
