"""Table 7.1 of the thesis with all of its rows: how long each step of a refine takes, ours beside the thesis'.

``python -m bench.table71`` refines boxes of several sizes through Core's addition, as the button does, ten times as the
thesis did, and writes a page. Core is the demo's stand-in, so its row is that of Python code which does what the
addition in Java does. Prompts are formatted in microseconds inside of other steps; here they are formatted once more,
to tell how long that takes.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import shapely
import typer
from rich.console import Console
from rich.progress import track

from app.geometry.frames import Roi
from app.geometry.prompts import PointLabel, PointPrompt, prompts_in_window
from app.geometry.windows import MODEL_SIDE_PX, WindowGrid, plan_window
from bench.commands import program
from bench.machine import commit, machine
from bench.page import Section, Table, write_page
from bench.rows import Row, row, timed
from bench.stage import Stage, staged
from demo.service import Service
from training.tables.registry import ALL, numbers_of_the_thesis

RUNS = 10
"""Source: thesis, section 7.3."""
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Sides of the boxes, of the slide's; the thesis refined annotations of a few dozen to some ten thousand pixels."""
STEPS: dict[str, tuple[str, ...]] = {
    "Core": (),
    "Checking Annotation Validity": ("validity",),
    "Computing Bounding Box": ("box",),
    "Retrieving Point Prompts": ("points",),
    "Formatting the Prompts": (),
    "Obtaining the ROI": ("window",),
    "Inference with SAM2": ("encode", "decode"),
    "Post-Processing": ("postprocess",),
    "Updating": ("update",),
}  # fmt: skip
"""Rows of the thesis to steps of the service."""
TOTAL = "Total"


def main(
    config: Annotated[
        str, typer.Option(help="Model config; random weights, except for `embedded`.")
    ] = "sam2.1_hiera_b+",
    engine: Annotated[str, typer.Option(help="Engine of the model.")] = "torch-float32",
    runs: Annotated[int, typer.Option(min=1, help="How many annotations.")] = RUNS,
    folder: Annotated[Path, typer.Option(help="Folder for slide, weights and engines.")] = Path("out/bench"),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Measure every row of the thesis' table 7.1."""
    logging.getLogger("app").setLevel(logging.ERROR)
    with staged(folder, config, engine) as stage, stage.service() as service:
        rows = table(stage, service, runs)
    meta = {
        "commit": commit(), "date": datetime.datetime.now(datetime.UTC).date().isoformat(), "config": config,
        "engine": engine, **machine("cpu"),
    }  # fmt: skip
    kept = {"headline": headline(rows), "rows": [[each.name, each.ours, each.reference] for each in rows]}
    page = write_page(out, "table-7.1", "How long a refine takes: table 7.1 of the thesis", meta, sections(rows), kept)
    Console().print(f"{page}: {headline(rows)}")


def table(stage: Stage, service: Service, runs: int) -> list[Row]:
    """Refine boxes of several sizes through Core, and give every row of the table; the reference is the thesis."""
    found: dict[str, list[float]] = {name: [] for name in (*STEPS, TOTAL)}
    _refined(stage, service, _SHARES[0], 0)  # the first refine of a service is slower than all others
    for number in track(range(runs), "Refining", console=Console(stderr=True), transient=True):
        whole, timings = _refined(stage, service, _SHARES[number % len(_SHARES)], number + 1)
        for name, steps in STEPS.items():
            found[name].append(sum(timings[step] for step in steps) / 1e3)
        found["Core"][-1] = max(0.0, whole - timings["total"] / 1e3)
        found["Formatting the Prompts"][-1] = _formatting_s()
        found[TOTAL].append(whole)
    theirs = numbers_of_the_thesis()["7.1"]
    return [row(name, values, [theirs[name]["seconds"][ALL]]) for name, values in found.items()]


def _refined(stage: Stage, service: Service, share: float, number: int) -> tuple[float, dict[str, float]]:
    """Press the button for a box; gives the seconds until Core has answered, and the service's own steps."""
    image = stage.image
    side = share * min(image.width, image.height)
    left, top = (0.3 + 0.03 * number) * image.width / 2, (0.4 + 0.02 * number) * image.height / 2
    annotation = stage.draw(shapely.box(left, top, left + side, top + side), points=2, shifted=False)
    url = f"{stage.cytomine.base_url}/api/annotation/{annotation}/sam"
    started = time.perf_counter()
    answer = service.client.post(url, headers=stage.bearer(), timeout=900)
    whole = time.perf_counter() - started
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(answer.text)
    return whole, _timings(answer.json())


def _timings(answer: dict[str, Any]) -> dict[str, float]:
    told = answer.get("refinement", answer)["timings_ms"]
    return {name: float(value) for name, value in told.items()}


def _formatting_s() -> float:
    """Bring a box and two points into a window's frame, as the service does."""
    roi = Roi(1000.0, 1000.0, 1400.0, 1300.0)
    window = plan_window(roi, 40_000, 40_000)
    grid = WindowGrid(window.x0, window.y0, *(window.downsample(MODEL_SIDE_PX),) * 2)
    points = tuple(PointPrompt(x, 1150.0, PointLabel.FOREGROUND) for x in (1100.0, 1200.0))
    return timed(prompts_in_window, roi, points, grid)


def sections(rows: Sequence[Row]) -> list[Section]:
    """Lay the rows out as a table."""
    cells = tuple((each.name, f"{each.ours:.4f}", f"{each.p95:.4f}", f"{each.reference or 0:.3f}") for each in rows)
    table = Table(("step", "ours, s (median)", "95 %", "thesis, s (mean of 10)"), cells)
    told = (
        "Ours: boxes of 2 to 40 % of the slide's side, two points each, through the demo's stand-in of Core. The"
        " thesis: annotations of a few dozen to some ten thousand pixels, on a CPU that it does not name; compare"
        " shares, not seconds."
    )
    return [Section("Step by step", (told,), (table,))]


def headline(rows: Sequence[Row]) -> str:
    """Sum the table up."""
    total = rows[-1]
    return f"a refine takes {total.ours:.2f} s in all, in the thesis {total.reference or 0:.2f} s"


if __name__ == "__main__":
    program(main)()
