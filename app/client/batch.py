"""Refine many annotations, a few at a time, with a journal from which an interrupted run goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TextIO

import shapely

from app.client.client import Refined, RefineFailed


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the journal; a CSV file is the journal and the report at once."""

    annotation: int
    outcome: str
    """changed, unchanged or failed."""
    score: float | None
    area_before_px0: float | None
    area_after_px0: float | None
    points_deleted: int
    command: int | None
    total_ms: float | None
    problem: str
    location: str
    """WKT, platform frame."""


COLUMNS = tuple(field.name for field in fields(Row))


def refine_all(
    ids: Iterable[int], refine: Callable[[int], Refined], jobs: int, stop: Callable[[], bool] = lambda: False
) -> Iterator[Row]:
    """Refine annotations, at most `jobs` at a time; gives a row as each is done, in no order.

    Parameters
    ----------
    stop : callable
        Asked before each new one; those under way are finished.
    """
    waiting = iter(ids)
    under_way: dict[Future[Refined], int] = {}
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            while len(under_way) < jobs and not stop() and (number := next(waiting, None)) is not None:
                under_way[pool.submit(refine, number)] = number
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield _row(under_way.pop(future), future)


def _row(number: int, future: Future[Refined]) -> Row:
    try:
        result = future.result()
    except RefineFailed as failure:
        return Row(number, "failed", None, None, None, 0, None, None, str(failure), "")
    return Row(
        annotation=number,
        outcome="changed" if result.changed else "unchanged",
        score=round(result.score, 4),
        area_before_px0=round(shapely.from_wkt(result.previous_location).area, 1),
        area_after_px0=round(shapely.from_wkt(result.location).area, 1),
        points_deleted=len(result.points_deleted),
        command=result.command,
        total_ms=round(result.total_ms, 1),
        problem="",
        location=result.location,
    )


def done_before(journal: Path) -> set[int]:
    """Tell which annotations a journal has as done; failed ones are to be tried again."""
    if not journal.is_file():
        return set()
    with journal.open(newline="") as file:
        return {int(row["annotation"]) for row in csv.DictReader(file) if row["outcome"] != "failed"}


@contextmanager
def journal_at(path: Path) -> Iterator[Callable[[Row], None]]:
    """Open a journal; each row is on the disk before the next one is begun."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not path.stat().st_size:
            writer.writeheader()

        def write(row: Row) -> None:
            writer.writerow({name: getattr(row, name) for name in COLUMNS})
            file.flush()

        yield write


def write_geojson(journal: Path, out: TextIO) -> None:
    """Write the outlines of a journal as a GeoJSON FeatureCollection, the last one of each annotation."""
    with journal.open(newline="") as file:
        rows = {row["annotation"]: row for row in csv.DictReader(file) if row["location"]}
    features = [
        {
            "type": "Feature",
            "id": int(number),
            "geometry": shapely.geometry.mapping(shapely.from_wkt(row["location"])),
            "properties": {"score": float(row["score"]), "outcome": row["outcome"]},
        }
        for number, row in rows.items()
    ]
    json.dump({"type": "FeatureCollection", "features": features}, out)
