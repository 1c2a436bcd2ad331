"""How much IoU it costs to outline an object in a window that was encoded for another box.

``python -m bench.reuse DATA`` answers with a table and a curve; the bounds of `app.geometry.windows.serves` come from
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, floor, sin, tau
from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import shapely
import typer
from rich.progress import track
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi
from app.geometry.outlines import outline_of
from app.geometry.prompts import prompts_in_window
from app.geometry.windows import CONTEXT_FACTOR, MODEL_SIDE_PX, Window, WindowGrid, WindowImage, window_at
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.settings import read_settings
from app.usecases.ports import Claim, Segmenter
from bench.commands import program
from training.dataset.cutting import squared_to_model
from training.dataset.sources.source import SourceObject, SourceSlide
from training.dataset.sources.tiles import TilesFolder
from training.evaluation.cards import left_out
from training.prompts import loosened_box

SCALES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5)
"""Side of the window over the side of the box' own window, both centred on the box."""
SHIFTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Distance of the window's centre from the box', over the longer side of the box; in a random direction."""
MIXED = ((0.9, 0.1), (0.9, 0.2), (1.1, 0.1), (1.1, 0.2), (1.25, 0.1), (1.25, 0.2), (1.5, 0.2))
_LEAST_AREA_PX = 100.0


@dataclass(frozen=True, slots=True)
class Case:
    """One object with a box as a person draws it."""

    slide: SourceSlide
    kind: str
    truth: BaseGeometry
    roi: Roi
    angle: float


def main(
    data: Annotated[Path, typer.Argument(help="Folder of tiles with masks.", exists=True)],
    all_tiles: Annotated[bool, typer.Option("--all", help="Also use tiles that the model was trained on.")] = False,
    each: Annotated[int, typer.Option(help="Most objects of each type.")] = 150,
    out: Annotated[Path, typer.Option(help="Folder for the table.")] = Path("bench/results"),
    curve: Annotated[Path, typer.Option(help="File for the curve.")] = Path("docs/images/reuse.png"),
) -> None:
    """Measure the IoU that is lost with windows of other boxes, with the configured model."""
    source = TilesFolder(data)
    settings = read_settings()
    weights = choose(settings)
    segmenter = load_segmenter(settings.segmenter, weights)
    only = frozenset[str]() if all_tiles else left_out(weights.path)
    cases = _cases(source, each, only)
    kinds = sorted({case.kind for case in cases})
    tried = [(scale, 0.0) for scale in SCALES] + [(1.0, shift) for shift in SHIFTS] + list(MIXED)
    found = np.array([[_iou(source, segmenter, case, *way) for way in tried] for case in track(cases, "Objects")])
    by_kind = {kind: found[[case.kind == kind for case in cases]] for kind in kinds}
    own = tried.index((1.0, 0.0))
    lines = [
        "# What reusing another box's window costs",
        "",
        f"Model {segmenter.info.name} ({segmenter.info.origin}, sha256 {segmenter.info.sha256[:12]}); "
        f"{'images left out of its training' if only else 'all images, including those used in training'}; objects: "
        + ", ".join(f"{kind} {len(by_kind[kind])}" for kind in kinds)
        + "; boxes loosened by 5 to 20 % on each side. IoU with the ground truth, averaged within each type and then"
        " over the types; the standard error of the difference from the box's own window is in brackets.",
        "",
        "| side / side of the own window | shift / longer side of the box | "
        + " | ".join(kinds)
        + " | mean | difference |",
        "|---|---|" + "---|" * (len(kinds) + 2),
    ]
    lost = []
    for at, (scale, shift) in enumerate(tried):
        means = [float(by_kind[kind][:, at].mean()) for kind in kinds]
        differences = [by_kind[kind][:, at] - by_kind[kind][:, own] for kind in kinds]
        lost.append(float(np.mean([each.mean() for each in differences])))
        error = float(np.sqrt(sum(each.var(ddof=1) / len(each) for each in differences)) / len(kinds))
        shown = " | ".join(f"{mean:.4f}" for mean in means)
        lines.append(f"| {scale} | {shift} | {shown} | {np.mean(means):.4f} | {lost[-1]:+.4f} ({error:.4f}) |")
    out.mkdir(parents=True, exist_ok=True)
    (out / "reuse.md").write_text("\n".join(lines) + "\n")
    _draw(lost, curve)
    segmenter.close()


def _cases(source: TilesFolder, most: int, only: frozenset[str]) -> list[Case]:
    """Draw objects that no edge cuts, evenly and always the same; of these images, or of all where none is named."""
    found: dict[str, list[Case]] = {}
    rng = np.random.default_rng(0)
    for slide in source.slides():
        if not isinstance(slide, SourceSlide) or (only and slide.id not in only):
            continue
        for each in source.objects(slide):
            if not isinstance(each, SourceObject):
                continue
            x0, y0, x1, y1 = each.outline.bounds
            cut = min(x0, y0, slide.width - x1, slide.height - y1) < 2
            if cut or each.outline.area < _LEAST_AREA_PX:
                continue
            box = loosened_box(rng, np.array(each.outline.bounds))
            roi = Roi(*(float(side) for side in box)).clipped(slide.width, slide.height)
            case = Case(slide, slide.dataset or "object", each.outline, roi, float(rng.uniform(0, tau)))
            found.setdefault(case.kind, []).append(case)
    return [
        cases[at]
        for cases in found.values()
        for at in sorted(rng.permutation(len(cases))[:most])  # the same objects at every run
    ]


def _iou(source: TilesFolder, segmenter: Segmenter, case: Case, scale: float, shift: float) -> float:
    """Outline the object in a window of this scale and shift; IoU with its truth, 0 where nothing is found."""
    window = _window(case, scale, shift)
    pixels = squared_to_model(source.pixels(case.slide, window, MODEL_SIDE_PX), window)
    step = window.side_px0 / MODEL_SIDE_PX
    image = WindowImage(pixels, WindowGrid(window.x0, window.y0, step, step))
    masks = segmenter.decode(segmenter.encode(image, Claim()), prompts_in_window(case.roi, (), image.grid))
    shape = outline_of(masks.logits[masks.best], image.grid, (MODEL_SIDE_PX, MODEL_SIDE_PX))
    if shape is None:
        return 0.0
    truth = shapely.make_valid(case.truth)
    return float(shape.intersection(truth).area / shape.union(truth).area)


def _window(case: Case, scale: float, shift: float) -> Window:
    """Place a window around the box; past the tile its last pixels repeat, whose edges are no glass."""
    roi, slide = case.roi, case.slide
    side = ceil(CONTEXT_FACTOR * roi.longer_side * scale)
    x = (roi.x_min + roi.x_max) / 2 + shift * roi.longer_side * cos(case.angle)
    y = (roi.y_min + roi.y_max) / 2 + shift * roi.longer_side * sin(case.angle)
    x0, y0 = floor(x - side / 2), floor(y - side / 2)
    return window_at(x0, y0, side, slide.width, slide.height)


def _draw(lost: list[float], file: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    left.plot(SCALES, lost[: len(SCALES)], "o-")
    left.set(xscale="log", xlabel="side / side of the own window", ylabel="difference of the mean IoU")
    shown = [scale for scale in SCALES if scale not in (1.1, 1.75)]  # their labels would touch
    left.set_xticks(shown, [str(scale) for scale in shown])
    left.minorticks_off()
    own = lost[SCALES.index(1.0)]
    right.plot((0.0, *SHIFTS), [own, *lost[len(SCALES) : len(SCALES) + len(SHIFTS)]], "o-")
    right.set(xlabel="shift / longer side of the box")
    for axes in (left, right):
        axes.axhline(0, color="#888888", linewidth=0.8)
    figure.savefig(file, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    program(main)()
