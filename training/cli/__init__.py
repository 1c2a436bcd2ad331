"""The command line of the training; each command imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

import signal
from typing import Any

import typer

from app.cli import console
from app.errors import StartupError
from training.cli import embedded, evaluate, export, learn, package, pull, tables, train, whole
from training.errors import TrainingError

WRONG_USAGE = 2


class Commands(console.Group):
    """A group of commands in which an error of ours is one line on stderr, and so is an interruption.

    What was asked for and is not there ends as any wrong usage does, with exit code 2.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (TrainingError, StartupError) as error:
            ended = console.refusal(str(error))
            raise typer.Exit(WRONG_USAGE) if isinstance(error, StartupError) else ended from error
        except KeyboardInterrupt as stopped:
            console.stderr().print("Stopped. What is finished is kept: the same command resumes from here.")
            raise typer.Exit(console.INTERRUPTED) from stopped


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train models for the refine service: export, train, evaluate, package; `whole` does it all.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or missing data or weights, 3 some could not be read,"
    " 130 interrupted.",
)
app.add_typer(export.app, name="export")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("package")(package.package)
app.command("pull")(pull.pull)
app.command("whole")(whole.whole)
app.command("learn")(learn.learn)
app.command("tables")(tables.tables)
app.command("table")(tables.table)
app.command("embedded")(embedded.embedded)


def run() -> None:
    """Run the command that the process' arguments name; a SIGTERM, as at a shutdown, stops it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="python -m training")
