"""Does every click help? ``python -m bench.clicks DATA``: real objects, corrected by simulated clicks.

Everything runs through the service's own use case: the first box' window, the mask that the card or the mode names, and
outlines as they are written. A click lies in the middle of the largest error.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from app.imagery.reader import SlideWindowReader
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings, Settings
from app.usecases.embeddings import Embeddings
from app.usecases.segment_roi import SegmentRoi
from bench.clicked import FAR_OFF, MODES, MOST_CLICKS, Corrected, corrected, subjects
from bench.commands import program
from bench.machine import commit, machine
from bench.objects import LOOSE, SlideFiles
from bench.page import Plot, Section, Table, png_of, write_page
from training.evaluation.cards import left_out

TARGETS = (0.8, 0.85, 0.9)
MISSED = MOST_CLICKS + 2
"""Interactions that count for an object that never reaches a target; the box is the first one."""
LOWERED = 0.01
"""A click has made things worse if the IoU fell by more than this."""
_REMEMBERED_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Summary:
    """What clicks did to the objects of a type, in a mode."""

    kind: str
    mode: str
    n: int
    means: tuple[float, ...]
    """Mean IoU with the truth of the box alone, then after each click."""
    errors: tuple[float, ...]
    """Standard error of the change of the mean by each click."""
    interactions: tuple[float, ...]
    """Mean number until each of the `TARGETS`, the box counted."""
    never: tuple[float, ...]
    """Share that does not reach it."""
    lowered: float
    """Share of the clicks that lowered the IoU by more than `LOWERED`."""

    @property
    def falls(self) -> list[int]:
        """Clicks after which the mean was lower than before."""
        return [at for at in range(1, len(self.means)) if self.means[at] < self.means[at - 1]]


def summary(kind: str, mode: str, found: Sequence[Corrected]) -> Summary:
    """Sum up the objects of a type in a mode; at least one. What is right already stays as it is."""
    ious = np.array([each.ious + (each.ious[-1],) * (MOST_CLICKS + 1 - len(each.ious)) for each in found])
    steps = np.concatenate([np.diff(each.ious) for each in found])
    reached = [
        (np.where((ious >= target).any(axis=1), (ious >= target).argmax(axis=1) + 1, MISSED)) for target in TARGETS
    ]
    changes = np.diff(ious, axis=1)
    errors = changes.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.full(MOST_CLICKS, np.nan)
    return Summary(
        kind,
        mode,
        len(found),
        tuple(float(mean) for mean in ious.mean(axis=0)),
        tuple(float(error) for error in errors),
        tuple(float(count.mean()) for count in reached),
        tuple(float((count == MISSED).mean()) for count in reached),
        float((steps < -LOWERED).mean()) if steps.size else 0.0,
    )


def summaries(found: Sequence[Corrected]) -> list[Summary]:
    """Sum up each type in each mode."""
    kinds, modes = (list(dict.fromkeys(getattr(each, name) for each in found)) for name in ("kind", "mode"))
    return [
        summary(kind, mode, [each for each in found if (each.kind, each.mode) == (kind, mode)])
        for kind in kinds
        for mode in modes
    ]


def main(
    data: Annotated[Path, typer.Argument(help="Folder with tiles and their masks.", exists=True)],
    all_tiles: Annotated[bool, typer.Option("--all", help="Also use tiles that the model was trained on.")] = False,
    most: Annotated[int, typer.Option(min=1, help="Most objects of each type.")] = 300,
    engine: Annotated[str, typer.Option(help="Engine of the model.")] = "openvino-float32",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint; default: the embedded model.", exists=True)
    ] = None,
    config: Annotated[str | None, typer.Option(help="Config of the checkpoint; default: its card's.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder that keeps compiled engines.")] = Path("out/bench/engines"),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Correct real objects by clicks in every way that they can be shown to the model."""
    logging.getLogger("app").setLevel(logging.ERROR)
    measured = commit()
    given = {"checkpoint": checkpoint, "demo_model": True, "engine": engine, **({"config": config} if config else {})}
    settings = Settings(segmenter=SegmenterSettings.model_validate({"device": "cpu", "engine_folder": folder, **given}))
    segmenter = load_segmenter(settings.segmenter, choose(settings))
    only = frozenset[str]() if all_tiles else left_out(checkpoint or EMBEDDED_MODEL)
    reader = SlideWindowReader(SlideFiles())
    found = []
    for subject in track(list(subjects(data, most, only)), "Clicking", console=Console(stderr=True), transient=True):
        segment = SegmentRoi(Embeddings(reader, segmenter, _REMEMBERED_BYTES, reuse=False), segmenter)
        found += [corrected(subject, mode, segment) for mode in MODES]
    segmenter.close()
    info = segmenter.info
    meta = {
        "commit": measured,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": f"{info.name} ({info.origin}, sha256 {info.sha256[:12]}), {info.engine}-{info.precision}",
        "tiles": "all, including those used in training" if all_tiles or not only else "left out of the training",
        **machine("cpu"),
    }
    page = write(out, "clicks", meta, summaries(found))
    Console().print(page.with_suffix(".md").read_text())
    Console().print(f"In {page}, .md and .json")


def write(out: Path, name: str, meta: dict[str, object], summed: Sequence[Summary]) -> Path:
    """Write the page, with a section for each type; gives it."""
    kinds = list(dict.fromkeys(each.kind for each in summed))
    sections = [_about(summed), *(_section(kind, [each for each in summed if each.kind == kind]) for kind in kinds)]
    headline = "; ".join(
        f"{each.kind}, {each.mode}: IoU {each.means[0]:.3f}, after a click {each.means[1]:.3f}" for each in summed[:4]
    )
    data = {"headline": headline, "groups": [asdict(each) for each in summed]}
    return write_page(out, name, "Does every click help?", meta, sections, data)


def _about(summed: Sequence[Summary]) -> Section:
    text = (
        f"Loose boxes exceed the object by {LOOSE[0]:.0%} to {LOOSE[1]:.0%} of its extent on each side, boxes that are"
        f" far off by {FAR_OFF[0]:.0%} to {FAR_OFF[1]:.0%}. Each click is placed in the middle of the largest error, at"
        " the pixel farthest from any correct one; clicking stops when no error is larger than a pixel of 1/256 of the"
        " window. The box is sent with every click and grows to include clicks outside it. IoU is that of the outline"
        " that would be written.",
        "NoI is the mean number of interactions needed to reach an IoU, including the box; an object that does not"
        f" reach it within {MOST_CLICKS} clicks counts as {MISSED}, and the share of such objects is in brackets."
        f" *Lowered* is the share of clicks that lowered the IoU by more than {LOWERED}.",
        *_verdicts(summed),
    )
    return Section("", text)


def _verdicts(summed: Sequence[Summary]) -> list[str]:
    told = []
    for kind in dict.fromkeys(each.kind for each in summed):
        falling = [
            f"{each.mode} (after click {', '.join(map(str, each.falls))}; by at most"
            f" {max(each.means[at - 1] - each.means[at] for at in each.falls):.4f})"
            for each in summed
            if each.kind == kind and "−" in each.mode and each.falls  # noqa: RUF001
        ]
        said = f"fell: {'; '.join(falling)}" if falling else "never fell"
        told.append(f"With clicks of both kinds, the mean IoU of {kind} {said}.")
    return told


def _section(kind: str, summed: Sequence[Summary]) -> Section:
    head = ("", "box", *(f"+{at}" for at in range(1, MOST_CLICKS + 1)))
    reached = ("", *(f"NoI@{target * 100:.0f}" for target in TARGETS), "lowered")
    means = Table(head, tuple((each.mode, *(f"{mean:.3f}" for mean in each.means)) for each in summed))
    counts = Table(
        reached,
        tuple(
            (
                each.mode,
                *(f"{count:.2f} ({share:.0%})" for count, share in zip(each.interactions, each.never, strict=True)),
                f"{each.lowered:.1%}",
            )
            for each in summed
        ),
    )
    title = f"{kind.capitalize()}: {summed[0].n}"
    text = (
        "Mean IoU with the ground truth after the box and after each click, and the number of interactions needed to"
        " reach an IoU.",
    )
    return Section(title, text, (means, counts), (Plot(f"Mean IoU of {kind} by clicks", _drawn(summed)),))


def _drawn(summed: Sequence[Summary]) -> bytes:
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    colours = {"card": "#333333", "best": "#3366cc", "single": "#cc3366"}
    for each in summed:
        clicks, box, proposal = each.mode.split(", ")
        style = "-" if box == "box loose" else "--"
        marker = "o" if "−" in clicks else "x"  # noqa: RUF001
        axes.plot(each.means, style, marker=marker, markersize=4, color=colours[proposal], label=each.mode)
    axes.set(xlabel="clicks after the box", ylabel="mean IoU with the ground truth")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return png_of(figure)


if __name__ == "__main__":
    program(main)()
