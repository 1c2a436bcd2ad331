"""How a download shows its progress: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from app.segmenter.weights import Progress

_LINES = 10


@contextmanager
def show_progress(name: str, console: Console) -> Iterator[Progress]:
    """Show the progress of one download while the block runs."""
    if not console.is_terminal:
        yield _Lines(name, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done_bytes, total_bytes: bar.update(task, completed=done_bytes, total=total_bytes)


class _Lines:
    """One line per tenth of the file."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._shown = -1

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        tenth = done_bytes * _LINES // total_bytes
        if tenth != self._shown:
            self._shown = tenth
            self._console.print(f"{self._name}: {done_bytes / 1e6:,.1f} of {total_bytes / 1e6:,.1f} MB")
