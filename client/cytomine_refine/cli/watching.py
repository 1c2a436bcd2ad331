"""What somebody who watches a batch sees, and how they stop it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cytomine_refine.cli.console import stderr


class Interrupted:
    """Whether somebody pressed Ctrl-C."""

    def __init__(self) -> None:
        self._pressed = self._at_once = False

    def __call__(self) -> bool:
        """Tell it."""
        return self._pressed

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let Ctrl-C stop the block at once: nothing is written there that had to be finished."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def press(self, *_: object) -> None:
        """Let what is under way finish; a second time stops at once."""
        if self._pressed or self._at_once:
            raise KeyboardInterrupt
        self._pressed = True
        stderr().print("Finishing the requests in progress ...")


@contextmanager
def interruptible() -> Iterator[Interrupted]:
    """Let Ctrl-C stop a batch between two annotations."""
    interrupted = Interrupted()
    before = signal.signal(signal.SIGINT, interrupted.press)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def tiles_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many tiles were searched, once their number is known: a bar on a terminal, and nothing in a log."""
    console = stderr()
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("tiles"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda tile, tiles: progress.update(task, completed=tile, total=tiles)


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, and nothing in a log."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)
