"""Commands of the client's package, ``cytomine-refine``, to which ``python -m app`` hands them over."""

from __future__ import annotations

import typer

from app.cli.console import refusal

COMMANDS = {
    "refine": "Refine single annotations, or all of a project.",
    "similar": "Find objects similar to given annotations.",
    "propose": "Find every object in a region of an image.",
    "undo": "Undo what a report lists.",
}
PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
"""What follows the command is for the client to understand, ``--help`` included."""


def hand_over(context: typer.Context) -> None:
    """Run the client's command of the same name; without the client, say how to install it."""
    try:
        from cytomine_refine.cli import run
    except ModuleNotFoundError as error:
        if error.name != "cytomine_refine":
            raise
        raise refusal(
            f"{context.command_path} is a command of the package cytomine-refine, which is not installed:"
            " pip install cytomine-refine, or pip install ./client in a checkout."
        ) from error
    parent = context.parent
    run([context.info_name or "", *context.args], parent.info_name if parent else None)
