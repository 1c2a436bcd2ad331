"""A hand that searches for objects and accepts what it found, and knows what the service proposed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import shapely

from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from tests.browser.stage import Stage, Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

PROPOSE = "**/sam/propose"
SAME_OBJECT = 0.5


@dataclass
class Proposed:
    """What an answer of the service holds; slide frame."""

    shapes: list[shapely.Geometry] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    """Likeness, where there are examples; else confidence, or the score."""
    asked: dict[str, Any] = field(default_factory=dict)

    def shown(self, least: float) -> list[shapely.Geometry]:
        """From a place of the slider on."""
        return [shape for shape, value in zip(self.shapes, self.values, strict=True) if value >= least]


def nuclei(stage: Stage, count: int = 12) -> list[shapely.Polygon]:
    """Give nuclei that lie close to each other, as they were drawn."""
    all_of_them = [each.polygon for each in stage.objects if each.kind == "nuclei"]
    tree = shapely.STRtree(all_of_them)
    crowded = max(all_of_them, key=lambda each: len(tree.query(each.centroid.buffer(160))))
    near = sorted(all_of_them, key=lambda each: each.distance(crowded.centroid))
    return near[:count]


def term(stage: Stage, name: str) -> int:
    """Give the number of a term of the demo."""
    with stage.cytomine.store.transaction() as db:
        return int(db.execute("SELECT id FROM terms WHERE name = ?", (name,)).fetchone()[0])


def terms_of(stage: Stage, annotation: int) -> list[int]:
    """Give the terms that Core has on an annotation."""
    with stage.cytomine.store.transaction() as db:
        found = db.execute("SELECT term FROM annotation_terms WHERE annotation = ?", (annotation,)).fetchall()
    return [int(row[0]) for row in found]


def example(stage: Stage, shape: shapely.Geometry, *names: str, by: int = 0) -> int:
    """Put an annotation with terms on the slide; slide frame."""
    location = str(flip_geometry(shape, stage.image.height).wkt)
    terms = tuple(term(stage, name) for name in names)
    return stage.cytomine.store.add_annotation(stage.image.id, stage.seeded.users[by].id, location, terms=terms)


def panel(viewer: Viewer) -> Locator:
    """Give the controls of a search."""
    return viewer.page.locator("#similar")


def answering(viewer: Viewer, stage: Stage, kind: str = "nuclei") -> Proposed:
    """Let the service's place be taken by one that sees everything at once: the outlines as they were drawn.

    What the model finds is the service's business and tested there; a search of a view full of nuclei keeps a small
    machine busy for a minute. Everything else is real. Likeness is how close an outline comes to the first example's
    area. Gives what was answered last.
    """
    seen = Proposed()
    truth = [each.polygon for each in stage.objects if each.kind == kind]

    def answer(route: Route) -> None:
        seen.asked = route.request.post_data_json
        region = flip_geometry(shapely.geometry.shape(seen.asked["geometry"]["geometry"]), stage.image.height)
        seen.shapes = [each for each in truth if region.contains(each)]
        like = [stage.shape(number).area for number in seen.asked.get("like", ())]
        seen.values = [_likeness(each.area, like) for each in seen.shapes]
        lines = [_line(each, stage, at, seen) for at, each in enumerate(seen.shapes)]
        done = {"done": True, "proposals": len(lines), "tiles": 2, "timings_ms": {}, "stopped": None, "model": None}
        route.fulfill(body="\n".join(map(json.dumps, (*lines, done))) + "\n", content_type="application/x-ndjson")

    viewer.page.route(PROPOSE, answer)
    return seen


def _likeness(area: float, like: list[float]) -> float:
    return round(min(area, like[0]) / max(area, like[0]), 4) if like else 0.9


def _line(shape: shapely.Polygon, stage: Stage, at: int, seen: Proposed) -> dict[str, Any]:
    value = seen.values[at]
    told = {"proposal": at + 1, "score": 0.9, "confidence": value, "area_px0": shape.area, "tile": 1, "tiles": 2}
    told |= {"likeness": value if seen.asked.get("like") else None, "doubtful": value < 0.5, "doubts": []}
    geometry = shapely.geometry.mapping(flip_geometry(shape, stage.image.height))
    return {"type": "Feature", "geometry": geometry, "properties": told}


def searched(viewer: Viewer) -> None:
    """Wait until a search is through, and the map shows all that came."""
    panel(viewer).locator("#similar-sift").wait_for()
    panel(viewer).locator("#similar-run").wait_for(state="hidden")
    drawn(viewer)


def drawn(viewer: Viewer) -> None:
    """Wait until the map shows the proposals as they are now."""
    viewer.page.locator("canvas.proposals[data-state=drawn]").wait_for(state="attached")


def sift(viewer: Viewer, least: float) -> None:
    """Move the slider."""
    panel(viewer).locator("input[type=range]").fill(str(round(100 * least)))
    drawn(viewer)


def is_same(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    """Whether two outlines are of one object."""
    return iou(one, other) >= SAME_OBJECT


def click_on(viewer: Viewer, shape: shapely.Geometry) -> None:
    """Click in the middle of something."""
    point = shape.representative_point()
    viewer.click_slide(point.x, point.y)
