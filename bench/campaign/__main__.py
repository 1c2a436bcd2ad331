"""``python -m bench.campaign``: random faults, kills and meddling at random calls, with several users at a time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.campaign.play import Evidence, play
from bench.campaign.trial import plan
from bench.campaign.verdict import breaches
from bench.campaign.world import world
from bench.commands import program

_FAMILIES = {
    "shape": "shapes lost or written over somebody's newer one",
    "points": "points lost",
    "twice": "written twice, or by a dry run",
    "late": "written after the deadline",
    "answer": "undeclared or broken answers",
    "truth": "answers that do not say what was written",
}


def main(
    runs: Annotated[int, typer.Option(min=1, help="How many trials.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same trials.")] = 1,
    first: Annotated[int, typer.Option(min=0, help="Number of the first trial, to repeat a breach.")] = 0,
    replicas: Annotated[int, typer.Option(min=1, max=4, help="How many services share nothing but Core.")] = 2,
    folder: Annotated[Path, typer.Option(help="Folder for database, slide, logs and figures.")] = Path("out/campaign"),
) -> None:
    """Let people refine while everything around them goes wrong, and judge what is left."""
    stderr = Console(stderr=True)
    figures, statuses = Counter(dict.fromkeys(_FAMILIES, 0)), Counter[str]()
    broken: list[dict[str, object]] = []
    columns = (TextColumn("Trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with world(folder, replicas) as stage, Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        for number in bar.track(range(first, first + runs)):
            evidence = play(stage, plan(seed, number, replicas))
            statuses.update(_outcomes(evidence))
            for breach in breaches(evidence):
                figures[breach.partition(":")[0]] += 1
                broken.append({"trial": number, "breach": breach})
                stderr.print(f"trial {number}: {breach}")
    told = {"runs": runs, "seed": seed, "replicas": replicas, "breaches": dict(figures), "answers": dict(statuses)}
    (folder / f"campaign-{seed}.json").write_text(json.dumps({**told, "broken": broken}, indent=2) + "\n")
    Console().print(_table(figures, statuses, runs))
    if broken:
        again = f"python -m bench.campaign --seed {seed} --replicas {replicas} --runs 1 --first {broken[0]['trial']}"
        stderr.print(f"Play the first breach again: {again}")
        raise typer.Exit(1)


def _outcomes(evidence: Evidence) -> list[str]:
    """Name how each request of a trial ended, and each write."""
    edits = ["edit" if each.kind == "edit" else "deletion" for each in evidence.commands]
    ends = ["connection broke" if each.status == 0 else f"{each.status}" for each in evidence.answers]
    return [*ends, *edits, *(["kill"] if evidence.killed else [])]


def _table(figures: Counter[str], statuses: Counter[str], runs: int) -> Table:
    table = Table("what must not be", "breaches", title=f"{runs} trials")
    for family, says in _FAMILIES.items():
        table.add_row(says, str(figures[family]))
    table.caption = ", ".join(f"{count} x {name}" for name, count in sorted(statuses.items()))
    return table


if __name__ == "__main__":
    program(main)()
