"""What all commands share: where they print, how they fail, and the codes they exit with."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

FAILED = 1
"""Nothing was done, or not everything was tried; one line says why."""
PARTLY = 3
"""Everything was tried, and some failed, or a search ran out of time; a line has said why."""
INTERRUPTED = 130
"""Stopped by Ctrl-C; the same command resumes from there."""

_WrongUsage: type[Exception] = typer.BadParameter.__bases__[0]
"""Of the click that this Typer uses or brings along."""

_PIPE_WIDTH = 200
"""Characters: no table of ours is wider."""


class _Manners:
    """Help and errors of ours: flags as names without a value, and wrong usage in one line that says where to read."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the parameters."""
        return _as_typed(super().get_params(ctx))  # type: ignore[misc]

    def main(self, *arguments: Any, standalone_mode: bool = True, **more: Any) -> Any:
        """Run the command, and end the process with its exit code."""
        run: Callable[..., Any] = super().main  # type: ignore[misc]
        if not standalone_mode:
            return run(*arguments, standalone_mode=False, **more)
        try:
            ended = run(*arguments, standalone_mode=False, **more)
        except _WrongUsage as error:
            sys.exit(_wrong_usage(error))
        except typer.Abort:
            sys.exit(INTERRUPTED)
        sys.exit(ended if isinstance(ended, int) else 0)


class Commands(_Manners, TyperGroup):
    """A group of commands."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command of the group."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _as_typed(command.get_params(ctx))
        return command


def _as_typed(parameters: list[Any]) -> list[Any]:
    """Let the help show ``--dry-run``, not ``--dry-run <bool>``, and ``REPORT``, not ``report``."""
    for each in parameters:
        if getattr(each, "is_flag", False):
            each.metavar = ""
        elif each.param_type_name == "argument" and each.metavar is None:
            each.metavar = each.name.upper()
    return parameters


def _wrong_usage(error: Any) -> int:
    """Say in one line what is wrong with the words that were typed; gives the exit code."""
    if type(error).__name__ != "NoArgsIsHelpError":  # that has shown the help already
        told = error.format_message().removeprefix("Invalid value: ").strip().rstrip(".")
        told = re.sub(r"'\[(.*?)\]'", lambda found: found[1].replace(", ", " or "), told)  # several env vars
        refusal(
            f"{told}{'' if told.endswith('?') else '.'} Try: {error.ctx.command_path} --help" if error.ctx else told
        )
    return int(error.exit_code)


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
