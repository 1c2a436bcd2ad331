"""The page of ``bench.similar``: tables, plots, and pictures of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import shapely

from app.usecases.exemplars import Exemplars
from bench.page import Plot, Section, Table, png_of, write_page
from bench.proposals import Field, Found, Judged

SIMILAR = "others like three"
IOUS = (0.5, 0.75)
TIMED_PX = 2000
_AIM = (0.7, 0.8)
"""Recall and precision that were aimed at."""
_HEAD = ("", "objects", "recall", "precision", "recall at 0.75", "precision at 0.75", "mean IoU of hits")
_COSTS = ("prompts per object", "s for 2,000 x 2,000 px", "s to the first")


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
    sifted: tuple[tuple[float, Judged], ...] = ()
    """Least likeness, and what is left of the proposals, judged at the first of `IOUS`."""


@dataclass(frozen=True, slots=True)
class Square:
    """A search whose time was taken."""

    longer_px0: float
    """Of the exemplars' usual extents, the larger."""
    found: Found


def table(found: Sequence[Trial]) -> Table:
    """Sum up by way: the objects of all fields together."""
    rows = []
    for way in dict.fromkeys(each.way for each in found):
        mine = [each for each in found if each.way == way]
        rows.append((way, str(sum(each.judged[0].objects for each in mine)), *_shares(mine), *_costs(mine)))
    return Table((*_HEAD, *_COSTS), tuple(rows))


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
    yield f"{np.median([each.found.first_s for each in mine]):.2f}"


def sifting(found: Sequence[Trial]) -> Table:
    """Tell what a slider of the likeness does: all fields and draws together."""
    mine = [each for each in found if each.way == SIMILAR]
    return Table(("lowest likeness", "recall", "precision"), tuple(_sifted(mine)))


def _sifted(mine: Sequence[Trial]) -> Iterator[tuple[str, str, str]]:
    for at, (least, _) in enumerate(mine[0].sifted):
        judged = [each.sifted[at][1] for each in mine]
        hits, wrong = sum(each.hits for each in judged), sum(each.wrong for each in judged)
        yield f"{least:.2f}", f"{hits / sum(each.objects for each in judged):.3f}", f"{hits / max(1, hits + wrong):.3f}"


def picture(field: Field, found: Found, exemplars: Exemplars) -> bytes:
    """Draw what is there in green, what was found in red, and what was shown in yellow; a PNG."""
    drawn = np.asarray(cv2.imread(field.slide.path)).copy()
    for shapes, colour in (
        (field.objects, (0, 200, 0)),
        (field.others, (0, 120, 0)),
        (found.shapes, (0, 0, 255)),
        (exemplars.like, (0, 255, 255)),
    ):
        rings = [part.exterior for shape in shapes for part in shapely.get_parts(shape)]
        corners = [np.round(8 * (shapely.get_coordinates(ring) - 0.5)).astype(np.int32) for ring in rings]
        cv2.polylines(drawn, corners, True, colour, 1, cv2.LINE_AA, shift=3)
    return cv2.imencode(".png", drawn)[1].tobytes()


def _plot(found: Sequence[Trial]) -> bytes:
    """Draw recall over precision: each way as a point, others like this as the line that the slider goes along."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    moved = [tuple(float(cell) for cell in row) for row in sifting(found).rows]
    axes.plot([row[2] for row in moved], [row[1] for row in moved], ".-", color="#3366cc", label=f"{SIMILAR}: slider")
    for row, colour in zip(table(found).rows, ("#3366cc", "#333333", "#cc3366"), strict=False):
        axes.plot(float(row[3]), float(row[2]), "o", markersize=9, color=colour, label=row[0])
    axes.plot(_AIM[1], _AIM[0], "x", color="#999999", markersize=9, label="aim")
    axes.set(xlabel="precision", ylabel="recall", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")
    return png_of(figure)


def write(
    out: Path,
    meta: dict[str, Any],
    about: tuple[str, ...],
    found: Sequence[Trial],
    squares: Sequence[Square],
    pictures: Sequence[Plot] = (),
) -> Path:
    """Write the page; gives it."""
    unseen, seen = ([each for each in found if each.seen is told] for told in (False, True))
    plots = (Plot("Recall over precision at IoU 0.5", _plot(unseen)), *pictures)
    tables = (table(unseen), by_field(unseen), sifting(unseen))
    sections = [Section("Fields that the model was not trained on", about, tables, plots)]
    if seen:
        sections.append(Section("Fields used in training and tuning", (), (table(seen), by_field(seen))))
    sections.append(_timed(squares))
    head = dict(zip(_HEAD, table(unseen).rows[0], strict=False))
    headline = f"{head['objects']} objects: recall {head['recall']} at precision {head['precision']} (IoU 0.5)"
    seconds = sorted(each.found.seconds for each in squares)
    data = {
        "headline": f"{headline}; {seconds[0]:.1f} to {seconds[-1]:.1f} s for {TIMED_PX:,} x {TIMED_PX:,} px",
        "trials": [_kept(each) for each in found],
        "squares": [_kept_square(each) for each in squares],
    }
    return write_page(out, "similar", "From three exemplars to all the others", meta, sections, data)


def _timed(squares: Sequence[Square]) -> Section:
    about = "The smaller the exemplars, the smaller the tiles, and the more of them there are. Steps overlap."
    head = ("exemplars", "tiles", "prompts", "proposals", "s", "s of processor time", "s to the first")
    steps = ("window", "encode", "decode", "postprocess")
    rows = []
    for each in sorted(squares, key=lambda each: each.longer_px0):
        found = each.found
        counts = (found.tiles, found.prompts, len(found.shapes))
        spent = (f"{found.timings_ms.get(name, 0.0) / 1e3:.1f}" for name in steps)
        times = (f"{found.seconds:.1f}", f"{found.cpu_s:.1f}", f"{found.first_s:.2f}")
        rows.append((f"{each.longer_px0:.0f} px", *map(str, counts), *times, *spent))
    title = f"A square of {TIMED_PX:,} px of the montage"
    return Section(title, (about,), (Table((*head, *(f"{name}, s" for name in steps)), tuple(rows)),))


def _kept_square(square: Square) -> dict[str, Any]:
    told = {name: getattr(square.found, name) for name in ("seconds", "cpu_s", "first_s", "tiles", "prompts")}
    of = {"longer_px0": square.longer_px0, "proposals": len(square.found.shapes)}
    return {**of, **told, "timings_ms": square.found.timings_ms}


def _kept(trial: Trial) -> dict[str, Any]:
    judged = {str(least): asdict(each) for least, each in zip(IOUS, trial.judged, strict=True)}
    told = {name: getattr(trial.found, name) for name in ("prompts", "tiles", "seconds", "first_s")}
    return {"way": trial.way, "field": trial.field, "seen": trial.seen, **told, "judged": judged}
