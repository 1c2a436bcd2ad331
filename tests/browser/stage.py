"""What the tests of the viewer stand on: the demo's parts, and a hand that knows where the slide lies on the screen."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from app.geometry.frames import flip_geometry
from demo.cytomine.rows import HANGING, remove_annotation
from demo.cytomine.server import EmbeddedCytomine
from demo.front import Front
from demo.samples import Sample, sample_of
from demo.seeding import Seeded, SeededImage, platform_wkt, seed
from demo.service import Service, running_service
from demo.slides.drawn import TrueObject, draw_slide
from tests.slides import place_drawn_slide

if TYPE_CHECKING:
    from playwright.sync_api import Page

MAX_SLIDE_BYTES = 8 * 1024**2
MOST_AT_A_TIME = 3
"""So few requests that a test can keep the service busy."""


@dataclass
class Stage:
    """The demo, in reach of a test."""

    cytomine: EmbeddedCytomine
    seeded: Seeded
    image: SeededImage
    objects: tuple[TrueObject, ...]
    port: int
    folder: Path
    service: Service | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def start_service(self) -> None:
        """Start the refine service."""
        keys = (self.seeded.service.public_key, self.seeded.service.private_key)
        self.service = self._running.enter_context(
            running_service(
                self.port,
                self.cytomine.base_url,
                keys,
                self.seeded.secret,
                self.folder / "service.log",
                REFINE_API__MAX_IN_FLIGHT=str(MOST_AT_A_TIME),
            )
        )

    def stop_service(self) -> None:
        """Stop it, as if it had crashed."""
        self._running.close()

    def health(self) -> dict[str, Any]:
        """Ask the service what it says of itself."""
        assert self.service
        answer: dict[str, Any] = self.service.client.get(f"{self.service.url}/health").json()
        return answer

    def gland(self) -> Sample:
        """A gland with its loose box and two points on it; slide frame."""
        return sample_of(self.objects)

    def draw(self, shape: shapely.Geometry, *, by: int = 0) -> int:
        """Put an annotation there, given in the slide frame."""
        location = platform_wkt(shape, self.image.height)
        return self.cytomine.store.add_annotation(self.image.id, self.seeded.users[by].id, location)

    def shape(self, annotation: int) -> shapely.Geometry:
        """Give what Core has, in the slide frame."""
        location = self.cytomine.store.location(annotation)
        return flip_geometry(shapely.from_wkt(location), self.image.height) if location else shapely.Polygon()

    def clear(self) -> None:
        """Take all annotations of the slide away."""
        numbers = self.cytomine.store.annotation_ids(self.image.id)
        with self.cytomine.store.transaction(write=True) as db:
            for annotation in numbers:
                remove_annotation(db, annotation, HANGING)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Set the demo up in a fresh folder."""
    place_drawn_slide(folder)
    port = _free_port()
    front = Front(f"http://127.0.0.1:{port}/sam", max_slide_bytes=MAX_SLIDE_BYTES)
    with EmbeddedCytomine(folder, refine_url=front.service_url, extend=front.extend) as cytomine:
        seeded, image, _ = seed(cytomine, folder, None)
        objects = draw_slide(cytomine.slides).objects
        stage = Stage(cytomine, seeded, image, objects, port, folder)
        stage.start_service()
        front.open(seeded, image.id, image.annotations, {})
        try:
            yield stage
        finally:
            stage.stop_service()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Viewer:
    """A page with the viewer, driven by the names that a person reads."""

    page: Page
    stage: Stage
    out: Path
    expected: re.Pattern[str] | None = None
    """Of console errors that belong to a test: browsers report every refused request."""
    _errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("pageerror", lambda error: self._heard("error", str(error)))

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error":
            self._errors.append(text)

    def unexpected(self) -> list[str]:
        """What the console should not have said."""
        return [text for text in self._errors if not (self.expected and self.expected.search(text))]

    def open(
        self,
        *,
        at: shapely.Geometry | None = None,
        annotation: int | None = None,
        room: float = 3.0,
        through: str | None = None,
    ) -> None:
        """Go to the demo, or straight to a place of its slide (slide frame); `through` is another way there."""
        address = through or self.stage.cytomine.base_url
        if at is not None:
            x0, y0, x1, y1 = at.bounds
            resolution = max(x1 - x0, y1 - y0) * room / min(self._map_size())
            chosen = f"/annotation/{annotation}" if annotation else ""
            route = f"#/project/{self.stage.seeded.project}/image/{self.stage.image.id}{chosen}"
            address += f"/{route}@{(x0 + x1) / 2},{(y0 + y1) / 2},{resolution}"
        self.page.goto("about:blank")  # or the same address with another hash would not be loaded anew
        self.page.goto(address)
        self.page.wait_for_selector("body.ready")
        self.page.wait_for_load_state("networkidle")

    def _map_size(self) -> tuple[float, float]:
        size = self.page.viewport_size
        assert size
        return (
            (size["width"] - 320, size["height"] - 52) if size["width"] > 760 else (size["width"], size["height"] / 2)
        )

    def button(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Tell where a place of the slide is on the screen; the address says what the map shows."""
        found = re.search(r"@(-?[\d.]+),(-?[\d.]+),([\d.]+)$", self.page.url)
        box = self.page.get_by_role("application", name="Slide").bounding_box()
        assert found
        assert box
        cx, cy, resolution = (float(each) for each in found.groups())
        return (
            box["x"] + box["width"] / 2 + (x - cx) / resolution,
            box["y"] + box["height"] / 2 + (y - cy) / resolution,
        )

    def click_slide(self, x: float, y: float) -> None:
        """Click a place of the slide."""
        self.page.mouse.click(*self.on_screen(x, y))

    def drag_slide(self, *places: tuple[float, float]) -> None:
        """Drag along places of the slide."""
        self.page.mouse.move(*self.on_screen(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.on_screen(*place), steps=4)
        self.page.mouse.up()

    def selected(self) -> int:
        """Give the annotation that the address names."""
        found = re.search(r"/annotation/(\d+)", self.page.url)
        assert found, self.page.url
        return int(found[1])

    def saved(self) -> None:
        """Wait until Core has everything that was drawn."""
        self.page.locator("#annotations[aria-busy=false]").wait_for()

    def status(self, text: str) -> None:
        """Wait for good news."""
        self.page.get_by_role("status").filter(has_text=text).wait_for()

    def alert(self, text: str) -> None:
        """Wait for bad news."""
        self.page.get_by_role("alert").filter(has_text=text).wait_for()

    def screenshot(self, name: str) -> None:
        """Show what is seen, once everything has come to rest."""
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(500)
        self.out.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self.out / f"{name}.png")
