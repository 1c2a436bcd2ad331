"""How long a whole refine takes: for the first time, again with another point, and prepared ahead."""

from __future__ import annotations

import time
from contextlib import closing

import shapely

from app.geometry.frames import Roi
from app.geometry.windows import MODEL_SIDE_PX, plan_window
from app.usecases.ports import Plane
from bench.reference import Reference
from bench.rows import Row, row, timed
from bench.stage import Stage, figure, refine
from demo.service import Service


def request(stage: Stage, runs: int) -> list[Row]:
    """Measure refines over HTTP, in turns with the reference."""
    times: dict[str, list[float]] = {name: [] for name in ("reference", "cold", "again", "prepared")}
    with closing(stage.reference()) as reference, stage.service() as service:
        refine(service, stage.draw())
        reference(stage.draw())
        for _ in range(runs):
            number = stage.draw()
            times["reference"].append(timed(reference, number))
            cold = stage.draw()
            times["cold"].append(timed(refine, service, cold, dry_run=True))
            stage.add_point(cold)
            times["again"].append(timed(refine, service, cold))
            prepared = stage.draw()
            _prepare(service, prepared)
            times["prepared"].append(timed(refine, service, prepared))
        rows = [
            row("refine, for the first time", times["cold"], times["reference"]),
            row("refine again, with another point", times["again"], times["reference"]),
            row("refine, prepared ahead", times["prepared"], times["reference"]),
        ]
        return rows + _region(stage, service, reference)


def _region(stage: Stage, service: Service, reference: Reference) -> list[Row]:
    """Measure a region as large as the slide allows: bytes and time."""
    side = min(stage.image.width, stage.image.height) // 2 - 100
    box = shapely.box(side // 2, side // 2, side // 2 + side, side // 2 + side)
    number = stage.draw(box, points=0)
    start = time.perf_counter()
    theirs_bytes = reference(number)
    theirs = time.perf_counter() - start
    mine = stage.draw(box, points=0)
    ours = timed(refine, service, mine)
    slide = reference.gateway.slide(stage.image.id)
    window = plan_window(Roi(*box.bounds), slide.width, slide.height)
    ours_bytes = len(reference.pixels.region(slide, Plane(), window.region, MODEL_SIDE_PX))
    note = f"box of {side} px"
    return [
        row("region: a refine", [ours], [theirs], note=note),
        row("region: bytes from the image server", [float(ours_bytes)], [float(theirs_bytes)], unit="bytes", note=note),
    ]


def _prepare(service: Service, number: int) -> None:
    """Let the service prepare, and wait until it has."""
    encoded = 'refine_windows_total{source="encoder"}'
    before = figure(service, encoded)
    body = {"annotation_id": number}
    answer = service.client.post(f"{service.url}/sam/embeddings", json=body, headers=service.headers)
    if answer.status_code != 202:
        raise RuntimeError(answer.text)
    give_up = time.monotonic() + 60
    while figure(service, encoded) == before:
        if time.monotonic() > give_up:
            raise TimeoutError("nothing was prepared")
        time.sleep(0.05)
