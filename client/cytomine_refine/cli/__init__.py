"""The command line for everybody who works with Cytomine; each command imports what it needs when it runs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from cytomine_refine.cli import refine, similar, undo
from cytomine_refine.cli.console import Commands, stdout

_PROJECT = "cytomine-refine"
_REFINING = "Refine what is drawn"
_FINDING = "Find what is not drawn"
_UNDOING = "Undo"

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Refine annotations on whole-slide images in Cytomine, and find others like them, with your own rights.",
    epilog="Set CYTOMINE_HOST, CYTOMINE_PUBLIC_KEY and CYTOMINE_PRIVATE_KEY in the environment; your account page in"
    " Cytomine shows your keys. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some failed, 130 interrupted.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        stdout().print(f"{_PROJECT} {version(_PROJECT)}")
        raise typer.Exit


@app.callback()
def _any_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take what stands before the command."""


app.command("annotation", rich_help_panel=_REFINING)(refine.annotation)
app.command("project", rich_help_panel=_REFINING)(refine.project)
app.command("similar", rich_help_panel=_FINDING)(similar.similar)
app.command("propose", rich_help_panel=_FINDING)(similar.propose)
app.command("undo", rich_help_panel=_UNDOING)(undo.undo)
app.command("refine", hidden=True)(refine.refine)


def run(arguments: list[str] | None = None, name: str | None = None) -> None:
    """Run the command that the process' arguments name, or that `arguments` do, as the program `name`."""
    app(arguments, prog_name=name)
