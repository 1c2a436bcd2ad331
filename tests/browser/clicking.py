"""A hand that outlines by clicks, and knows which answers it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import shapely

from app.geometry.frames import flip_geometry
from demo.samples import loose_box
from tests.browser.stage import Stage, Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Response

PREDICTION = "**/demo/prediction"
REACHES_INTO_A_NEIGHBOUR = 25
"""The gland whose loose box tempts the model beyond its border."""


def gland(stage: Stage, number: int = REACHES_INTO_A_NEIGHBOUR) -> shapely.Polygon:
    """Give a gland as it was drawn."""
    return [each.polygon for each in stage.objects if each.kind == "glands"][number]


@dataclass
class Seen:
    """An answer of the service, once there is one."""

    outline: shapely.Geometry = field(default_factory=shapely.Polygon)
    told: dict[str, Any] | None = None


@contextmanager
def outlining(viewer: Viewer, path: str = PREDICTION) -> Iterator[Seen]:
    """Do something that asks for an outline, and wait until the page shows it."""
    seen = Seen()
    with viewer.page.expect_response(path) as answer:
        yield seen
    response: Response = answer.value
    told = response.json()
    told = told.get("refinement", told)
    seen.told = told.get("properties", told)
    geometry = told.get("geometry") or told["geojson"]["geometry"]
    seen.outline = flip_geometry(shapely.geometry.shape(geometry), viewer.stage.image.height)
    answered(viewer)


def answered(viewer: Viewer) -> None:
    """Wait until what is shown is the answer to the newest prompts."""
    viewer.page.locator("#preview[aria-busy=false]").wait_for()


def preview(viewer: Viewer) -> Locator:
    """Give the controls."""
    return viewer.page.get_by_role("region", name="Preview")


def drag_box(viewer: Viewer, shape: shapely.Geometry) -> None:
    """Drag over the bounds of a shape."""
    x0, y0, x1, y1 = shape.bounds
    viewer.drag_slide((x0, y0), (x1, y1))


def begin(viewer: Viewer, stage: Stage, truth: shapely.Polygon, *, room: float = 2.2) -> Seen:
    """Draw a loose box around an object on an empty slide, and see its outline."""
    stage.clear()
    stage.cytomine.faults.clear()
    box = loose_box(truth)
    viewer.open(at=box, room=room)
    viewer.button("Rectangle")
    with outlining(viewer) as seen:
        drag_box(viewer, box)
    return seen


def too_much(outline: shapely.Geometry, truth: shapely.Polygon) -> tuple[float, float]:
    """Give the middle of the largest piece that is not of the object: where a person would click."""
    rest = outline.difference(truth)
    largest = max(getattr(rest, "geoms", [rest]), key=lambda piece: piece.area)
    x, y = shapely.maximum_inscribed_circle(largest).coords[0]
    return x, y


def right_click(viewer: Viewer, x: float, y: float) -> None:
    """Click on the background."""
    viewer.page.mouse.click(*viewer.on_screen(x, y), button="right")


def stored(stage: Stage) -> list[int]:
    """Give the annotations that Core has."""
    return stage.cytomine.store.annotation_ids(stage.image.id)
