"""The command line of the service; each command imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from app.cli import doctor, engines, health, replay, serve, weights
from app.cli.console import Commands, stdout
from app.cli.handing_over import COMMANDS, PASSED_ON, hand_over

_PROJECT = "cytomine-refine-service"

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=Path(sys.argv[0]).name == "refine-service",  # a shell completes what has a name of its own
    pretty_exceptions_enable=False,
    help="Refine annotations on whole-slide images with SAM 2, beside Cytomine.",
    epilog="Settings are REFINE_* environment variables; docs/settings.md lists them."
    " Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
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


app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.command("engines")(engines.engines)
app.command("health")(health.health)
app.command("replay")(replay.replay)
app.add_typer(weights.app, name="weights")
for _name, _help in COMMANDS.items():
    app.command(_name, help=_help, context_settings=PASSED_ON, rich_help_panel="Commands of the client")(hand_over)


def run() -> None:
    """Run the command that the process' arguments name."""
    app()
