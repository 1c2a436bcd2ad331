"""A run over many annotations: its journal, what somebody who watches sees, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cytomine_refine.cli.console import INTERRUPTED, PARTLY, refusal, stderr, stdout
from cytomine_refine.cli.watching import Interrupted, bar, interruptible

if TYPE_CHECKING:
    from cytomine_refine import Outline, RefineClient
    from cytomine_refine.journal import Journal, Row

_STDOUT = "-"
_MOST_NAMED = 10


class Run:
    """A run that was started.

    Parameters
    ----------
    report : str
        Path of the journal, or ``-`` for the standard output.
    for_scripts : bool
        Whether the standard output is for lines that a script reads.
    """

    def __init__(
        self, client: RefineClient, journal: Journal, report: str, interrupted: Interrupted, for_scripts: bool = False
    ) -> None:
        from cytomine_refine.batch import Batch

        self.client, self.journal, self.report, self.interrupted = client, journal, report, interrupted
        self._to_stderr = for_scripts or report == _STDOUT
        self.batch = Batch(client, journal)
        self.rows: list[Row] = []

    def look_up(self, annotations: Iterable[int]) -> list[Outline]:
        """Look annotations up; one that cannot be had fails alone."""
        from cytomine_refine import RefineFailed
        from cytomine_refine.journal import Row

        found = []
        for number in dict.fromkeys(annotations):
            try:
                found.append(self.client.outline(number))
            except RefineFailed as failure:
                if failure.hopeless:
                    raise
                row = Row(number, None, "failed", problem=str(failure))
                self.journal.write(row)
                self._seen(row)
        return found

    def watch(self, what: str, rows: Iterable[Row], total: int) -> None:
        """Show how far the run is, and each problem as it comes."""
        with bar(what, total) as advance:
            for row in rows:
                self._seen(row)
                advance()

    def end(self, told: str, doubts: Iterable[str] = ()) -> None:
        """Sum up; raises what the command ends with, unless all went well."""
        for doubt in doubts:
            stderr().print(doubt)
        told = told if self.report == _STDOUT else f"{told}; see {self.report}"
        (stderr() if self._to_stderr else stdout()).print(told)
        if self.batch.hopeless is not None:
            raise refusal(f"{self.batch.hopeless} (the rest was not tried; the same command resumes from here)")
        if self.interrupted():
            stderr().print("Stopped; the same command resumes from here.")
            raise typer.Exit(INTERRUPTED)
        if any(row.outcome in {"failed", "unknown"} for row in self.rows):
            raise typer.Exit(PARTLY)

    def _seen(self, row: Row) -> None:
        self.rows.append(row)
        if row.problem and self.batch.hopeless is None:
            stderr().print(f"{row.annotation or 'A proposal'}: {row.problem}")


@contextmanager
def started(client: RefineClient, report: str, *, for_scripts: bool = False) -> Iterator[Run]:
    """Start a run; whatever the other side or the disk refuses ends it with one line and exit code 1."""
    from cytomine_refine import RefineFailed

    with client, interruptible() as interrupted, _journal_at(report) as journal:
        try:
            yield Run(client, journal, report, interrupted, for_scripts)
        except (RefineFailed, OSError) as error:
            raise refusal(str(error)) from error


def shortened(named: Iterable[Outline | Row]) -> str:
    """Name annotations, the first ones of many."""
    numbers = [str(each.annotation if hasattr(each, "annotation") else each.annotation_id) for each in named]
    return ", ".join([*numbers[:_MOST_NAMED], *(["..."] if len(numbers) > _MOST_NAMED else [])])


@contextmanager
def _journal_at(report: str) -> Iterator[Journal]:
    """Open a journal, before any work is done."""
    from cytomine_refine.journal import Journal, NoJournal

    try:
        journal = Journal(None, sys.stdout) if report == _STDOUT else Journal(Path(report))
    except NoJournal as error:
        raise refusal(f"{error} Name another one with --report.") from error
    except OSError as error:
        raise refusal(
            f"The report {report} cannot be written ({error.strerror}): name a file in a folder that can be,"
            " such as a mounted one, with --report; or print it, with --report -"
        ) from error
    with closing(journal):
        yield journal
