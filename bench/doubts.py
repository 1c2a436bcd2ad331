"""Are bad outlines doubted? Real objects, glass, stroma and tissue out of focus, as the service would judge them.

``python -m bench.doubts DATA`` answers with tables, the figures and a plot. Everything runs through the service's own
use case. The bound of confidence is chosen on one half of the cases, and the figures of the other half stand apart.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")
import cv2
import matplotlib.pyplot as plt
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from app.geometry.windows import Window, WindowImage
from app.imagery.reader import SlideWindowReader
from app.segmenter.engines.names import REFERENCE
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings, Settings
from app.usecases.doubts import DEMO_MODEL, LEAST_CONFIDENCE, LOW_CONFIDENCE
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Plane, Slide
from app.usecases.segment_roi import SegmentRoi, Wish
from app.usecases.timings import Stopwatch
from bench.commands import program
from bench.drawn import BLURS, Case, cases
from bench.history import retire
from bench.machine import commit, machine
from bench.objects import SlideFiles
from training.evaluation.cards import left_out
from training.evaluation.monotone import calibration_error

HARM = 0.02
"""An outline that meets the truth so much worse than the drawn shape did should not have been written."""
NOTHING = ("glass", "stroma", "out of focus")
GOOD = 0.75
"""IoU from which a doubt is a nuisance."""
BOUNDS = tuple(round(0.5 + 0.01 * step, 2) for step in range(40))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service made of it."""

    kind: str
    case: str
    seen: bool
    how: str
    found: bool
    confidence: float
    doubts: tuple[str, ...]
    before: float
    """IoU of the drawn shape with the truth; 0 where there is nothing."""
    after: float

    def doubted(self, bound: float = LEAST_CONFIDENCE) -> bool:
        """Whether it would be doubtful with another bound of confidence."""
        others = [doubt for doubt in self.doubts if doubt not in (LOW_CONFIDENCE, DEMO_MODEL)]
        return bool(others) or self.confidence < bound

    @property
    def is_real(self) -> bool:
        """Whether there is an object."""
        return self.kind in ("nucleus", "gland")

    @property
    def is_harm(self) -> bool:
        """Whether writing it would make things worse."""
        return self.found and (self.after < self.before - HARM if self.is_real else True)


class Blurring:
    """Reads windows, out of focus where a slide's id says so."""

    def __init__(self) -> None:
        self._reader = SlideWindowReader(SlideFiles())
        self.blur_px0 = 0.0

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        """Read a window."""
        image = self._reader.read(slide, plane, window, side_px, claim)
        if not self.blur_px0:
            return image
        blurred = cv2.GaussianBlur(
            np.asarray(image.pixels), (0, 0), self.blur_px0 / image.grid.dx, borderType=cv2.BORDER_REPLICATE
        )
        return replace(image, pixels=np.asarray(blurred, np.uint8))


def outcome(case: Case, segment: SegmentRoi, reader: Blurring) -> Outcome:
    """Let the service outline what was drawn, as a refine does, and keep what it says."""
    reader.blur_px0 = case.blur_px0
    with segment.begun(case.slide, Plane(), case.box, Stopwatch(), Claim()) as begun:
        found = begun.outline(case.box, (), Wish(drawn_px0=case.drawn.area))
    shape = found.shape and flip_geometry(found.shape, case.slide.height)
    judged, truth = found.account.judged, case.truth
    before, after = (iou(each, truth) if each and truth else 0.0 for each in (case.drawn, shape))
    return Outcome(
        case.kind, case.case, case.seen, case.how, shape is not None, judged.confidence, judged.doubts, before, after
    )


def halves(found: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Deal the cases out, one to each half in turn, kind by kind of tissue."""
    order = {case: at for at, case in enumerate(dict.fromkeys(each.case for each in found))}
    return [e for e in found if order[e.case] % 2 == 0], [e for e in found if order[e.case] % 2]


def chosen_bound(found: Sequence[Outcome]) -> float:
    """Give the lowest threshold of confidence at which few harmful outlines are written without a doubt.

    That is 1 % of real objects, 1 % of glass, and 5 % of what is nothing, of which each kind counts alike.
    """

    def harms(bound: float, *kinds: str) -> float:
        some = [[each for each in found if each.kind == kind] for kind in kinds]
        return float(np.mean([share(each, bound, harm=True) for each in some if each] or [0.0]))

    def is_fit(bound: float) -> bool:
        real, glass, nothing = (harms(bound, *kinds) for kinds in (("nucleus", "gland"), ("glass",), NOTHING))
        return real <= 0.01 and glass <= 0.01 and nothing <= 0.05

    return next(filter(is_fit, BOUNDS), BOUNDS[-1])


def share(found: Sequence[Outcome], bound: float = LEAST_CONFIDENCE, *, harm: bool) -> float:
    """Give the share that is harmful and written without a doubt, or that is doubted at all."""
    hits = [(each.is_harm and not each.doubted(bound)) if harm else each.doubted(bound) for each in found]
    return float(np.mean(hits)) if hits else float("nan")


def rows(found: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Sum up by kind of tissue, real objects by whether the model has seen them."""
    groups = {
        "real objects": [e for e in found if e.is_real],
        "real, images left out of training": [e for e in found if e.is_real and not e.seen],
        "real, images used in training": [e for e in found if e.is_real and e.seen],
        "nuclei": [e for e in found if e.kind == "nucleus"],
        "glands": [e for e in found if e.kind == "gland"],
        **{kind: [e for e in found if e.kind == kind] for kind in NOTHING},
        "glass, stroma and out of focus": [e for e in found if not e.is_real],
    }
    return [_row(name, some) for name, some in groups.items() if some]


def _row(name: str, some: Sequence[Outcome]) -> dict[str, Any]:
    good = [each for each in some if each.after >= GOOD]
    return {
        "group": name,
        "n": len(some),
        "nothing_found": float(np.mean([not each.found for each in some])),
        "doubted": share(some, harm=False),
        "good": len(good),
        "good_doubted": share(good, harm=False),
        "harm": float(np.mean([each.is_harm for each in some])),
        "harm_undoubted": share(some, harm=True),
    }


def main(
    data: Annotated[Path, typer.Argument(help="Folder with tiles/, slides/ and manifest.csv.", exists=True)],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint; default: the embedded model.", exists=True)
    ] = None,
    objects: Annotated[int, typer.Option(min=1, help="How many real objects.")] = 500,
    empty: Annotated[
        int, typer.Option(min=2, help="How many windows of glass; half as many of stroma and blur.")
    ] = 200,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Measure how often bad outlines are doubted."""
    logging.getLogger("app").setLevel(logging.ERROR)
    measured = commit()
    settings = Settings(
        segmenter=SegmenterSettings(device="cpu", engine=REFERENCE, checkpoint=checkpoint, demo_model=True)
    )
    weights, reader = choose(settings), Blurring()
    segmenter = load_segmenter(settings.segmenter, weights)
    segment = SegmentRoi(Embeddings(reader, segmenter, reuse=False), segmenter)
    asked = cases(data, left_out(checkpoint or EMBEDDED_MODEL), objects, empty)
    console = Console(stderr=True)
    found = [outcome(case, segment, reader) for case in track(asked, "Judging", console=console, transient=True)]
    segmenter.close()
    info = segmenter.info
    meta = {
        "commit": measured,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": f"{info.name} ({info.origin}, sha256 {info.sha256[:12]})",
        "calibrated": info.judgement.calibration is not None,
        **machine("cpu"),
    }
    page = write(out, "doubts", meta, found)
    Console().print(page.read_text())


def write(out: Path, name: str, meta: dict[str, Any], found: Sequence[Outcome]) -> Path:
    """Write ``<name>.md``, ``.json`` and ``.png``; gives the first."""
    out.mkdir(parents=True, exist_ok=True)
    retire(out, name)
    one, other = halves(found)
    chosen = chosen_bound(one)
    tables = {"all cases": rows(found), "the half that was not used to choose the threshold": rows(other)}
    headline = "; ".join(f"{row['group']}: {row['doubted']:.1%} doubted" for row in tables["all cases"])
    kept = {
        "meta": meta,
        "headline": headline,
        "bound": LEAST_CONFIDENCE,
        "bound_of_one_half": chosen,
        "tables": tables,
        "outcomes": [_line(each) for each in found],
    }
    (out / f"{name}.json").write_text(json.dumps(_short(kept), allow_nan=False) + "\n")
    page = out / f"{name}.md"
    page.write_text(_markdown(meta, chosen, tables, found, f"{name}.png"))
    _draw(found, out / f"{name}.png")
    return page


def _line(one: Outcome) -> list[Any]:
    """Write down: kind, case, seen or not, how it was drawn, confidence, doubt but for it, IoU before and after."""
    return [one.kind, one.case, one.seen, one.how, one.confidence, one.doubted(0.0), one.before, one.after]


def _short(value: Any) -> Any:
    """Let JSON have what it can hold: four digits, and null where there is no value."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_short(each) for each in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


def _markdown(
    meta: dict[str, Any], chosen: float, tables: dict[str, list[dict[str, Any]]], found: Sequence[Outcome], plot: str
) -> str:
    lines = [
        "# Are bad outlines doubted?",
        "",
        "; ".join(f"{key}: {value}" for key, value in meta.items()) + ".",
        "",
        "Real objects are drawn alternately as boxes, 5 to 20 % looser than the object on each side, and as lassos"
        f' around it. "Out of focus" are such shapes on tissue blurred by {", ".join(f"{blur:.0%}" for blur in BLURS)}'
        ' of the box; "stroma" are boxes that contain no annotated object. An outline is *harmful* if its IoU with the'
        f" ground truth is more than {HARM} below that of the drawn shape, or if there is no object; it is *good* from"
        f" an IoU of {GOOD}.",
        "",
        f"The confidence threshold is {LEAST_CONFIDENCE}. One half of the cases (split by patients, fields and parts of"
        f" slides) alone would give {chosen}, the lowest threshold at which harmful outlines are written without a"
        " doubt for at most 1 % of the real objects, 1 % of glass, and 5 % of all cases without an object (the three"
        " kinds weighted equally).",
        *_calibration([each for each in found if each.is_real and not each.seen]),
    ]
    head = "| | n | nothing found | doubted | good ones doubted | harmful | harmful, not doubted |"
    for title, table in tables.items():
        lines += ["", f"## {title.capitalize()}", "", head, "|---|---|---|---|---|---|---|"]
        for row in table:
            good = f"{row['good_doubted']:.1%} of {row['good']}" if row["good"] else "-"
            cells = [f"{row[name]:.1%}" for name in ("nothing_found", "doubted")]
            harm = [f"{row[name]:.1%}" for name in ("harm", "harm_undoubted")]
            lines.append(f"| {row['group']} | {row['n']} | {' | '.join([*cells, good, *harm])} |")
    lines += ["", "## Doubts given", "", "| doubt | real | glass | stroma | out of focus |", "|---|---|---|---|---|"]
    for doubt in dict.fromkeys(words for each in found for words in each.doubts if words != DEMO_MODEL):
        told = [[doubt in each.doubts for each in _of(found, kind)] for kind in ("real", *NOTHING)]
        lines.append(f"| {doubt} | " + " | ".join(f"{np.mean(each):.1%}" if each else "-" for each in told) + " |")
    return "\n".join([*lines, "", f"![Confidence, IoU and doubt]({plot})", ""])


def _of(found: Sequence[Outcome], kind: str) -> list[Outcome]:
    return [each for each in found if (each.is_real if kind == "real" else each.kind == kind)]


def _calibration(unseen: Sequence[Outcome]) -> list[str]:
    if not unseen:
        return []
    told, came = (np.array([getattr(each, name) for each in unseen]) for name in ("confidence", "after"))
    return [
        "",
        "The expected calibration error of the service's confidence is"
        f" {calibration_error(told, came, np.ones(len(told))):.3f} on the {len(told)} objects of images left out of"
        f" training; {np.mean((told >= 0.75) & (told <= 0.95)):.0%} of them have a confidence of 0.75 to 0.95.",
    ]


def _draw(found: Sequence[Outcome], file: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    real = [each for each in found if each.is_real]
    for doubted, colour, label in ((False, "#3366cc", "not doubted"), (True, "#cc3366", "doubted")):
        some = [each for each in real if each.doubted() == doubted]
        left.scatter([e.confidence for e in some], [e.after for e in some], s=9, alpha=0.6, color=colour, label=label)
    left.plot((0.4, 1), (0.4, 1), color="#888888", linewidth=0.8)
    left.axvline(LEAST_CONFIDENCE, color="#888888", linewidth=0.8, linestyle=":")
    left.set(title="Real objects", xlabel="confidence", ylabel="IoU with the truth", xlim=(0.4, 1), ylim=(0, 1))
    left.legend(loc="lower left")
    for kind in ("real", *NOTHING):
        some = _of(found, kind)
        right.plot(BOUNDS, [share(some, bound, harm=False) for bound in BOUNDS], label=kind)
    right.axvline(LEAST_CONFIDENCE, color="#888888", linewidth=0.8, linestyle=":")
    right.set(title="Share doubted", xlabel="bound of confidence", ylim=(0, 1.02))
    right.legend()
    figure.savefig(file, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    program(main)()
