"""How long from a click to the new outline on the screen? ``python -m bench.browser_clicks``, in Chromium, on the demo.

The page's own clock measures it: from the click in the page to the first frame after the one in which the new outline
was drawn. In between lie the request through the demo's front, the service (rights, decoder, outline) and the drawing.
"""

from __future__ import annotations

import datetime
import random
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer
from rich.console import Console

from app.segmenter.checkpoint import build_model
from app.segmenter.device import resolve_device
from bench.commands import program
from bench.machine import commit, machine
from bench.page import write_results
from bench.rows import Row, row
from demo.cytomine.server import EmbeddedCytomine
from demo.front import VIEWER, Front
from demo.samples import Sample
from demo.seeding import seed
from demo.service import running_service

if TYPE_CHECKING:
    from playwright.sync_api import Page

MEASURE = "prompt to outline"
"""As `demo/viewer/src/preview-layer.ts` calls it."""
_SCREEN = (1280, 800)
_PANEL_PX = 320
_ROOM = 2.5
_MOST_CLICKS = 8
"""On one object; then the clicks are undone, which are outlines too."""


_TAKE = """name => {
    const outline = performance.getEntriesByName(name)[0]?.duration;
    const asked = performance.getEntriesByType('resource').findLast(each => each.name.endsWith('/demo/prediction'));
    const service = asked?.serverTiming.find(each => each.name === 'total')?.duration;
    return outline && service !== undefined && { outline, request: asked.duration, service };
}"""


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds of one outline."""

    outline: float
    request: float
    service: float


def main(
    clicks: Annotated[int, typer.Option(help="How many clicks.")] = 100,
    config: Annotated[str, typer.Option(help="Model config with random weights; default: the embedded model.")] = "",
    engine: Annotated[str, typer.Option(help="Engine of the model.")] = "openvino-float32",
    folder: Annotated[Path, typer.Option(help="Folder that keeps slide, weights and compiled engines.")] = Path(
        "out/bench"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Measure and write a page."""
    with _settings(config, engine, folder) as settings, _demo(folder, settings) as (address, sample, height):
        rows = _measure(address, sample, height, clicks)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    name = config or "embedded"
    meta = {"commit": commit(), "date": today, "config": name, **machine(str(resolve_device("auto")))}
    page = write_results(out, "click-on-screen", meta, rows)
    for each in rows:
        Console().print(f"{each.name}: median {each.ours:.0f} ms, 95th percentile {each.p95:.0f} ms (n = {each.n})")
    Console().print(f"Results: {page}")


@contextmanager
def _settings(config: str, engine: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Give what the service is started with."""
    folder.mkdir(parents=True, exist_ok=True)
    if not config:
        yield {}
        return
    checkpoint = folder / f"{config}-random.pt"
    if not checkpoint.exists():
        torch.manual_seed(0)
        torch.save({"model": build_model(config).state_dict()}, checkpoint)
    yield {
        "REFINE_SEGMENTER__CHECKPOINT": str(checkpoint),
        "REFINE_SEGMENTER__CONFIG": config,
        "REFINE_SEGMENTER__ENGINE": engine,
        "REFINE_SEGMENTER__ENGINE_FOLDER": str(folder / "engines"),
    }


@contextmanager
def _demo(folder: Path, settings: dict[str, Any]) -> Iterator[tuple[str, Sample, int]]:
    """Run the demo; gives the address of its slide, what to outline on it, and how high it is."""
    if not (VIEWER / "index.html").is_file():
        raise typer.BadParameter("The viewer is not built (make viewer).")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    for old in (*folder.glob("cytomine.sqlite*"), *folder.glob("seeded.json")):
        old.unlink()
    front = Front(f"http://127.0.0.1:{port}/sam")
    with ExitStack() as stack:
        cytomine = stack.enter_context(EmbeddedCytomine(folder, refine_url=front.service_url, extend=front.extend))
        seeded, image, sample = seed(cytomine, folder, None)
        keys = (seeded.service.public_key, seeded.service.private_key)
        log = folder / "service.log"
        stack.enter_context(running_service(port, cytomine.base_url, keys, seeded.secret, log, start_s=900, **settings))
        front.open(seeded, image.id, image.annotations, {})
        yield f"{cytomine.base_url}/#/project/{seeded.project}/image/{image.id}", sample, image.height


def _measure(address: str, sample: Sample, height: int, clicks: int) -> list[Row]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _SCREEN[0], "height": _SCREEN[1]})
        x0, y0, x1, y1 = sample.shape.bounds
        resolution = _ROOM * max(x1 - x0, y1 - y0) / min(_SCREEN[0] - _PANEL_PX, _SCREEN[1])
        page.goto(f"{address}@{(x0 + x1) / 2},{(y0 + y1) / 2},{resolution}")
        page.wait_for_selector("body.ready")
        page.wait_for_load_state("networkidle")
        first = _drag(page, (x1 - x0) / resolution, (y1 - y0) / resolution)
        spent = _clicks(page, (x1 - x0) / resolution, (y1 - y0) / resolution, clicks)
        browser.close()
    return [
        row("the first outline of a box", [first.outline], unit="ms"),
        row("a click", [each.outline for each in spent], unit="ms", note="until the frame that shows its outline"),
        row("of which the request", [each.request for each in spent], unit="ms", note="measured by the browser"),
        row("of which the service", [each.service for each in spent], unit="ms", note="from its Server-Timing header"),
    ]


def _middle(page: Page) -> tuple[float, float]:
    box = page.locator("#map").bounding_box()
    assert box  # noqa: S101  the page has it
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _drag(page: Page, width: float, height: float) -> Spent:
    """Draw the box, and wait until its outline is seen."""
    x, y = _middle(page)
    page.keyboard.press("b")
    page.mouse.move(x - width / 2, y - height / 2)
    page.mouse.down()
    page.mouse.move(x + width / 2, y + height / 2, steps=4)
    page.mouse.up()
    return _measured(page)


def _clicks(page: Page, width: float, height: float, count: int) -> list[Spent]:
    """Click about, at the same places each time."""
    rng, (x, y) = random.Random(7), _middle(page)  # noqa: S311  places, no secrets
    spent: list[Spent] = []
    while len(spent) < count:
        for _ in range(min(_MOST_CLICKS, count - len(spent))):
            place = x + rng.uniform(-0.4, 0.4) * width, y + rng.uniform(-0.4, 0.4) * height
            page.wait_for_timeout(400)  # no double click
            page.mouse.click(*place, button=rng.choice(["left", "right"]))
            spent.append(_measured(page))
        while page.get_by_role("button", name="Undo click").is_enabled():
            page.keyboard.press("z")
            _measured(page)
    return spent


def _measured(page: Page) -> Spent:
    """Wait for the page's next measure, and take it."""
    spent = page.wait_for_function(_TAKE, arg=MEASURE, timeout=120_000).json_value()
    page.evaluate("name => { performance.clearMeasures(name); performance.clearResourceTimings(); }", MEASURE)
    return Spent(**spent)


if __name__ == "__main__":
    program(main)()
