"""Refine many annotations, or take their refines back, with a journal from which an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from cytomine_refine.answers import Refined, RefineFailed
from cytomine_refine.client import RefineClient
from cytomine_refine.journal import Journal, Outcome, Row
from cytomine_refine.options import Options
from cytomine_refine.outlines import Outline
from cytomine_refine.wkt import read_wkt, same_outline

T = TypeVar("T")
R = TypeVar("R")
Stop = Callable[[], bool]


def _never() -> bool:
    return False


@dataclass
class Batch:
    """Many annotations on their way through a journal."""

    client: RefineClient
    journal: Journal
    hopeless: RefineFailed | None = None
    """Why no more are tried."""

    def refine(self, outlines: Iterable[Outline], choices: Options, jobs: int, stop: Stop = _never) -> Iterator[Row]:
        """Refine annotations, at most `jobs` at a time; gives a row as each is done, in no order.

        Parameters
        ----------
        choices : Options
            Of `RefineClient.refine`.
        stop : callable
            Asked before each new one; those under way are finished.
        """
        return self._each(partial(_refined, self.client, choices), outlines, jobs, stop)

    def undo(self, outlines: Iterable[Outline], stop: Stop = _never) -> Iterator[Row]:
        """Take back what the journal has as changed, one by one."""
        return self._each(
            lambda now: _undone(self.client, now, self.journal.last[now.annotation_id]), outlines, 1, stop
        )

    def accept(self, chosen: Iterable[Row], jobs: int, stop: Stop = _never) -> Iterator[Row]:
        """Make annotations of chosen proposals; one that Core has already is not made again."""
        return self._through(partial(_created, self.client), chosen, jobs, stop, _not_created)

    def _each(self, do: Callable[[Outline], Row], outlines: Iterable[Outline], jobs: int, stop: Stop) -> Iterator[Row]:
        return self._through(do, outlines, jobs, stop, _failed)

    def _through(
        self,
        do: Callable[[T], Row],
        items: Iterable[T],
        jobs: int,
        stop: Stop,
        failed: Callable[[T, RefineFailed], Row],
    ) -> Iterator[Row]:
        """Journal each row where it is made: one under way is written down even if nobody takes rows any more."""

        def tried(item: T) -> Row:
            try:
                row = do(item)
            except RefineFailed as failure:
                row = failed(item, failure)
                if failure.hopeless:
                    self.hopeless = failure
            self.journal.write(row)
            return row

        return side_by_side(tried, items, jobs, lambda: stop() or self.hopeless is not None)


def side_by_side(do: Callable[[T], R], items: Iterable[T], jobs: int, stop: Stop = _never) -> Iterator[R]:
    """Do something for all items, at most `jobs` at a time, until `stop`; what is under way is finished."""
    waiting = iter(items)
    under_way: set[Future[R]] = set()
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            while len(under_way) < jobs and not stop() and (item := next(waiting, None)) is not None:
                under_way.add(pool.submit(do, item))
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _refined(client: RefineClient, choices: Options, outline: Outline) -> Row:
    """Refine one and write down what became of it, or with a dry run what would."""
    result = client.refine(outline.annotation_id, **choices)
    before, after, dry_run = result.previous_location, result.location, bool(choices.get("dry_run"))
    would_go = () if choices.get("keep_points") or before == after else result.points_used
    return Row(
        annotation=outline.annotation_id,
        image=outline.image_id,
        outcome=_outcome(result, choices),
        score=round(result.score, 4),
        confidence=round(result.confidence, 4),
        area_before_px0=_area(before),
        area_after_px0=_area(after),
        points_deleted=len(would_go if dry_run else result.points_deleted),
        commands=result.commands,
        total_ms=round(result.total_ms, 1),
        doubts=result.doubts,
        previous_location=before,
        location=after,
    )


def _outcome(result: Refined, choices: Options) -> Outcome:
    leaves = result.doubtful and choices.get("doubtful") in ("preview", "refuse")
    if choices.get("dry_run"):
        if result.location == result.previous_location:
            return "would not change"
        return "would be left" if leaves else "would change"
    if result.preview:
        return "doubtful"
    return "changed" if result.changed else "unchanged"


def _undone(client: RefineClient, now: Outline, row: Row) -> Row:
    """Take one refine back, or delete what was made of a proposal."""
    if row.outcome == "created":
        client.delete(now.annotation_id)
        return Row(now.annotation_id, now.image_id, "undone", previous_location=now.location)
    client.undo(row)
    after = client.outline(now.annotation_id)
    if same_outline(after.location, now.location) and row.area_before_px0 != row.area_after_px0:
        raise RefineFailed(200, "Core restored the points, but not the outline")
    return Row(now.annotation_id, now.image_id, "undone", previous_location=now.location, location=after.location)


def _created(client: RefineClient, chosen: Row) -> Row:
    """Make an annotation of a proposal, unless there is one; a lost answer is looked for before it is told."""
    image, location = chosen.image or 0, chosen.location
    there = client.drawn_at(image, location)
    if there is not None:
        return replace(chosen, annotation=there.annotation_id, outcome="there already")
    try:
        made = client.draw(image, location, chosen.terms)
    except RefineFailed as failure:
        found = client.drawn_at(image, location) if failure.written is not False else None
        if found is None:
            raise
        made = found
    return replace(
        chosen, annotation=made.annotation_id, outcome="created", previous_location=location, location=made.location
    )


def _not_created(chosen: Row, failure: RefineFailed) -> Row:
    outcome: Outcome = "failed" if failure.written is False else "unknown"
    return replace(chosen, outcome=outcome, problem=str(failure))


def _failed(outline: Outline, failure: RefineFailed) -> Row:
    """Write a failure down; what may have been written all the same is no simple one."""
    if failure.written is False:
        return Row(outline.annotation_id, outline.image_id, "failed", problem=str(failure))
    told = "The outline was changed nevertheless" if failure.written else "The outline may have been changed"
    problem = f"{told}: check it before you repeat this. {failure}"
    return Row(outline.annotation_id, outline.image_id, "unknown", problem=problem, previous_location=outline.location)


def _area(location: str) -> float | None:
    try:
        return round(read_wkt(location).area, 1)
    except ValueError:  # whatever it is, it was written, or would be: that is what the row is to tell
        return None
