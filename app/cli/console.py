"""What all commands share: where they print, and how they fail."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from app.errors import ServiceError

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


class Commands(PlainFlags):
    """A group of commands in which an error of ours is one line on stderr and exit code 1, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            raise refusal(error.detail) from error


def _without_types_of_flags(options: list[Any]) -> list[Any]:
    """Let the help show ``--dry-run``, not ``--dry-run <bool>``: a flag takes no value."""
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    return options


def refusal(text: str) -> typer.Exit:
    """Say in one line why nothing more is done; raise what is given."""
    stderr().print("error:", style="bold red", end=" ")
    stderr().print(text)
    return typer.Exit(1)


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
