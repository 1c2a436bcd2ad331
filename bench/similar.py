"""From three exemplars to all the others: how many are found, how well, and what it takes.

``python -m bench.similar DATA`` lets the service's own pass go over fields of nuclei: others like three of them, boxes
that a person draws around each object, and the automatic mode without exemplars. The fields that the model was not
trained on stand apart; only their figures count. A square of the montage tells the time.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import shapely
import typer
from rich.console import Console
from rich.progress import track
from shapely.geometry.base import BaseGeometry

from app.geometry.tiles import Tiling
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings, Settings
from app.usecases.exemplars import Exemplars
from app.usecases.ports import Segmenter
from app.usecases.propose import LARGEST_TILE_PX0
from bench.commands import program
from bench.machine import commit, machine
from bench.page import Plot
from bench.proposals import Field, Found, by_boxes, judge, propose
from bench.similar_page import IOUS, SIMILAR, TIMED_PX, Square, Trial, picture, write
from training.evaluation.cards import left_out

TIMED = 4
"""Draws whose time is taken."""
SHOWN = 3
"""Exemplars."""
FIRST_LIKENESS = 0.5
"""Where a slider of the likeness stands at first."""
SIFTED = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Where else it may stand."""
_ABOUT = (
    f"*Others like three*: {SHOWN} randomly chosen objects serve as exemplars, with their true outlines; proposals with"
    f" a likeness of {FIRST_LIKENESS} or more count. The exemplars themselves are ignored, and so are objects cut by"
    " the field's edge or smaller than 100 px. *A box for each*: boxes drawn 5 to 20 % loose, each with its own window."
    " *Automatic*: no exemplars; tiles at the model's own scale, prompted with boxes where something stands out, or at"
    " 16 x 16 points if the checkpoint was trained with points. Recall and precision are at IoU 0.5 unless stated"
    " otherwise.",
)


def trials(field: Field, segmenter: Segmenter, draws: int, *, seen: bool) -> Iterator[Trial | Plot]:
    """Try each way on a field; others like this, from several draws of exemplars. Of the first, there is a picture."""
    area = float(field.slide.width * field.slide.height)

    def trial(way: str, found: Found, known: Sequence[BaseGeometry] = ()) -> Trial:
        judged = tuple(judge(found.shapes, field, known, least) for least in IOUS)
        return Trial(way, field.name, seen, area, found, judged)

    for number in range(draws):
        exemplars = exemplars_of(field.objects, number)
        found = propose(field, segmenter, exemplars, exemplars.tiling())
        first = found.sifted(FIRST_LIKENESS)
        left = [(least, found.sifted(least)) for least in SIFTED]
        sifted = tuple((least, judge(some.shapes, field, exemplars.like, IOUS[0])) for least, some in left)
        yield replace(trial(SIMILAR, first, exemplars.like), sifted=sifted)
        if not number:
            yield Plot(
                f"{field.name}: ground truth in green, found in red, exemplars in yellow",
                picture(field, first, exemplars),
            )
    yield trial("a box for each", by_boxes(field, segmenter))
    side = min(LARGEST_TILE_PX0, segmenter.input_side_px)
    yield trial("automatic", propose(field, segmenter, None, Tiling(side, side // 4)))


def exemplars_of(objects: Sequence[BaseGeometry], seed: int) -> Exemplars:
    """Choose what is shown."""
    chosen = np.random.default_rng(seed).permutation(len(objects))[:SHOWN]
    return Exemplars(tuple(objects[at] for at in chosen), (), None)


def timed(data: Path, segmenter: Segmenter) -> Iterator[Square]:
    """Look for others like three in a square of the montage, for some draws: small objects take most tiles."""
    montage = Field.read(data / "slides" / "montage.tiff", 100)
    side = min(TIMED_PX, montage.slide.width, montage.slide.height)
    square = shapely.box(0, 0, side, side)
    inside = [each for each in montage.objects if square.contains(each)]
    for number in range(TIMED):
        exemplars = exemplars_of(inside, number)
        found = propose(montage, segmenter, exemplars, exemplars.tiling(), square)
        yield Square(max(exemplars.size_px0), found.sifted(FIRST_LIKENESS))


def main(
    data: Annotated[Path, typer.Argument(help="Folder with tiles, slides and their masks.", exists=True)],
    all_tiles: Annotated[bool, typer.Option("--all", help="Also use fields that the model was trained on.")] = False,
    draws: Annotated[int, typer.Option(min=1, help="How many draws of exemplars for each field.")] = 10,
    engine: Annotated[str, typer.Option(help="Engine of the model.")] = "openvino-float32",
    device: Annotated[str, typer.Option(help="Device of the model.")] = "cpu",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint; default: the embedded model.", exists=True)
    ] = None,
    config: Annotated[str | None, typer.Option(help="Config of the checkpoint; default: its card's.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder that keeps compiled engines.")] = Path("out/bench/engines"),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Find the others from three, and compare with boxes and with the automatic mode."""
    logging.getLogger("app").setLevel(logging.ERROR)
    given = {"checkpoint": checkpoint, "demo_model": True, "engine": engine, **({"config": config} if config else {})}
    settings = Settings(
        segmenter=SegmenterSettings.model_validate({"device": device, "engine_folder": folder, **given})
    )
    segmenter = load_segmenter(settings.segmenter, choose(settings))
    segmenter.warm_up()
    only = left_out(checkpoint or EMBEDDED_MODEL)
    names = [file for file in sorted((data / "tiles").glob("nuclei_*.png")) if ".mask" not in file.name]
    fields = [Field.read(file, at) for at, file in enumerate(names, 1) if all_tiles or file.stem in only]
    found: list[Trial | Plot] = []
    for field in track(fields, "Looking", console=Console(stderr=True), transient=True):
        found += trials(field, segmenter, draws, seen=field.name not in only)
    squares = list(track(timed(data, segmenter), "Timing", TIMED, console=Console(stderr=True), transient=True))
    segmenter.close()
    info = segmenter.info
    meta = {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": f"{info.name} ({info.origin}, sha256 {info.sha256[:12]}), {info.engine}-{info.precision}",
        **machine(info.device),
    }
    pictures = [each for each in found if isinstance(each, Plot)]
    page = write(out, meta, _ABOUT, [each for each in found if isinstance(each, Trial)], squares, pictures)
    Console().print(page.with_suffix(".md").read_text())


if __name__ == "__main__":
    program(main)()
