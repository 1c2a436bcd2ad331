"""``export``: outlined objects from anywhere to a dataset folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import Group

if TYPE_CHECKING:
    from training.dataset.outcome import Choice, Exported
    from training.dataset.sources import Source

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Keep a dataset folder up to date with outlined objects from one or more sources: new ones are added,"
    " corrected ones replaced, missing ones reported. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some could not be"
    " read, 130 interrupted.",
)
INCOMPLETE = 3
"""Exit status of an export that named records or files that it could not read."""
_REASONS = 4
_SHOWN = 12
"""So many records of a kind are named in the terminal; all of them in a file."""

Out = Annotated[Path, typer.Option(help="Dataset folder.")]
MinArea = Annotated[float, typer.Option(min=0.0, help="Leave out objects with a smaller area, in level-0 pixels.")]
PerSlide = Annotated[
    int | None, typer.Option(min=1, help="Use at most this many objects of each image.", show_default="all")
]
Edges = Annotated[bool, typer.Option("--edges", help="Include objects that the edge of a tile may have cut.")]
Seed = Annotated[int, typer.Option(help="Seed of the split and of --per-slide.")]
Prune = Annotated[bool, typer.Option("--prune", help="Remove what the source no longer has.")]
Name = Annotated[
    str | None,
    typer.Option("--source", help="Name of this source in the dataset.", show_default="from its path"),
]
Images = Annotated[Path | None, typer.Option(help="Folder of the images; default: beside the annotations.")]

HOST, PUBLIC_KEY, PRIVATE_KEY = (
    [f"CYTOMINE_{name}", f"REFINE_PLATFORM__{name}"] for name in ("HOST", "PUBLIC_KEY", "PRIVATE_KEY")
)
"""Environment variables: as the client's, else as the service's."""


@app.command("tiles")
def tiles(
    folder: Annotated[Path, typer.Argument(help="Folder with NAME.png and NAME.mask.png, itself or in tiles/.")],
    out: Out, min_area: MinArea = 100.0, per_slide: PerSlide = None, edges: Edges = False, prune: Prune = False,
    source: Name = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export a folder of images with instance masks."""
    from training.dataset.sources.tiles import TilesFolder

    _end(export_and_tell(TilesFolder(folder), out, _choice(min_area, edges, per_slide, seed, prune), source))


@app.command("qupath")
def qupath(
    folder: Annotated[Path, typer.Argument(help="Folder with NAME.geojson, as QuPath exports them.")],
    out: Out, images: Images = None, min_area: MinArea = 100.0, per_slide: PerSlide = None, prune: Prune = False,
    source: Name = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export GeoJSON files and their slides."""
    from training.dataset.sources.geojson import QuPathFolder

    _end(export_and_tell(QuPathFolder(folder, images), out, _choice(min_area, False, per_slide, seed, prune), source))


@app.command("asap")
def asap(
    folder: Annotated[Path, typer.Argument(help="Folder with NAME.xml, as ASAP and Camelyon16 have them.")],
    out: Out, images: Images = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Group to cut out of the others; may be repeated.", show_default="_2, Exclusion"),
    ] = None,
    min_area: MinArea = 100.0, per_slide: PerSlide = None, prune: Prune = False, source: Name = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export ASAP's XML files and their slides."""
    from training.dataset.sources.asap import EXCLUDED, AsapFolder

    found = AsapFolder(folder, images, tuple(exclude) if exclude else EXCLUDED)
    _end(export_and_tell(found, out, _choice(min_area, False, per_slide, seed, prune), source))


@app.command("coco")
def coco(
    file: Annotated[Path, typer.Argument(help="COCO annotation file, JSON.")],
    out: Out, images: Images = None, min_area: MinArea = 100.0, per_slide: PerSlide = None, edges: Edges = False,
    prune: Prune = False, source: Name = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export a COCO annotation file and its images."""
    from training.dataset.sources.coco import CocoFile

    _end(export_and_tell(CocoFile(file, images), out, _choice(min_area, edges, per_slide, seed, prune), source))


@app.command("cytomine")
def cytomine(
    project: Annotated[list[int], typer.Argument(help="Ids of the projects.")],
    out: Out,
    host: Annotated[str, typer.Option(envvar=HOST, help="Base URL of Cytomine.")],
    public_key: Annotated[str, typer.Option(envvar=PUBLIC_KEY, help="Public API key of the account that reads.")],
    private_key: Annotated[str, typer.Option(envvar=PRIVATE_KEY, help="Private API key of the same account.")],
    term: Annotated[
        list[str] | None, typer.Option(help="Only those with this term, by name or id; may be repeated.")
    ] = None,
    user: Annotated[list[int] | None, typer.Option(help="Only those by this user, by id; may be repeated.")] = None,
    reviewed: Annotated[bool, typer.Option("--reviewed", help="Reviewed annotations instead of the users'.")] = False,
    min_area: MinArea = 100.0, per_slide: PerSlide = None, prune: Prune = False, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export the annotations of Cytomine projects."""
    from training.dataset.sources.cytomine import CytomineProject, Wanted, connected

    wanted = Wanted(tuple(term or ()), tuple(user or ()), reviewed)
    choice = _choice(min_area, False, per_slide, seed, prune)
    with connected(host, public_key, private_key):
        _end(*[export_and_tell(CytomineProject(number, wanted), out, choice) for number in project])


def _choice(min_area: float, edges: bool, per_slide: int | None, seed: int, prune: bool) -> Choice:
    from training.dataset.outcome import Choice

    return Choice(min_area, edges, per_slide, seed, prune)


def export_and_tell(source: Source, out: Path, choice: Choice, name: str | None = None) -> Exported:
    """Export a source, say what was done, and name what was not."""
    from training.dataset import open_dataset
    from training.dataset.export import export

    done = export(source, out, choice, name=name)
    tell(done, out)
    if done.new + done.changed + done.kept:
        dataset = open_dataset(out)
        counts = Counter(dataset.splits[item.slide] for item in dataset.items)
        typer.echo(f"{out}: {', '.join(f'{count} {split}' for split, count in sorted(counts.items()))}")
    return done


def tell(done: Exported, out: Path) -> None:
    """Say what an export did; what could not be read and what is gone are named on stderr."""
    reasons = Counter(note.why for note in done.of("left out"))
    left_out = f" ({'; '.join(f'{count}: {why}' for why, count in reasons.most_common(_REASONS))})" if reasons else ""
    parts = [f"{done.new} new", f"{done.changed} changed", f"{done.kept} kept", f"{done.left_out} left out{left_out}"]
    parts += [f"{len(done.refused)} not readable"] if done.refused else []
    parts += [f"{len(done.gone)} gone (--prune removes them)"] if done.gone else []
    parts += [f"{len(done.taken_out)} taken out"] if done.taken_out else []
    if done.moved_from:
        told = f"{done.source} was in {done.moved_from} before; give --source if this is a different source."
        typer.echo(told, err=True)
    typer.echo(f"{done.source}: {', '.join(parts)}")
    for kind, notes in (("not readable", done.refused), ("gone", done.gone), ("taken out", done.taken_out)):
        for note in notes[:_SHOWN]:
            typer.echo(f"  {kind}: {note}", err=True)
        if len(notes) > _SHOWN:
            typer.echo(f"  {kind}: {len(notes) - _SHOWN} more, all named in {done.file(out)}", err=True)
    if done.unsure:
        typer.echo("  Missing objects were not looked for: it is not known which slides could not be read.", err=True)
    if done.left_out:
        typer.echo(f"  everything left out is listed in {done.file(out)}", err=True)


def _end(*done: Exported) -> None:
    """End with the status that says whether everything could be read."""
    if any(each.refused for each in done):
        raise typer.Exit(INCOMPLETE)
