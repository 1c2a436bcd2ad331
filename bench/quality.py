"""Is any quality lost? Real objects outlined before and after everything that makes a refine fast.

``python -m bench.quality DATA`` answers with a table, the figures and a plot. *Before* is torch in float32 in the box'
own window, with nothing remembered. *After* is what is served: the engine, and the window that was encoded for an
earlier box of the same object wherever the service takes it. Both run through the service's own use case.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi, flip_geometry
from app.geometry.polygons import iou
from app.imagery.reader import SlideWindowReader
from app.segmenter.engines.names import ENGINES, REFERENCE, SMALLER
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings, Settings
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Plane, Segmenter
from app.usecases.segment_roi import SegmentRoi
from app.usecases.timings import Stopwatch
from bench.commands import program
from bench.history import retire
from bench.machine import commit, machine
from bench.objects import LOOSE, MOVED, Case, SlideFiles, cases
from training.evaluation.cards import left_out

CHANGED = 0.01
"""An outline has changed if more than this of its IoU with the old one is missing."""
LOST = 0.003
"""A type has lost if its mean IoU with the truth fell by more than this, which decision 0016 allows, and by more than
two standard errors."""
MUCH = 0.05
"""A single object became worse, or better, if its IoU with the truth moved by more than this."""
_SIZES_PX0 = (24, 48, 96)
_REMEMBERED_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Outlined:
    """One object's IoU."""

    name: str
    kind: str
    longer_side_px0: float
    before: float
    """With the truth."""
    after: float
    between: float
    """Of both outlines with each other."""
    engine: float
    """With the truth, after, in the box' own window."""
    engine_between: float
    reused: bool
    """Whether the window of the earlier box served."""
    reference: float | None = None
    """With the truth, of the thesis' pipeline."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened to a group of objects."""

    group: str
    n: int
    before: float
    after: float
    difference: float
    error: float
    """Standard error of the difference."""
    between: float
    between_p5: float
    between_least: float
    changed: int
    worse: int
    better: int
    reused: int
    engine: float
    engine_between_least: float
    reference: float | None

    @property
    def is_lost(self) -> bool:
        """Whether the truth is met worse than before, by more than chance and more than anybody would see."""
        return -self.difference > LOST and -self.difference > 2 * self.error


def summary(group: str, outlined: Sequence[Outlined]) -> Summary:
    """Sum a group up; at least one object."""
    before, after, between, engine = (
        np.array([getattr(each, name) for each in outlined]) for name in ("before", "after", "between", "engine")
    )
    difference = after - before
    references = [each.reference for each in outlined if each.reference is not None]
    return Summary(
        group,
        len(outlined),
        float(before.mean()),
        float(after.mean()),
        float(difference.mean()),
        float(difference.std(ddof=1) / np.sqrt(len(outlined))) if len(outlined) > 1 else float("nan"),
        float(between.mean()),
        float(np.percentile(between, 5)),
        float(between.min()),
        int((between < 1 - CHANGED).sum()),
        int((difference < -MUCH).sum()),
        int((difference > MUCH).sum()),
        sum(each.reused for each in outlined),
        float(engine.mean()),
        float(min(each.engine_between for each in outlined)),
        float(np.mean(references)) if references else None,
    )


def groups(outlined: Sequence[Outlined]) -> list[Summary]:
    """Sum up by type, and each type by size; groups without objects are left out."""
    found = []
    for kind in dict.fromkeys(each.kind for each in outlined):
        mine = [each for each in outlined if each.kind == kind]
        found.append(summary(kind, mine))
        for name, low, high in _size_classes():
            sized = [each for each in mine if low <= each.longer_side_px0 < high]
            if sized:
                found.append(summary(f"{kind}, {name}", sized))
    return found


def decision(kinds: Iterable[Summary]) -> str:
    """Say in one line whether something is lost."""
    lost = [f"{kind.group} by {-kind.difference:.4f} ({kind.error:.4f})" for kind in kinds if kind.is_lost]
    if lost:
        return f"**Lost:** the mean IoU with the ground truth fell for {', '.join(lost)}."
    return (
        "No quality is lost: for no type did the mean IoU with the ground truth fall by more than"
        f" {LOST} and two standard errors."
    )


def between(one: BaseGeometry | None, other: BaseGeometry | None) -> float:
    """IoU of two outlines; 1 where neither found anything, 0 where only one did."""
    if one is None or other is None:
        return float(one is other)
    return iou(one, other)


def _size_classes() -> list[tuple[str, float, float]]:
    edges = (0.0, *_SIZES_PX0, float("inf"))
    names = [f"under {_SIZES_PX0[0]} px"]
    names += [f"{low} to {high} px" for low, high in pairwise(_SIZES_PX0)]
    names += [f"{_SIZES_PX0[-1]} px and more"]
    return [(name, low, high) for name, (low, high) in zip(names, pairwise(edges), strict=True)]


class Served:
    """The service's use case over slide files.

    Parameters
    ----------
    segmenter : Segmenter
    remembers : bool
        Whether windows are remembered, and serve nearly the same box.
    """

    def __init__(self, segmenter: Segmenter, *, remembers: bool) -> None:
        reader = SlideWindowReader(SlideFiles())
        self.embeddings = Embeddings(reader, segmenter, _REMEMBERED_BYTES if remembers else 0, reuse=remembers)
        self._segment = SegmentRoi(self.embeddings, segmenter)

    def outline(self, case: Case, box: Roi) -> BaseGeometry | None:
        """Outline what a box shows; slide frame."""
        with self._segment.begun(case.slide, Plane(), box, Stopwatch(), Claim()) as begun:
            shape = begun.outline(box, ()).shape
        return None if shape is None else flip_geometry(shape, case.slide.height)


Thesis = Callable[[Case], BaseGeometry | None]


def outlined(case: Case, before: Served, engine: Served, after: Served, thesis: Thesis | None = None) -> Outlined:
    """Outline one object in every way."""
    old = before.outline(case, case.box)
    after.outline(case, case.earlier)
    remembered = after.embeddings.given["memory"]
    new = after.outline(case, case.box)
    reused = after.embeddings.given["memory"] > remembered
    plain = engine.outline(case, case.box) if reused else new
    blank = Polygon()
    return Outlined(
        case.name,
        case.kind,
        case.longer_side_px0,
        iou(old or blank, case.truth),
        iou(new or blank, case.truth),
        between(old, new),
        iou(plain or blank, case.truth),
        between(old, plain),
        reused,
        iou(thesis(case) or blank, case.truth) if thesis else None,
    )


def main(
    data: Annotated[Path, typer.Argument(help="Folder with tiles and their masks.", exists=True)],
    all_tiles: Annotated[bool, typer.Option("--all", help="Also use tiles that the model was trained on.")] = False,
    engine: Annotated[
        str, typer.Option(help=f"What is served: {', '.join((*ENGINES, *SMALLER))}.")
    ] = "openvino-float32",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint; default: the embedded model.", exists=True)
    ] = None,
    config: Annotated[str | None, typer.Option(help="Config of the checkpoint; default: its card's.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Most objects of each type.")] = 300,
    reference: Annotated[bool, typer.Option(help="Also run the thesis' pipeline.")] = True,
    folder: Annotated[Path, typer.Option(help="Folder that keeps compiled engines.")] = Path("out/bench/engines"),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Compare the outlines of real objects before and after all that makes a refine fast."""
    logging.getLogger("app").setLevel(logging.ERROR)
    measured = commit()
    given = {"checkpoint": checkpoint, "demo_model": True, **({"config": config} if config else {})}
    settings = Settings(segmenter=SegmenterSettings.model_validate({"device": "cpu", "engine_folder": folder, **given}))
    weights = choose(settings)

    def load(name: str) -> Segmenter:
        named = {**settings.segmenter.model_dump(), "engine": name}
        return load_segmenter(SegmenterSettings.model_validate(named), weights)

    only = frozenset[str]() if all_tiles else left_out(checkpoint or EMBEDDED_MODEL)
    slow, fast = load(REFERENCE), load(engine)
    ways = (Served(slow, remembers=False), Served(fast, remembers=False), Served(fast, remembers=True))
    thesis, why = _thesis(weights.path, weights.config) if reference else (None, "not asked for")
    console = Console(stderr=True)
    found = [
        outlined(case, *ways, thesis)
        for case in track(list(cases(data, most, only)), "Outlining", console=console, transient=True)
    ]
    for each in (slow, fast):
        each.close()
    info = fast.info
    meta = {
        "commit": measured,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": f"{info.name} ({info.origin}, sha256 {info.sha256[:12]})",
        "tiles": "all, including those used in training" if all_tiles or not only else "left out of the training",
        "before": f"{REFERENCE}, own window",
        "after": f"{info.engine}-{info.precision}, windows reused",
        **({"reference left out": why} if why else {}),
        **machine("cpu"),
    }
    page = write(out, "quality", meta, found)
    Console().print(page.read_text())
    Console().print(f"In {page}, .json and .png")


def _thesis(checkpoint: Path, config: str) -> tuple[Thesis | None, str | None]:
    """Load the thesis' pipeline; without it, tell why."""
    from bench.reference import open_predictor, outline_of

    try:
        predictor = open_predictor(checkpoint, config)
    except (ImportError, RuntimeError) as error:
        return None, f"the package's own predictor does not run here: {error}"
    source = SlideFiles()
    return (lambda case: outline_of(predictor, source, case.slide, case.box)), None


def write(out: Path, name: str, meta: dict[str, Any], found: Sequence[Outlined]) -> Path:
    """Write ``<name>.md``, ``.json`` and ``.png``; gives the first."""
    out.mkdir(parents=True, exist_ok=True)
    retire(out, name)
    summed = groups(found)
    kinds = [each for each in summed if "," not in each.group]
    kept = {"meta": meta, "groups": [asdict(each) for each in summed], "objects": [asdict(each) for each in found]}
    (out / f"{name}.json").write_text(json.dumps(_finite(kept), indent=1, allow_nan=False) + "\n")
    page = out / f"{name}.md"
    page.write_text(_markdown(meta, summed, decision(kinds), f"{name}.png"))
    _draw(found, out / f"{name}.png")
    return page


def _finite(value: Any) -> Any:
    """Let JSON have what it can hold: six digits, and null where there is no value."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value


def _markdown(meta: dict[str, Any], summed: Sequence[Summary], verdict: str, plot: str) -> str:
    low, high = LOOSE
    lines = [
        "# Is any quality lost?",
        "",
        "; ".join(f"{key}: {value}" for key, value in meta.items()) + ".",
        "",
        f"Boxes are {low:.0%} to {high:.0%} looser than the object on each side. For *after*, another box of the same"
        f" object was refined first, with sides shifted by up to {MOVED:.0%} of the object's extent; `reused` counts"
        " the boxes that used its window. *Before* and *after* are the mean IoU with the ground truth; the standard"
        " error of the difference is in brackets. `both outlines` is the IoU of the two outlines with each other: mean,"
        f" 5th percentile, minimum; `changed` counts those below {1 - CHANGED}. `worse` and `better` count objects"
        f" whose IoU with the ground truth changed by more than {MUCH}. `engine alone` is *after*, but with the box's"
        " own window.",
        "",
        "| objects | n | before | after | difference | both outlines | changed | worse, better | reused"
        " | engine alone: IoU, minimum of both | thesis' pipeline |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in summed:
        thesis = "" if each.reference is None else f"{each.reference:.4f}"
        difference = f"{each.difference:+.4f} ({each.error:.4f})"
        both = f"{each.between:.4f}, {each.between_p5:.4f}, {each.between_least:.4f}"
        counts = f"{each.changed} | {each.worse}, {each.better} | {each.reused}"
        alone = f"{each.engine:.4f}, {each.engine_between_least:.4f}"
        lines.append(
            f"| {each.group} | {each.n} | {each.before:.4f} | {each.after:.4f} | {difference} | {both}"
            f" | {counts} | {alone} | {thesis} |"
        )
    return "\n".join([*lines, "", verdict, "", f"![IoU with the ground truth, before and after]({plot})", ""])


def _draw(found: Sequence[Outlined], file: Path) -> None:
    kinds = list(dict.fromkeys(each.kind for each in found))
    figure, all_axes = plt.subplots(1, len(kinds), figsize=(4.5 * len(kinds), 4.5), layout="constrained", squeeze=False)
    for axes, kind in zip(all_axes[0], kinds, strict=True):
        axes.plot((0, 1), (0, 1), color="#888888", linewidth=0.8)
        for reused, colour, label in ((False, "#3366cc", "own window"), (True, "#cc3366", "reused window")):
            mine = [each for each in found if each.kind == kind and each.reused == reused]
            axes.scatter([e.before for e in mine], [e.after for e in mine], s=9, alpha=0.6, color=colour, label=label)
        axes.set(title=f"{kind}: IoU with the ground truth", xlabel="before", ylabel="after", xlim=(0, 1), ylim=(0, 1))
        axes.set_aspect("equal")
        axes.legend(loc="upper left")
    figure.savefig(file, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    program(main)()
