"""The journal of a batch: a CSV file, report and memory at once; what is in it is compared with what Core has now.

Only what a real run wrote, or did not need to write, counts (decision 0026).
"""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO, get_args

from cytomine_refine.wkt import same_outline

if TYPE_CHECKING:
    from typing_extensions import Self

Outcome = Literal[
    "changed", "unchanged", "doubtful", "would change", "would not change", "would be left", "undone", "failed",
    "unknown", "chosen", "created", "there already",
]  # fmt: skip
"""unchanged: nothing was found; doubtful: left as it was until somebody looks; would ...: a dry run; unknown: no answer
came back, check it before you repeat; chosen: a proposal that is to become an annotation; created: it has."""
_OUTCOMES: dict[str, Outcome] = {outcome: outcome for outcome in get_args(Outcome)}
Standing = Literal["to do", "done", "edited since"]


class NoJournal(ValueError):
    """A file that is to go on as a journal is something else."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the journal."""

    annotation: int
    """Id; 0: there is none yet."""
    image: int | None
    outcome: Outcome
    score: float | None = None
    confidence: float | None = None
    area_before_px0: float | None = None
    area_after_px0: float | None = None
    points_deleted: int = 0
    """With a dry run: that would be deleted."""
    commands: tuple[int, ...] = ()
    """Handles of Core's undo, in the order made."""
    total_ms: float | None = None
    doubts: tuple[str, ...] = ()
    likeness: float | None = None
    terms: tuple[int, ...] = ()
    question: str = ""
    """Of a proposal: what was asked, so that the same command finds its own lines."""
    problem: str = ""
    previous_location: str = ""
    location: str = ""
    """WKT, platform frame; where nothing was written, as it would be; empty where it is not known."""

    @classmethod
    def read(cls, line: Mapping[str, str | None]) -> Self:
        """Read a line of a CSV file, also of one from before a column was added; raises ValueError or LookupError."""
        return cls(
            annotation=int(line.get("annotation") or ""),
            image=_number(line.get("image")),
            outcome=_OUTCOMES[line.get("outcome") or ""],
            score=_measure(line.get("score")),
            confidence=_measure(line.get("confidence")),
            area_before_px0=_measure(line.get("area_before_px0")),
            area_after_px0=_measure(line.get("area_after_px0")),
            points_deleted=_number(line.get("points_deleted")) or 0,
            commands=tuple(int(each) for each in (line.get("commands") or line.get("command") or "").split()),
            total_ms=_measure(line.get("total_ms")),
            doubts=tuple((line.get("doubts") or "").splitlines()),
            likeness=_measure(line.get("likeness")),
            terms=tuple(int(each) for each in (line.get("terms") or "").split()),
            question=line.get("question") or "",
            problem=line.get("problem") or "",
            previous_location=line.get("previous_location") or "",
            location=line.get("location") or "",
        )

    def cells(self) -> dict[str, object]:
        """Give what is written to the file."""
        cells = {name: getattr(self, name) for name in COLUMNS}
        numbers = {name: " ".join(map(str, getattr(self, name))) for name in ("commands", "terms")}
        return {**cells, **numbers, "doubts": "\n".join(self.doubts)}

    @property
    def counts(self) -> bool:
        """Whether it tells what became of the annotation in Core.

        Dry runs do not, nor do the lines of an older journal that may be of one: they lack the outline before.
        """
        if self.outcome == "unchanged":
            return bool(self.previous_location)
        return bool(self.annotation) and self.outcome in {"changed", "created", "undone", "unknown"}


COLUMNS = tuple(field.name for field in fields(Row))


class Journal:
    """A journal that is open; each row is on the disk before the next one is begun.

    Parameters
    ----------
    path : Path, optional
        Goes on where the file ends; None: there is no memory.
    out : TextIO, optional
        Where rows go in place of a file.

    Raises
    ------
    NoJournal
        The file is none.
    OSError
        It cannot be written.
    """

    def __init__(self, path: Path | None, out: TextIO | None = None) -> None:
        self.last: dict[int, Row] = {}
        self.proposed: list[Row] = []
        """Proposals that were chosen, and what became of them."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            out = _continued(path)
            rows = list(_rows(path))
            self.last = {row.annotation: row for row in rows if row.counts}
            self.proposed = [row for row in rows if row.question]
        if out is None:
            raise ValueError("A journal needs a path or a stream.")
        self._file, self._closes, self._guard = out, path is not None, threading.Lock()
        self._writer = csv.DictWriter(out, COLUMNS)
        if path is None or not path.stat().st_size:
            self._writer.writeheader()
            out.flush()

    def close(self) -> None:
        """Close the file."""
        if self._closes:
            self._file.close()

    def write(self, row: Row) -> None:
        """Add a row; threads may do so side by side."""
        with self._guard:
            self._writer.writerow(row.cells())
            self._file.flush()
            self._remember(row)

    def write_all(self, rows: Sequence[Row]) -> None:
        """Add rows that belong together: after a crash all of them are there, or none."""
        with self._guard:
            text = io.StringIO()
            csv.DictWriter(text, COLUMNS).writerows(row.cells() for row in rows)
            self._file.write(text.getvalue())
            self._file.flush()
            for row in rows:
                self._remember(row)

    def _remember(self, row: Row) -> None:
        if row.counts:
            self.last[row.annotation] = row
        if row.question:
            self.proposed.append(row)

    def standing(self, annotation: int, location: str) -> Standing:
        """Tell whether an annotation that has a location now is done.

        Whatever was taken back, or never arrived, is to be done (again); what somebody has edited since is theirs.
        """
        row = self.last.get(annotation)
        if row is None or row.outcome == "undone":
            return "to do"
        if row.location and same_outline(row.location, location):
            return "done"
        if row.previous_location and same_outline(row.previous_location, location):
            return "to do"
        return "edited since"


def _continued(path: Path) -> TextIO:
    """Open a journal to go on, its columns as they are today and its last line whole."""
    file = path.open("a+", newline="", encoding="utf-8")
    try:
        rows = list(_rows(path))
        if path.stat().st_size and not _is_todays(path):
            _rewrite(path, rows)
            file.close()
            file = path.open("a", newline="", encoding="utf-8")
    except BaseException:
        file.close()
        raise
    return file


def _is_todays(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.readline().decode("utf-8", "replace").strip()
        file.seek(-1, os.SEEK_END)
        return header == ",".join(COLUMNS) and file.read() == b"\n"


def _rewrite(path: Path, rows: Iterable[Row]) -> None:
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(row.cells() for row in rows)
    fresh.replace(path)


def _rows(path: Path) -> Iterator[Row]:
    """Read the rows; a last line that was cut off is left out."""
    try:
        lines = _lines(path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise NoJournal(f"{path} is not a report of a refine: {error}.") from error
    for line in lines:
        with suppress(ValueError, LookupError):
            yield Row.read(line)


def _lines(path: Path) -> list[dict[str, str | None]]:
    csv.field_size_limit(2**31 - 1)  # an outline may be long
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames and not {"annotation", "outcome", "location"} <= set(reader.fieldnames):
            raise NoJournal(f"{path} is not a report of a refine: its columns differ.")
        return list(reader)


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _measure(text: str | None) -> float | None:
    return float(text) if text else None
