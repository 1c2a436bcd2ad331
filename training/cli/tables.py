"""``tables`` lists the thesis' tables and figures; ``table`` runs one."""

from __future__ import annotations

import typer


def tables() -> None:
    """List every table and figure of the thesis' chapters 4 to 6, and what runs each."""
    from training.tables.registry import ENTRIES, command_of

    for entry in ENTRIES:
        name = entry.number if " " in entry.number or not entry.number[0].isdigit() else f"table {entry.number}"
        typer.echo(f"{name}: {entry.title}\n    {command_of(entry)}")
