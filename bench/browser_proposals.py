"""Do 10,000 proposals pan smoothly? ``python -m bench.browser_proposals``, in Chromium, on the demo's viewer.

The page is the real one; the proposals are drawn here and sent as the service would send them, because what is measured
is the map. A hand drags the slide to and fro, and the browser's own clock says how long each frame took; so it does for
the slider, from its move to the frame in which everything is as it should be.
"""

from __future__ import annotations

import datetime
import json
import math
import random
import shutil
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bench.commands import program
from bench.machine import commit, machine
from bench.page import Section, Table, shown, write_page
from demo.cytomine.server import EmbeddedCytomine
from demo.front import VIEWER, Front
from demo.seeding import SeededImage, seed

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SMOOTH_MS = 33
"""Two frames of an ordinary screen: the most that 95 of 100 frames may take."""
_SCREEN = (1440, 900)
_VERTICES = 40
_DRAWN = "canvas.proposals[data-state=drawn]"
_ZOOMS = {"the whole slide": 0, "a quarter of it": 2, "a sixteenth of it": 4, "one outline fills the screen": 8}
"""Doublings of the zoom."""
_SIFTED = [10, 30, 50, 70, 90, 70, 50, 30, 10, 0] * 2
_STEPS = 150
_STROKE_PX = 260

_RECORD = """() => {
    const frames = [];
    let last = performance.now(), on = true;
    const frame = now => { frames.push(now - last); last = now; if (on) requestAnimationFrame(frame); };
    requestAnimationFrame(now => { last = now; requestAnimationFrame(frame); });
    window.recorded = () => { on = false; return frames; };
}"""
_SIFT = """async ([value, drawn]) => {
    const slider = document.querySelector('#similar-threshold');
    const start = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event('input'));
    const frame = () => new Promise(requestAnimationFrame);
    do { await frame(); await frame(); } while (!document.querySelector(drawn));
    return performance.now() - start;
}"""


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds."""

    name: str
    ours: float
    """Median."""
    p95: float
    worst: float
    n: int


def _row(name: str, all_ms: list[float]) -> Row:
    return Row(name, statistics.median(all_ms), statistics.quantiles(all_ms, n=20)[-1], max(all_ms), len(all_ms))


def main(
    count: Annotated[int, typer.Option(help="How many proposals.")] = 10_000,
    folder: Annotated[Path, typer.Option(help="Folder that keeps the slide.")] = Path("out/bench"),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Measure and write a page."""
    if not (VIEWER / "index.html").is_file():
        raise typer.BadParameter("The viewer is not built (make viewer).")
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("cytomine.sqlite*"), *folder.glob("seeded.json")):
        old.unlink()
    front = Front("http://127.0.0.1:9/sam")  # no service: what it would say is made up here
    with EmbeddedCytomine(folder, refine_url=front.service_url, extend=front.extend) as cytomine:
        seeded, image, _ = seed(cytomine, folder, None)
        front.open(seeded, image.id, image.annotations, {})
        rows = _measure(f"{cytomine.base_url}/#/project/{seeded.project}/image/{image.id}", image, count)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    meta = {"commit": commit(), "date": today, "config": f"{count} proposals", **machine("cpu")}
    worst = max(each.p95 for each in rows if each.name.startswith("panning,"))
    told = f"panning: 95 of 100 frames within {worst:.0f} ms at every zoom"
    data = {"headline": told, "rows": [asdict(each) for each in rows]}
    page = write_page(out, "browser-proposals", f"Do {count:,} proposals pan smoothly?", meta, [_section(rows)], data)
    Console().print(f"{told}; results: {page}")


def _section(rows: list[Row]) -> Section:
    cells = tuple((each.name, *(shown(ms) for ms in (each.ours, each.p95, each.worst)), str(each.n)) for each in rows)
    text = (
        f"Times in milliseconds. Panning is smooth if 95 of 100 frames take at most {SMOOTH_MS} ms. The browser ran"
        " without a GPU."
    )
    return Section("", (text,), (Table(("figure", "median", "p95", "max", "n"), cells),))


def answer(image: SeededImage, count: int) -> str:
    """Give as many outlines as asked for, spread over a slide, as the service would send them."""
    rng = random.Random(5)  # noqa: S311  shapes, no secrets
    side = math.sqrt(image.width * image.height / count)
    lines = [_feature(rng, image, side, key) for key in range(1, count + 1)]
    done = {"done": True, "proposals": count, "tiles": 1, "timings_ms": {}, "stopped": None, "model": "none"}
    return "\n".join(json.dumps(each) for each in (*lines, done)) + "\n"


def _feature(rng: random.Random, image: SeededImage, side: float, key: int) -> dict[str, Any]:
    x, y, radius = rng.uniform(0, image.width), rng.uniform(0, image.height), side * rng.uniform(0.3, 0.48)
    angles = [2 * math.pi * step / _VERTICES for step in range(_VERTICES)]
    radii = [radius * rng.uniform(0.92, 1.08) for _ in angles]
    ring = [[x + r * math.cos(a), y + r * math.sin(a)] for r, a in zip(radii, angles, strict=True)]
    told = {"proposal": key, "score": rng.random(), "confidence": rng.random(), "likeness": None, "area_px0": radius**2}
    told |= {"tile": 1, "tiles": 1, "doubtful": rng.random() < 0.2}
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": told,
    }


def _measure(address: str, image: SeededImage, count: int) -> list[Row]:
    from playwright.sync_api import sync_playwright

    body = answer(image, count)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _SCREEN[0], "height": _SCREEN[1]})
        page.route("**/sam/propose", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"))
        page.goto(address)
        page.wait_for_selector("body.ready")
        rows = [_row(f"panning without proposals, {name}", _panned(page, zoom)) for name, zoom in _ZOOMS.items()]
        _go(page, 0)
        page.get_by_role("button", name="Propose everything here").click()
        page.get_by_text(f"{count:,} of {count:,} shown").wait_for()
        drawn = page.locator(_DRAWN)
        rows += [_row(f"panning, {name}", _panned(page, zoom, drawn)) for name, zoom in _ZOOMS.items()]
        _go(page, 0, drawn)
        rows.append(
            _row("moving the slider, until everything is drawn", [page.evaluate(_SIFT, [at, _DRAWN]) for at in _SIFTED])
        )
        browser.close()
    return rows


def _panned(page: Page, zoom: int, drawn: Locator | None = None) -> list[float]:
    _go(page, zoom, drawn)
    return _pan(page)


def _go(page: Page, zoom: int, drawn: Locator | None = None) -> None:
    """Show the whole slide, or the middle of it, and wait until everything is drawn."""
    page.get_by_role("button", name="Whole slide").click()
    for _ in range(zoom):
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_timeout(200)  # its animation
    page.wait_for_load_state("networkidle")
    if drawn:
        drawn.wait_for(state="attached")


def _pan(page: Page) -> list[float]:
    """Drag the slide to and fro; gives how long each frame took."""
    box = page.locator("#map").bounding_box()
    assert box  # noqa: S101  the page has it
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_RECORD)
    for step in range(_STEPS):
        angle = 2 * math.pi * step / _STEPS
        page.mouse.move(x + _STROKE_PX * math.sin(angle), y + _STROKE_PX * math.sin(2 * angle) / 2)
        page.wait_for_timeout(10)  # a hand takes its time
    frames: list[float] = page.evaluate("() => window.recorded()")
    page.mouse.up()
    return frames


if __name__ == "__main__":
    program(main)()
