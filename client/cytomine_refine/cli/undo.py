"""``undo``: take back what the report of a run has as changed or made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytomine_refine.cli.connection import HERE, Host, PrivateKey, PublicKey, Signature, connect
from cytomine_refine.cli.console import stderr
from cytomine_refine.cli.run import Run, shortened, started

if TYPE_CHECKING:
    from cytomine_refine import Outline
    from cytomine_refine.journal import Outcome, Row

_LABELS: dict[Outcome, str] = {"undone": "taken back", "failed": "failed", "unknown": "to check"}


def undo(
    report: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="The report of a run; what is undone is noted in it."),
    ],
    annotation: Annotated[
        list[int] | None, typer.Option(help="Undo this annotation only; may be repeated.", show_default=False)
    ] = None,
    host: Host = HERE,
    public_key: PublicKey = "",
    private_key: PrivateKey = "",
    signature: Signature = "full",
) -> None:
    """Undo what a report lists: outlines changed, deleted points included, and annotations made.

    Anything edited since is left alone.
    """
    with started(connect(host, public_key, private_key, signature), str(report)) as run:
        changed = [number for number, row in run.journal.last.items() if _can_go_back(row)]
        asked = [number for number in reversed(changed) if not annotation or number in annotation]
        todo = _as_refined(run, run.look_up(asked))
        run.watch("Taking back", run.batch.undo(todo, run.interrupted), len(todo))
        counts = Counter(row.outcome for row in run.rows)
        told = [f"{counts[outcome]} {label}" for outcome, label in _LABELS.items() if counts[outcome]]
        run.end(", ".join(told) or "nothing to undo")


def _can_go_back(row: Row) -> bool:
    return row.outcome == "created" or (row.outcome == "changed" and bool(row.commands))


def _as_refined(run: Run, outlines: list[Outline]) -> list[Outline]:
    """Leave out what is no longer as the refine left it."""
    standing = {each.annotation_id: run.journal.standing(each.annotation_id, each.location) for each in outlines}
    left = [outline for outline in outlines if standing[outline.annotation_id] != "done"]
    if left:
        stderr().print(f"{len(left)} left alone, changed since {run.report} was written: {shortened(left)}.")
    return [outline for outline in outlines if standing[outline.annotation_id] == "done"]
