"""What a search shows while it runs, and what it leaves: lines for scripts, a file for QuPath, annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cytomine_refine.cli import outline_files
from cytomine_refine.cli.console import INTERRUPTED, PARTLY, refusal, stderr, stdout
from cytomine_refine.cli.run import Run, started
from cytomine_refine.cli.watching import tiles_bar

if TYPE_CHECKING:
    from cytomine_refine import Proposal, Proposals, RefineClient, Slide, Wishes
    from cytomine_refine.journal import Row
    from cytomine_refine.proposals import Ended

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
        looked = _looked(client, asked)
    stderr().print(
        f"{_count(looked.found)}; --accept turns them into annotations with the terms of --term or of the examples"
    )
    _tell_end(looked.ended)


@dataclass
class _Looked:
    """What a search has given."""

    found: list[Proposal] = field(default_factory=list)
    ended: Ended | None = None


def _looked(client: RefineClient, asked: Search) -> _Looked:
    """Ask the service, and show and write what it proposes: also what came before it broke off."""
    from cytomine_refine import RefineFailed

    looked = _Looked()
    try:
        slide = client.slide(asked.image)
        try:
            with client.propose(asked.image, asked.region, **asked.wishes) as proposals:
                for each in _watched(proposals):
                    _take(looked, each, asked)
            looked.ended = proposals.ended
        finally:
            if asked.geojson and (looked.ended or looked.found):
                _write(asked.geojson, looked.found, slide)
    except RefineFailed as failure:
        raise refusal(f"{failure}{_kept(looked, asked)}") from failure
    except KeyboardInterrupt:
        stderr().print(f"Stopped; nothing was stored{_kept(looked, asked)}.")
        raise typer.Exit(INTERRUPTED) from None
    return looked


def _take(looked: _Looked, proposal: Proposal, asked: Search) -> None:
    if proposal.likeness is not None and proposal.likeness < asked.min_likeness:
        return
    looked.found.append(proposal)
    if asked.as_json and not asked.accept:
        stdout().print(json.dumps(asdict(proposal)))


def _kept(looked: _Looked, asked: Search) -> str:
    """Say what there is of a search that broke off."""
    if not looked.found:
        return ""
    where = f"kept in {asked.geojson}" if asked.geojson else "came before that"
    return f"; only part of the region was searched, {_count(looked.found)} {where}"


def _tell_end(ended: Ended | None) -> None:
    """Say of a search that ended early how much of the region it has seen; raises what the command ends with."""
    if ended is None or ended.stopped is None:
        return
    empty = f", {ended.tiles_empty:,} more show only glass" if ended.tiles_empty else ""
    searched = f"{ended.tiles:,} of {ended.tiles + ended.tiles_left:,} tiles were searched{empty}"
    if ended.stopped == "limit":
        stderr().print(f"The limit was reached: {searched}. There are more: raise --limit.")
        return
    stderr().print(f"The time was up: {searched}. Search the rest in smaller regions, with --box or --region.")
    raise typer.Exit(PARTLY)


def _watched(proposals: Proposals) -> Iterator[Proposal]:
    with tiles_bar("Searching") as show:
        for each in proposals:
            show(each.tile, each.tiles)
            yield each


def _accept(run: Run, asked: Search) -> None:
    """Make annotations of what was found, or go on with what an earlier run has chosen."""
    from cytomine_refine import choosing

    ended = None
    if choosing.begun(run.journal, asked.question) and not asked.again:
        todo = choosing.left(run.journal, asked.question)
        stderr().print(f"Resuming {asked.report}: {len(todo)} of its proposals are not annotations yet.")
    else:
        with run.interrupted.at_once():
            looked = _looked(run.client, asked)
        ended = looked.ended
        todo = choosing.chosen(looked.found, asked.terms, asked.question)
        run.journal.write_all(todo)
    run.watch("Making annotations", _shown(run.batch.accept(todo, asked.jobs, run.interrupted), asked), len(todo))
    counts = [(label, sum(row.outcome == outcome for row in run.rows)) for outcome, label in _LABELS.items()]
    run.end(", ".join(f"{count} {label}" for label, count in counts if count) or "nothing to store")
    _tell_end(ended)


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
