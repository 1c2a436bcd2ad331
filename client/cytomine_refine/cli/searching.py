"""What a search shows while it runs, and what it leaves: lines for scripts, a file for QuPath, annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cytomine_refine.cli import outline_files
from cytomine_refine.cli.console import INTERRUPTED, refusal, stderr, stdout
from cytomine_refine.cli.run import Run, started
from cytomine_refine.cli.watching import tiles_bar

if TYPE_CHECKING:
    from cytomine_refine import Proposal, Proposals, RefineClient, Slide, Wishes
    from cytomine_refine.journal import Row

_LABELS = {
    "created": "annotations created",
    "there already": "existed already",
    "failed": "failed",
    "unknown": "to check",
}


@dataclass(frozen=True)
class Search:
    """What is searched for, and what becomes of it."""

    image: int
    region: str | int | None
    wishes: Wishes
    min_likeness: float
    terms: tuple[int, ...]
    accept: bool
    again: bool
    jobs: int
    report: str
    as_json: bool
    geojson: Path | None

    @property
    def question(self) -> str:
        """What makes it the same search the next time."""
        from cytomine_refine.choosing import question_text

        return question_text(
            {"image": self.image, "region": self.region, "min_likeness": self.min_likeness, **self.wishes}
        )


def search(client: RefineClient, asked: Search) -> None:
    """Search, write what was asked for, and with ``--accept`` make annotations; raises what it ends with."""
    if asked.geojson:
        outline_files.check_writable(asked.geojson)
    if asked.accept:
        with started(client, asked.report, for_scripts=asked.as_json) as run:
            _accept(run, asked)
        return
    with client:
        found = _looked(client, asked)
    stderr().print(f"{_count(found)}; --accept turns them into annotations with the terms of --term or of the examples")


def _looked(client: RefineClient, asked: Search) -> list[Proposal]:
    """Ask the service, and show and write what it proposes."""
    from cytomine_refine import RefineFailed

    try:
        slide = client.slide(asked.image)
        found = []
        with client.propose(asked.image, asked.region, **asked.wishes) as proposals:
            for each in _watched(proposals):
                if each.likeness is None or each.likeness >= asked.min_likeness:
                    found.append(each)
                    if asked.as_json and not asked.accept:
                        stdout().print(json.dumps(asdict(each)))
        if proposals.ended and proposals.ended.stopped:
            why = {"limit": "there are more: raise --limit", "deadline": "time ran out: choose a smaller region"}
            stderr().print(f"Not the whole region was searched; {why[proposals.ended.stopped]}.")
    except RefineFailed as failure:
        raise refusal(str(failure)) from failure
    except KeyboardInterrupt:
        stderr().print("Stopped; nothing was stored.")
        raise typer.Exit(INTERRUPTED) from None
    if asked.geojson:
        _write(asked.geojson, found, slide)
    return found


def _watched(proposals: Proposals) -> Iterator[Proposal]:
    with tiles_bar("Searching") as show:
        for each in proposals:
            show(each.tile, each.tiles)
            yield each


def _accept(run: Run, asked: Search) -> None:
    """Make annotations of what was found, or go on with what an earlier run has chosen."""
    from cytomine_refine import choosing

    if choosing.begun(run.journal, asked.question) and not asked.again:
        todo = choosing.left(run.journal, asked.question)
        stderr().print(f"Resuming {asked.report}: {len(todo)} of its proposals are not annotations yet.")
    else:
        todo = choosing.chosen(_looked(run.client, asked), asked.terms, asked.question)
        run.journal.write_all(todo)
    run.watch("Making annotations", _shown(run.batch.accept(todo, asked.jobs, run.interrupted), asked), len(todo))
    counts = [(label, sum(row.outcome == outcome for row in run.rows)) for outcome, label in _LABELS.items()]
    run.end(", ".join(f"{count} {label}" for label, count in counts if count) or "nothing to store")


def _shown(rows: Iterator[Row], asked: Search) -> Iterator[Row]:
    for row in rows:
        if asked.as_json:
            stdout().print(json.dumps({"annotation": row.annotation or None, **_told(row)}))
        yield row


def _told(row: Row) -> dict[str, object]:
    names = ("image", "outcome", "score", "confidence", "likeness", "problem", "location")
    return {name: getattr(row, name) for name in names}


def _write(target: Path, found: Sequence[Proposal], slide: Slide) -> None:
    """Write proposals where ``--geojson`` says, for QuPath."""
    from cytomine_refine.geojson import feature

    features = [
        feature(None, each.location, slide, score=each.score, confidence=each.confidence, likeness=each.likeness)
        for each in found
    ]
    outline_files.write_features(target, {slide.id: features}, [slide])


def _count(found: Sequence[Proposal]) -> str:
    return "1 proposal" if len(found) == 1 else f"{len(found)} proposals"
