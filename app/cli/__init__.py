"""The command line of the service; each command imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

import typer

from app.cli import doctor, engines, health, refine, serve, undo, weights
from app.cli.console import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Refine annotations on whole-slide images with SAM 2, beside Cytomine.",
    epilog="Settings come from REFINE_* environment variables; the README lists them.",
)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.command("engines")(engines.engines)
app.command("health")(health.health)
app.command("refine")(refine.refine)
app.command("undo")(undo.undo)
app.add_typer(weights.app, name="weights")


def run() -> None:
    """Run the command that the process' arguments name."""
    app(prog_name="python -m app")
