"""``annotation`` and ``project``: refine what is drawn, one outline or all of a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cytomine_refine.cli import outline_files
from cytomine_refine.cli.connection import HERE, Host, PrivateKey, PublicKey, Service, Signature, connect
from cytomine_refine.cli.console import stderr
from cytomine_refine.cli.pictures import write_report
from cytomine_refine.cli.run import Run, shortened, started

if TYPE_CHECKING:
    from cytomine_refine import Options, Outline, RefineClient
    from cytomine_refine.journal import Outcome, Row

_LABELS: dict[Outcome, str] = {
    "changed": "changed",
    "unchanged": "unchanged, nothing found",
    "doubtful": "left, doubtful",
    "would change": "would change",
    "would not change": "would not",
    "would be left": "would be left, doubtful",
    "failed": "failed",
    "unknown": "to check",
}


Numbers = Annotated[list[int], typer.Argument(help="Ids of annotations.", metavar="ANNOTATION")]
Number = Annotated[
    int, typer.Argument(help="Id of a project; all its annotations with an area are refined.", metavar="PROJECT")
]
Annotations = Annotated[list[int] | None, typer.Option(help="Id of an annotation; may be repeated.")]
Project = Annotated[int | None, typer.Option(help="All annotations with an area in this project.")]
Image = Annotated[int | None, typer.Option(help="Only annotations on this image.")]
Term = Annotated[int | None, typer.Option(help="Only annotations with this term.")]
User = Annotated[int | None, typer.Option(help="Only annotations by this user.")]
KeepPoints = Annotated[bool, typer.Option("--keep-points", help="Do not delete the points that were used.")]
PointsTaken = Literal["auto", "all", "ignore"]
HolesKept = Literal["fill", "keep"]
PartsKept = Literal["all", "largest"]
DoubtfulAre = Literal["preview", "write", "refuse"]
Points = Annotated[PointsTaken, typer.Option(help="Which points to use as prompts.")]
Holes = Annotated[HolesKept, typer.Option(help="What to do with holes in an object.")]
Parts = Annotated[PartsKept, typer.Option(help="Which parts of an object to keep.")]
Doubtful = Annotated[
    DoubtfulAre,
    typer.Option(help="What to do with doubtful outlines: leave and list them, write them, or count them as failed."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compute everything, write nothing to Cytomine.")]
Again = Annotated[
    bool, typer.Option("--again", help="Also refine annotations that are done already or were edited since.")
]
Jobs = Annotated[int, typer.Option(min=1, max=32, help="How many annotations to refine at a time.")]
Report = Annotated[
    str, typer.Option(help="CSV with a line for each annotation; a second run continues from it. Give - to print it.")
]
GeoJson = Annotated[
    Path | None,
    typer.Option(help="Also write the outlines here: NAME.geojson for one image, a folder for several."),
]


ReportHtml = Annotated[
    Path | None,
    typer.Option(help="Write a page with pictures before and after, least certain first: one file, no network needed."),
]


@dataclass(frozen=True)
class _Order:
    """How a run is to be done, and where its results go."""

    choices: Options
    again: bool
    jobs: int
    report: str
    geojson: Path | None
    html: Path | None


def annotation(
    annotations: Numbers, host: Host = HERE, service: Service = None, public_key: PublicKey = "",
    private_key: PrivateKey = "", signature: Signature = "full", keep_points: KeepPoints = False,
    points: Points = "auto", holes: Holes = "fill", parts: Parts = "all", doubtful: Doubtful = "preview",
    dry_run: DryRun = False, again: Again = False, jobs: Jobs = 2, report: Report = "refined.csv",
    geojson: GeoJson = None, report_html: ReportHtml = None,
) -> None:  # fmt: skip
    """Refine single annotations."""
    choices = _choices(keep_points, points, holes, parts, doubtful, dry_run)
    client = connect(host, public_key, private_key, signature, service)
    _refine(client, _Order(choices, again, jobs, report, geojson, report_html), numbers=annotations)


def project(
    project: Number, image: Image = None, term: Term = None, user: User = None, host: Host = HERE,
    service: Service = None, public_key: PublicKey = "", private_key: PrivateKey = "", signature: Signature = "full",
    keep_points: KeepPoints = False, points: Points = "auto", holes: Holes = "fill", parts: Parts = "all",
    doubtful: Doubtful = "preview", dry_run: DryRun = False, again: Again = False, jobs: Jobs = 2,
    report: Report = "refined.csv", geojson: GeoJson = None, report_html: ReportHtml = None,
) -> None:  # fmt: skip
    """Refine all annotations of a project; if interrupted, the same command continues where it stopped."""
    choices = _choices(keep_points, points, holes, parts, doubtful, dry_run)
    client = connect(host, public_key, private_key, signature, service)
    filters = {"project": project, "image": image, "term": term, "user": user}
    _refine(client, _Order(choices, again, jobs, report, geojson, report_html), filters=filters)


def refine(
    annotation: Annotations = None, project: Project = None, image: Image = None, term: Term = None, user: User = None,
    host: Host = HERE, service: Service = None, public_key: PublicKey = "", private_key: PrivateKey = "",
    signature: Signature = "full", keep_points: KeepPoints = False, points: Points = "auto", holes: Holes = "fill",
    parts: Parts = "all", doubtful: Doubtful = "preview", dry_run: DryRun = False, again: Again = False, jobs: Jobs = 2,
    report: Report = "refined.csv", geojson: GeoJson = None, report_html: ReportHtml = None,
) -> None:  # fmt: skip
    """Refine single annotations, or all of a project: the form that ``python -m app refine`` has always had."""
    if bool(annotation) == (project is not None):
        raise typer.BadParameter("Give --annotation or --project.")
    choices = _choices(keep_points, points, holes, parts, doubtful, dry_run)
    client = connect(host, public_key, private_key, signature, service)
    filters = {"project": project, "image": image, "term": term, "user": user}
    _refine(
        client, _Order(choices, again, jobs, report, geojson, report_html), numbers=annotation or (), filters=filters
    )


def _choices(
    keep_points: bool, points: PointsTaken, holes: HolesKept, parts: PartsKept, doubtful: DoubtfulAre, dry_run: bool
) -> Options:
    return {
        "keep_points": keep_points, "points": points, "dry_run": dry_run, "holes": holes, "parts": parts,
        "doubtful": doubtful,
    }  # fmt: skip


def _refine(
    client: RefineClient, order: _Order, numbers: Sequence[int] = (), filters: Mapping[str, object] | None = None
) -> None:
    """Refine the annotations with the numbers given, or those that the filters find."""
    geojson = order.geojson
    with started(client, order.report) as run:
        for target in filter(None, (geojson, order.html)):
            outline_files.check_writable(target)
        outlines = run.look_up(numbers) if numbers else list(run.client.outlines(**filters or {}))
        if geojson:
            outline_files.check_one_slide(outlines, geojson)
        slides = outline_files.slides_of(run.client, outlines) if geojson or order.html else []
        todo, done = _sorted_out(run, outlines, order.again)
        run.watch("Refining", run.batch.refine(todo, order.choices, order.jobs, run.interrupted), len(todo))
        if geojson:
            outline_files.write_outlines(geojson, [*done, *run.rows], slides)
        if order.html:
            project = None if numbers else (filters or {}).get("project")
            what = "annotations" if project is None else f"annotations of project {project}"
            write_report(order.html, run, [*done, *run.rows], slides, what)
        run.end(_told(run.rows) or "nothing to do", [*_left(run.rows), *_doubts(run.rows)])


def _sorted_out(run: Run, outlines: list[Outline], again: bool) -> tuple[list[Outline], list[Row]]:
    """Tell what is to be done, and what the journal has as done."""
    if again:
        return outlines, []
    by_standing: dict[str, list[Outline]] = {"to do": [], "done": [], "edited since": []}
    for outline in outlines:
        by_standing[run.journal.standing(outline.annotation_id, outline.location)].append(outline)
    done, edited = by_standing["done"], by_standing["edited since"]
    if done:
        stderr().print(f"{len(done)} done already, according to {run.report}.")
    if edited:
        stderr().print(
            f"{len(edited)} left alone, changed since {run.report} was written: {shortened(edited)}."
            " Check them before you use --again."
        )
    rows = [replace(run.journal.last[outline.annotation_id], image=outline.image_id) for outline in done]
    return by_standing["to do"], rows


def _told(rows: list[Row]) -> str:
    """Sum rows up in a sentence."""
    counts = Counter(row.outcome for row in rows)
    told = [f"{counts[outcome]} {label}" for outcome, label in _LABELS.items() if counts[outcome]]
    would = [row for row in rows if row.outcome == "would change"]
    if would:
        told.append(f"area {_mean_change(would):+.1%} on average")
        points = sum(row.points_deleted for row in would)
        told.append(f"{points} {'point' if points == 1 else 'points'} would be deleted")
    dry = any(row.outcome.startswith("would") for row in rows)
    return ("dry run, nothing was written: " if dry else "") + ", ".join(told)


def _left(rows: list[Row]) -> list[str]:
    """Name what was left because of doubt."""
    left = [row for row in rows if row.outcome in ("doubtful", "would be left")]
    return [f"Left for you to check (--doubtful write stores them anyway): {shortened(left)}"] if left else []


def _doubts(rows: list[Row]) -> list[str]:
    """Say each doubt once, and how many outlines have it."""
    counts = Counter(doubt for row in rows for doubt in row.doubts)
    return [f"{doubt} ({count} {'outline' if count == 1 else 'outlines'})" for doubt, count in counts.most_common()]


def _mean_change(rows: list[Row]) -> float:
    """Give the mean change of the area, as a share of what it was."""
    changes = [(row.area_after_px0 or 0) / row.area_before_px0 - 1 for row in rows if row.area_before_px0]
    return sum(changes) / len(changes) if changes else 0.0
