"""``export``: outlined objects from anywhere to a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import PlainFlags

if TYPE_CHECKING:
    from training.dataset.sources import Source

app = typer.Typer(
    cls=PlainFlags,
    no_args_is_help=True,
    help="Export outlined objects to a dataset folder; again and from several sources: only what is new is made.",
)

Out = Annotated[Path, typer.Option(help="The dataset folder.")]
MinArea = Annotated[float, typer.Option(min=0.0, help="Leave out smaller objects, level-0 pixels.")]
PerSlide = Annotated[int | None, typer.Option(min=1, help="At most so many objects of each image.", show_default="all")]
Edges = Annotated[bool, typer.Option("--edges", help="Also objects that the edge of a tile may have cut.")]
Seed = Annotated[int, typer.Option(help="Of the split and of --per-slide.")]
Images = Annotated[Path | None, typer.Option(help="Folder of the images; default: beside the annotations.")]


@app.command("tiles")
def tiles(
    folder: Annotated[Path, typer.Argument(help="With NAME.png and NAME.mask.png, itself or in tiles/.")],
    out: Out, min_area: MinArea = 100.0, per_slide: PerSlide = None, edges: Edges = False, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export a folder of images with instance masks."""
    from training.dataset.sources.tiles import TilesFolder

    _export(TilesFolder(folder), out, min_area, per_slide, edges, seed)


@app.command("qupath")
def qupath(
    folder: Annotated[Path, typer.Argument(help="With NAME.geojson, as QuPath exports them.")],
    out: Out, images: Images = None, min_area: MinArea = 100.0, per_slide: PerSlide = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export GeoJSON files and their slides."""
    from training.dataset.sources.geojson import QuPathFolder

    _export(QuPathFolder(folder, images), out, min_area, per_slide, False, seed)


@app.command("coco")
def coco(
    file: Annotated[Path, typer.Argument(help="COCO annotations, JSON.")],
    out: Out, images: Images = None, min_area: MinArea = 100.0, per_slide: PerSlide = None, edges: Edges = False,
    seed: Seed = 0,
) -> None:  # fmt: skip
    """Export a COCO annotation file and its images."""
    from training.dataset.sources.coco import CocoFile

    _export(CocoFile(file, images), out, min_area, per_slide, edges, seed)


@app.command("cytomine")
def cytomine(
    project: Annotated[list[int], typer.Argument(help="Ids of the projects.")],
    out: Out,
    host: Annotated[str, typer.Option(envvar="REFINE_PLATFORM__HOST", help="Base URL of Cytomine.")],
    public_key: Annotated[str, typer.Option(envvar="REFINE_PLATFORM__PUBLIC_KEY", help="Of the account that reads.")],
    private_key: Annotated[str, typer.Option(envvar="REFINE_PLATFORM__PRIVATE_KEY", help="Of the same account.")],
    term: Annotated[list[str] | None, typer.Option(help="Only annotations of this term, by name or id.")] = None,
    user: Annotated[list[int] | None, typer.Option(help="Only annotations of this user, by id.")] = None,
    reviewed: Annotated[bool, typer.Option("--reviewed", help="Reviewed annotations in place of the users'.")] = False,
    min_area: MinArea = 100.0, per_slide: PerSlide = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Export the annotations of Cytomine projects."""
    from training.dataset.sources.cytomine import CytomineProject, Wanted, connected

    with connected(host, public_key, private_key):
        for number in project:
            wanted = Wanted(tuple(term or ()), tuple(user or ()), reviewed)
            _export(CytomineProject(number, wanted), out, min_area, per_slide, False, seed)


def _export(source: Source, out: Path, min_area: float, per_slide: int | None, edges: bool, seed: int) -> None:
    from collections import Counter

    from training.dataset import open_dataset
    from training.dataset.export import Choice, export

    done = export(source, out, Choice(min_area, edges, per_slide, seed))
    typer.echo(f"{source.name}: {done.new} new, {done.kept} kept, {done.left_out} left out")
    if done.new + done.kept:
        dataset = open_dataset(out)
        counts = Counter(dataset.splits[item.slide] for item in dataset.items)
        typer.echo(f"{out}: {', '.join(f'{count} {split}' for split, count in sorted(counts.items()))}")
