"""Hands are not straight: what is drawn is repaired, or kept until it can be saved."""

from __future__ import annotations

import math

import pytest
import shapely

from app.geometry.polygons import iou
from demo.cytomine.faults import Fault
from tests.browser.stage import Stage, Viewer
from tests.browser.test_problems import refused

pytest.importorskip("playwright")
from playwright.sync_api import expect

FIELD = shapely.box(3000, 2000, 4000, 2600)
BOW_TIE = [(3300.0, 2150.0), (3700.0, 2450.0), (3700.0, 2150.0), (3300.0, 2450.0)]


def past_its_start() -> list[tuple[float, float]]:
    """A spiral of more than one turn, as people draw around an object."""
    angles = [step * 2 * math.pi * 1.12 / 60 for step in range(61)]
    return [(3500 + 200 * (1 + 0.03 * a) * math.cos(a), 2300 + 200 * (1 + 0.03 * a) * math.sin(a)) for a in angles]


@pytest.mark.long
@pytest.mark.parametrize(("line", "parts"), [(past_its_start(), 1), (BOW_TIE, 2)], ids=["past its start", "bow tie"])
def test_a_line_that_crosses_itself(viewer: Viewer, stage: Stage, line: list[tuple[float, float]], parts: int) -> None:
    stage.clear()
    viewer.open(at=FIELD, room=1.2)
    viewer.button("Freehand polygon")
    viewer.drag_slide(*line)
    viewer.page.wait_for_url("**/annotation/*")
    stored = stage.shape(viewer.selected())
    goal = shapely.union_all(list(shapely.polygonize([shapely.node(shapely.LinearRing(line))]).geoms))
    assert shapely.get_num_geometries(stored) == parts
    assert iou(stored, goal) > 0.98
    viewer.screenshot(f"lasso-{parts}")


def test_vertices_dragged_across_an_edge(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    x0, y0, x1, y1 = 3300.0, 2150.0, 3700.0, 2450.0
    number = stage.draw(shapely.box(x0, y0, x1, y1))
    viewer.open(at=FIELD, annotation=number, room=1.2)
    viewer.button("Modify")
    viewer.drag_slide((x0, y0), (x1 + 100, (y0 + y1) / 2))
    expect(viewer.page.get_by_role("button", name="Undo")).to_be_enabled()
    assert stage.shape(number).is_valid
    assert stage.shape(number).bounds[2] > x1 + 50


@pytest.mark.parametrize("end", ["Try again", "Discard"])
def test_a_drawing_that_core_refuses(viewer: Viewer, stage: Stage, end: str) -> None:
    """It stays on the slide, marked, until it is saved or discarded."""
    viewer.expected = refused(400)
    stage.clear()
    stage.cytomine.faults.clear()
    refusal = b'{"success":false,"errors":"Not today","errorValues":{}}'
    stage.cytomine.faults.add(Fault("status", method="POST", path=r"annotation\.json$", status=400, body=refusal))
    viewer.open(at=FIELD, room=1.2)
    viewer.button("Rectangle")
    viewer.drag_slide(BOW_TIE[0], BOW_TIE[1])
    viewer.alert("Not today")
    panel = viewer.page.get_by_role("complementary")
    expect(panel.get_by_role("heading", name="Shape, not saved")).to_be_visible()
    expect(viewer.page.get_by_role("button", name="Refine with SAM")).to_be_hidden()
    viewer.screenshot("not-saved")
    viewer.page.get_by_role("button", name="Dismiss").click()
    viewer.button("Select")
    viewer.click_slide(3050, 2050)
    viewer.click_slide(3500, 2300)
    panel.get_by_role("button", name=end).click()
    viewer.saved()
    if end == "Discard":
        expect(viewer.page.locator("#list-count")).to_have_text("0")
        assert stage.cytomine.store.annotation_ids(stage.image.id) == []
    else:
        viewer.page.wait_for_url("**/annotation/*")
        assert iou(stage.shape(viewer.selected()), shapely.box(3300, 2150, 3700, 2450)) > 0.98


def test_a_drawing_whose_answer_was_lost(viewer: Viewer, stage: Stage) -> None:
    """Core has it already, so it is not stored twice."""
    viewer.expected = refused(502)
    stage.clear()
    stage.cytomine.faults.clear()
    page = Fault("status", method="POST", path=r"annotation\.json$", when="after", status=502, content_type="text/html")
    stage.cytomine.faults.add(page)
    viewer.open(at=FIELD, room=1.2)
    viewer.button("Rectangle")
    viewer.drag_slide(BOW_TIE[0], BOW_TIE[1])
    viewer.alert("Your drawing is still on the slide")
    viewer.page.get_by_role("alert").get_by_role("button", name="Try again").click()
    viewer.page.wait_for_url("**/annotation/*")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [viewer.selected()]
