"""What all commands share: where they print, and how they fail."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from app.errors import ServiceError

_PIPE_WIDTH = 200
"""Characters: no table of ours is wider."""


class Commands(TyperGroup):
    """A group of commands in which an error of ours is one line on stderr and exit code 1, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            stderr().print("error:", style="bold red", end=" ")
            stderr().print(error.detail)
            raise typer.Exit(1) from error


def stdout() -> Console:
    """Give the console of answers."""
    return _console(error=False)


def stderr() -> Console:
    """Give the console of progress and errors."""
    return _console(error=True)


def _console(*, error: bool) -> Console:
    """Print text as it is: a path in brackets is no markup, and a pipe gets whole lines without colours."""
    console = Console(stderr=error, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console
