"""How a measurement is started from a terminal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import typer

from app.cli.console import Command, refusal


def program(main: Callable[..., None]) -> typer.Typer:
    """Make a program of a function, whose parameters are its options."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=Command)(main)
    return app


def check_names(asked: Iterable[str], known: Collection[str], option: str) -> None:
    """Refuse names that are not known; raises `typer.BadParameter`."""
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise typer.BadParameter(f"There is no {', '.join(unknown)}; choose from {', '.join(known)}", param_hint=option)


def check_folder(folder: Path) -> None:
    """See before any work is done that results can be written; raises what ends the program."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refusal(f"{folder} cannot be written ({error.strerror}): choose another --out.") from error
