"""``refine``: refine annotations from a script, one or a whole project."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.console import stderr, stdout

_KEYS = "Your API keys of Cytomine"


def refine(
    annotation: Annotated[list[int] | None, typer.Option(help="An annotation; may be repeated.")] = None,
    project: Annotated[int | None, typer.Option(help="All annotations with an area of this project.")] = None,
    image: Annotated[int | None, typer.Option(help="Only those of this image.")] = None,
    term: Annotated[int | None, typer.Option(help="Only those with this term.")] = None,
    user: Annotated[int | None, typer.Option(help="Only those of this user.")] = None,
    host: Annotated[str, typer.Option(envvar="CYTOMINE_HOST", help="Base URL of Cytomine.")] = "http://localhost",
    service: Annotated[
        str | None,
        typer.Option(envvar="CYTOMINE_REFINE_URL", help="The service, prefix included, to go past Core's addition."),
    ] = None,
    public_key: Annotated[str, typer.Option(envvar="CYTOMINE_PUBLIC_KEY", help=f"{_KEYS}.")] = "",
    private_key: Annotated[
        str, typer.Option(envvar="CYTOMINE_PRIVATE_KEY", help=f"{_KEYS}; better set in the environment.")
    ] = "",
    signature: Annotated[Literal["full", "short"], typer.Option(help="full: Cytomine 2025.1; short: 2026.")] = "full",
    keep_points: Annotated[bool, typer.Option("--keep-points", help="Leave the points where they are.")] = False,
    points: Annotated[Literal["auto", "all", "ignore"], typer.Option(help="Which points are prompts.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute, and write nothing to Cytomine.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=32, help="Refines at a time.")] = 2,
    report: Annotated[Path, typer.Option(help="CSV with a line for each; a second run goes on where it ends.")] = Path(
        "refined.csv"
    ),
    geojson: Annotated[Path | None, typer.Option(help="Write the outlines there too.")] = None,
) -> None:
    """Refine annotations, with your own rights; interrupted, the same command goes on where it stopped."""
    from app.client.batch import done_before, journal_at, refine_all, write_geojson
    from app.client.client import ApiKeyAuth, RefineClient, RefineFailed

    if bool(annotation) == (project is not None):
        raise typer.BadParameter("Give --annotation or --project.")
    if not public_key or not private_key:
        raise typer.BadParameter("Set CYTOMINE_PUBLIC_KEY and CYTOMINE_PRIVATE_KEY: your account page has them.")
    auth = ApiKeyAuth(public_key, private_key, signature)
    with RefineClient(host, auth, service_url=service) as client, _interruptible() as interrupted:
        try:
            ids = annotation or list(client.annotations(project=project, image=image, term=term, user=user))
        except RefineFailed as failure:
            stderr().print(f"Cannot list the annotations: {failure}")
            raise typer.Exit(1) from failure
        todo = sorted(set(ids) - done_before(report))
        if len(todo) < len(set(ids)):
            stderr().print(f"{len(set(ids)) - len(todo)} are done already according to {report}.")
        rows = refine_all(
            todo,
            lambda number: client.refine(number, keep_points=keep_points, points=points, dry_run=dry_run),
            jobs,
            interrupted,
        )
        outcomes: Counter[str] = Counter()
        with journal_at(report) as write, _bar(len(todo)) as advance:
            for row in rows:
                write(row)
                outcomes[row.outcome] += 1
                if row.problem:
                    stderr().print(f"{row.annotation}: {row.problem}")
                advance()
    if geojson:
        with geojson.open("w") as file:
            write_geojson(report, file)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing to do"
    stdout().print(f"{told}; see {report}")
    if interrupted():
        stderr().print("Stopped; the same command goes on from here.")
        raise typer.Exit(130)
    if outcomes["failed"]:
        raise typer.Exit(1)


class _Interrupted:
    """Whether somebody pressed Ctrl-C."""

    def __init__(self) -> None:
        self._pressed = False

    def __call__(self) -> bool:
        return self._pressed

    def press(self, *_: object) -> None:
        """Let what is under way finish; a second time stops at once."""
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True
        stderr().print("Finishing what is under way ...")


@contextmanager
def _interruptible() -> Iterator[_Interrupted]:
    interrupted = _Interrupted()
    before = signal.signal(signal.SIGINT, interrupted.press)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, and nothing in a log."""
    columns = (TextColumn("Refining"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
