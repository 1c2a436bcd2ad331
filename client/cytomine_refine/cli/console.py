"""What all commands share: where they print, how they fail, and the codes they exit with."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

FAILED = 1
"""Nothing was done, or not everything was tried; one line says why."""
PARTLY = 3
"""Everything was tried, and some failed; each has said why."""
INTERRUPTED = 130
"""Stopped by Ctrl-C; the same command goes on from there."""

_PIPE_WIDTH = 200
"""Characters: no table of ours is wider."""


class PlainFlags(TyperGroup):
    """A group of commands whose help shows flags as what they are: names without a value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the options of the group itself."""
        return _without_types_of_flags(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command of the group."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types_of_flags(command.get_params(ctx))
        return command


def _without_types_of_flags(options: list[Any]) -> list[Any]:
    """Let the help show ``--dry-run``, not ``--dry-run <bool>``: a flag takes no value."""
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    return options


def refusal(text: str) -> typer.Exit:
    """Say in one line why nothing more is done; raise what is given."""
    stderr().print("error:", style="bold red", end=" ")
    stderr().print(" ".join(text.split()))
    return typer.Exit(FAILED)


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
