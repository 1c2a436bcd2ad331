"""A generated page: every command with its options, from the code that parses them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

PROGRAMS = (
    ("refine", "cytomine_refine.cli", "Refine from a terminal or a script. [Scripts](../scripts.md) has examples."),
    (
        "python -m app",
        "app.cli",
        "Run and look after the service; where it is installed, `refine-service` is the same.",
    ),
    (
        "python -m training",
        "training.cli",
        "Fine-tune and evaluate. [Training](../../training/README.md) has examples.",
    ),
    ("python -m demo", "demo.__main__", "The demo, as `make demo` starts it."),
    ("python -m scale", "scale.__main__", "Several replicas on Ray Serve: [several processes](../scale.md)."),
)
_INTRODUCTION = """\
# Commands

Every command with its options, generated from the code; `--help` shows the same. An option in *italics* is required.
"""


def commands_page() -> str:
    """Describe the commands of all programs, in Markdown."""
    parts = [_INTRODUCTION]
    for program, module, words in PROGRAMS:
        found: typer.Typer = importlib.import_module(module).app
        command = typer.main.get_command(found)
        context = typer.Context(command, info_name=program)
        parts += [f"## {program}\n", f"{words}\n", *_command(context, 3)]
    return "\n".join(parts)


def _command(context: typer.Context, level: int) -> Iterator[str]:
    command: Any = context.command
    rows = [row for parameter in command.params if (row := _row(parameter, context))]
    if rows:
        yield from ("| option | |", "|---|---|", *rows, "")
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is None or inner.hidden:
                continue
            below = typer.Context(inner, info_name=name, parent=context)
            yield f"{'#' * level} {_path(below)}\n"
            yield f"{_sentence(inner)}\n"
            yield from _command(below, min(level + 1, 4))


def _row(parameter: Any, context: typer.Context) -> str | None:
    record = parameter.get_help_record(context)
    if parameter.param_type_name == "argument":
        name = f"`{parameter.name.upper()}`"
        return f"| {name} | {_plain(getattr(parameter, 'help', None) or '')} |"
    if record is None or "--help" in parameter.opts:
        return None
    name = f"`{record[0]}`"
    return f"| {f'*{name}*' if parameter.required else name} | {_plain(record[1])} |"


def _path(context: typer.Context) -> str:
    parent = context.parent
    return f"{_path(parent)} {context.info_name}" if parent else str(context.info_name)  # type: ignore[arg-type]


def _sentence(command: Any) -> str:
    return _plain((command.help or "").split("\f")[0])


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("[required]", "").strip()
