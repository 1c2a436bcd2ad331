"""How long a whole refine takes: for the first time, again with another point, and prepared ahead."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import shapely

from app.geometry.frames import Roi
from app.geometry.windows import MODEL_SIDE_PX, plan_window
from app.usecases.ports import Plane
from bench.huge import SIDE_PX0, write_huge_slide
from bench.reference import READINGS, Reference
from bench.rows import Row, row, timed
from bench.stage import Stage, figure, refine
from demo.seeding import SeededImage
from demo.service import Service

_HUGE_BOX_PX0 = 20_000


def request(stage: Stage, runs: int) -> list[Row]:
    """Measure refines over HTTP, alternating with the reference."""
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
            row("first refine", times["cold"], times["reference"]),
            row("second refine, with another point", times["again"], times["reference"]),
            row("refine of a prepared window", times["prepared"], times["reference"]),
        ]
        side = min(stage.image.width, stage.image.height) // 2 - 100
        rows += _region(stage, service, reference, stage.image, side)
        return rows + _region(stage, service, reference, _huge_slide(stage), _HUGE_BOX_PX0)


def _huge_slide(stage: Stage) -> SeededImage:
    file = stage.folder / "huge.tiff"
    if not file.exists():
        write_huge_slide(file, {_HUGE_BOX_PX0 - 2000: (SIDE_PX0 // 2, SIDE_PX0 // 2)})
    return stage.add_slide(file, SIDE_PX0)


def _region(stage: Stage, service: Service, reference: Reference, image: SeededImage, side: int) -> list[Row]:
    """Measure a large region in the middle of a slide, bytes and time, beside both readings of the thesis."""
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = shapely.box(left, top, left + side, top + side)
    ours = timed(refine, service, stage.draw(box, points=0, image=image))
    slide = reference.gateway.slide(image.id)
    window = plan_window(Roi(*box.bounds), slide.width, slide.height)
    ours_bytes = len(reference.pixels.region(slide, Plane(), window.region, MODEL_SIDE_PX))
    rows = []
    for reading in READINGS:
        number = stage.draw(box, points=0, image=image)
        start = time.perf_counter()
        theirs_bytes = replace(reference, reading=reading)(number)
        theirs = time.perf_counter() - start
        name = f"region of {side:,} px, compared with the {reading.name}"
        rows += [
            row(f"{name}: a refine", [ours], [theirs]),
            row(f"{name}: bytes from the image server", [float(ours_bytes)], [float(theirs_bytes)], unit="bytes"),
        ]
    return rows


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
