"""From three exemplars to all the others: how many are found, how well, and what it takes.

``python -m bench.similar DATA`` lets the service's own pass go over fields of nuclei: others like three of them, boxes
that a person draws around each object, and the automatic mode without exemplars. The fields that the model was not
trained on stand apart; only their figures count. A square of the montage tells the time.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
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
from bench.page import Section, Table, write_page
from bench.proposals import Field, Found, Judged, by_boxes, judge, propose
from training.evaluation.cards import left_out

SIMILAR = "others like three"
SHOWN = 3
"""Exemplars."""
FIRST_LIKENESS = 0.5
"""Where a slider of the likeness stands at first."""
TIMED_PX = 2000
IOUS = (0.5, 0.75)


_HEAD = ("", "objects", "recall", "precision", "recall at 0.75", "precision at 0.75", "mean IoU of hits")
_ABOUT = (
    f"*Others like three*: {SHOWN} objects, drawn by chance, are shown with their true outlines; what is found at a"
    f" likeness of {FIRST_LIKENESS} up counts. The shown ones count neither way, nor do objects that the field's edge"
    " cuts or that have under 100 px. *A box for each*: drawn 5 to 20 % loose, each with a window of its own."
    " *Automatic*: 16 x 16 places a tile at the model's own scale. Recall and precision at IoU 0.5 unless told else.",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One way on one field."""

    way: str
    field: str
    seen: bool
    """Whether the model was trained on it."""
    area_px0: float
    found: Found
    judged: tuple[Judged, ...]
    """At each of `IOUS`."""


def trials(
    field: Field, segmenter: Segmenter, draws: int, *, seen: bool, pictures: Path | None = None
) -> Iterator[Trial]:
    """Try each way on a field; others like this, from several draws of exemplars."""
    area = float(field.slide.width * field.slide.height)

    def trial(way: str, found: Found, known: Sequence[BaseGeometry] = ()) -> Trial:
        judged = tuple(judge(found.shapes, field, known, least) for least in IOUS)
        return Trial(way, field.name, seen, area, found, judged)

    for number in range(draws):
        exemplars = exemplars_of(field.objects, number)
        found = propose(field, segmenter, exemplars, exemplars.tiling(), FIRST_LIKENESS)
        yield trial(SIMILAR, found, exemplars.like)
        if pictures and not number:
            pictures.mkdir(parents=True, exist_ok=True)
            draw(field, found, exemplars, pictures / f"{field.name}.png")
    yield trial("a box for each", by_boxes(field, segmenter))
    side = min(LARGEST_TILE_PX0, segmenter.input_side_px)
    yield trial("automatic", propose(field, segmenter, None, Tiling(side, side // 4)))


def exemplars_of(objects: Sequence[BaseGeometry], seed: int) -> Exemplars:
    """Choose what is shown."""
    chosen = np.random.default_rng(seed).permutation(len(objects))[:SHOWN]
    return Exemplars(tuple(objects[at] for at in chosen), (), None)


def timed(data: Path, segmenter: Segmenter) -> Found:
    """Look for others like three in a square of the montage."""
    montage = Field.read(data / "slides" / "montage.tiff", 100)
    side = min(TIMED_PX, montage.slide.width, montage.slide.height)
    square = shapely.box(0, 0, side, side)
    exemplars = exemplars_of([each for each in montage.objects if square.contains(each)], 0)
    return propose(montage, segmenter, exemplars, exemplars.tiling(), FIRST_LIKENESS, square)


def table(found: Sequence[Trial]) -> Table:
    """Sum up by way: the objects of all fields together."""
    rows = []
    for way in dict.fromkeys(each.way for each in found):
        mine = [each for each in found if each.way == way]
        rows.append((way, str(sum(each.judged[0].objects for each in mine)), *_shares(mine), *_costs(mine)))
    return Table((*_HEAD, "prompts an object", "s for 2,000 x 2,000 px"), tuple(rows))


def by_field(found: Sequence[Trial]) -> Table:
    """Give the figures of others like three for each field, all draws together."""
    rows = []
    for name in dict.fromkeys(each.field for each in found):
        mine = [each for each in found if each.field == name and each.way == SIMILAR]
        told = "seen in training" if mine[0].seen else "left out"
        rows.append((f"{name}, {told}", str(sum(each.judged[0].objects for each in mine)), *_shares(mine)))
    return Table(_HEAD, tuple(rows))


def _shares(mine: Sequence[Trial]) -> Iterator[str]:
    for at in range(len(IOUS)):
        judged = [each.judged[at] for each in mine]
        hits, wrong = sum(each.hits for each in judged), sum(each.wrong for each in judged)
        yield f"{hits / sum(each.objects for each in judged):.3f}"
        yield f"{hits / max(1, hits + wrong):.3f}"
    yield f"{np.mean([value for each in mine for value in each.judged[0].ious] or [0.0]):.3f}"


def _costs(mine: Sequence[Trial]) -> Iterator[str]:
    yield f"{sum(each.found.prompts for each in mine) / sum(each.judged[0].objects for each in mine):.1f}"
    yield f"{sum(each.found.seconds for each in mine) / sum(each.area_px0 for each in mine) * TIMED_PX**2:.1f}"


def draw(field: Field, found: Found, exemplars: Exemplars, file: Path) -> None:
    """Draw what is there in green, what was found in red, and what was shown in yellow."""
    picture = np.asarray(cv2.imread(field.slide.path)).copy()
    for shapes, colour in (
        (field.objects, (0, 200, 0)),
        (field.others, (0, 120, 0)),
        (found.shapes, (0, 0, 255)),
        (exemplars.like, (0, 255, 255)),
    ):
        rings = [part.exterior for shape in shapes for part in shapely.get_parts(shape)]
        corners = [np.round(8 * (shapely.get_coordinates(ring) - 0.5)).astype(np.int32) for ring in rings]
        cv2.polylines(picture, corners, True, colour, 1, cv2.LINE_AA, shift=3)
    cv2.imwrite(str(file), picture)


def main(
    data: Annotated[Path, typer.Argument(help="Folder with tiles, slides and their masks.", exists=True)],
    all_tiles: Annotated[bool, typer.Option("--all", help="Also fields that the model was trained on.")] = False,
    draws: Annotated[int, typer.Option(min=1, help="Of exemplars, for each field.")] = 3,
    engine: Annotated[str, typer.Option(help="What runs the model.")] = "openvino-float32",
    device: Annotated[str, typer.Option(help="Where it runs.")] = "cpu",
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the embedded model.", exists=True)] = None,
    config: Annotated[str | None, typer.Option(help="Of the checkpoint; default: its card's.")] = None,
    folder: Annotated[Path, typer.Option(help="Keeps compiled engines.")] = Path("out/bench/engines"),
    pictures: Annotated[Path | None, typer.Option(help="Folder for a picture of each field.")] = None,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("bench/results"),
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
    found: list[Trial] = []
    for field in track(fields, "Looking", console=Console(stderr=True), transient=True):
        found += trials(field, segmenter, draws, seen=field.name not in only, pictures=pictures)
    speed = timed(data, segmenter)
    segmenter.close()
    info = segmenter.info
    meta = {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": f"{info.name} ({info.origin}, sha256 {info.sha256[:12]}), {info.engine}-{info.precision}",
        **machine(info.device),
    }
    page = write(out, meta, found, speed)
    Console().print(page.with_suffix(".md").read_text())


def write(out: Path, meta: dict[str, Any], found: Sequence[Trial], speed: Found) -> Path:
    """Write the page; gives it."""
    unseen, seen = ([each for each in found if each.seen is told] for told in (False, True))
    sections = [Section("Fields that the model was not trained on", _ABOUT, (table(unseen), by_field(unseen)))]
    if seen:
        sections.append(Section("Fields of the training: what was tuned on", (), (table(seen), by_field(seen))))
    steps = ", ".join(f"{name} {spent / 1e3:.1f} s" for name, spent in speed.timings_ms.items() if spent > 100)
    told = (
        f"{speed.seconds:.1f} s for {len(speed.shapes)} proposals in {speed.tiles} tiles with {speed.prompts} prompts,"
        f" the first ones after {speed.first_s:.1f} s. Steps, which overlap: {steps}.",
    )
    sections.append(Section(f"A square of {TIMED_PX:,} px of the montage", told))
    head = dict(zip((*_HEAD, "prompts", "seconds"), table(unseen).rows[0], strict=True))
    headline = f"{head['objects']} objects: recall {head['recall']} at precision {head['precision']} (IoU 0.5)"
    data = {
        "headline": f"{headline}; {speed.seconds:.1f} s for {TIMED_PX:,} x {TIMED_PX:,} px",
        "trials": [_kept(each) for each in found],
        "square": {
            "seconds": speed.seconds,
            "first_s": speed.first_s,
            "proposals": len(speed.shapes),
            "tiles": speed.tiles,
            "prompts": speed.prompts,
            "timings_ms": speed.timings_ms,
        },
    }
    return write_page(out, "similar", "From three exemplars to all the others", meta, sections, data)


def _kept(trial: Trial) -> dict[str, Any]:
    judged = {str(least): asdict(each) for least, each in zip(IOUS, trial.judged, strict=True)}
    told = {name: getattr(trial.found, name) for name in ("prompts", "tiles", "seconds", "first_s")}
    return {"way": trial.way, "field": trial.field, "seen": trial.seen, **told, "judged": judged}


if __name__ == "__main__":
    program(main)()
