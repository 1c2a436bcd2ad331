"""Every tool, by mouse: what is drawn is what Core gets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import shapely

from app.geometry.polygons import iou
from tests.browser.stage import Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect

FIELD = shapely.box(3000, 2000, 4000, 2600)
CORNERS = [(3300.0, 2150.0), (3700.0, 2200.0), (3600.0, 2450.0), (3350.0, 2400.0)]


def drag_corners(viewer: Viewer) -> None:
    viewer.drag_slide(*CORNERS, CORNERS[0])


def click_corners(viewer: Viewer) -> None:
    for x, y in CORNERS:
        viewer.click_slide(x, y)
        viewer.page.wait_for_timeout(300)  # two clicks in a hurry are a double click
    viewer.click_slide(*CORNERS[0])


def drag_box(viewer: Viewer) -> None:
    viewer.drag_slide(CORNERS[0], CORNERS[2])


def click_box(viewer: Viewer) -> None:
    viewer.click_slide(*CORNERS[0])
    viewer.click_slide(*CORNERS[2])


def click_line(viewer: Viewer) -> None:
    viewer.click_slide(*CORNERS[0])
    viewer.page.wait_for_timeout(300)
    viewer.page.mouse.dblclick(*viewer.on_screen(*CORNERS[1]))


BOX = shapely.box(*CORNERS[0], *CORNERS[2])
CIRCLE = shapely.Point(CORNERS[0]).buffer(shapely.Point(CORNERS[0]).distance(shapely.Point(CORNERS[2])))


@pytest.mark.parametrize(
    ("tool", "hand", "goal"),
    [
        ("Rectangle", drag_box, BOX),
        ("Rectangle", click_box, BOX),
        ("Circle", drag_box, CIRCLE),
        ("Polygon", click_corners, shapely.Polygon(CORNERS)),
        ("Freehand polygon", drag_corners, shapely.Polygon(CORNERS)),
    ],
    ids=["rectangle, dragged", "rectangle, clicked", "circle", "polygon", "freehand"],
)
def test_areas(viewer: Viewer, stage: Stage, tool: str, hand: Callable[[Viewer], None], goal: shapely.Polygon) -> None:
    stage.clear()
    viewer.open(at=FIELD, room=1.2)
    viewer.button(tool)
    hand(viewer)
    viewer.page.wait_for_url("**/annotation/*")
    assert iou(stage.shape(viewer.selected()), goal) > 0.98
    viewer.page.keyboard.press("z")
    viewer.status("Undone")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == []


def test_points_and_lines(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    viewer.open(at=FIELD, room=1.2)
    viewer.button("Line")
    click_line(viewer)
    viewer.page.wait_for_url("**/annotation/*")
    line = viewer.selected()
    assert stage.shape(line).length == pytest.approx(shapely.LineString(CORNERS[:2]).length, rel=0.01)
    viewer.button("Point")
    viewer.click_slide(*CORNERS[3])
    viewer.saved()
    viewer.page.wait_for_url(re.compile(rf"annotation/(?!{line}@)\d+@"))
    assert stage.shape(viewer.selected()).distance(shapely.Point(CORNERS[3])) < 2


def test_select_modify_delete(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    outer, inner = stage.draw(FIELD), stage.draw(BOX)
    viewer.open(at=FIELD, room=1.2)
    viewer.click_slide(3500, 2300)
    viewer.page.wait_for_url(f"**/annotation/{inner}@*")
    viewer.click_slide(3100, 2500)
    viewer.page.wait_for_url(f"**/annotation/{outer}@*")
    viewer.click_slide(3500, 2300)

    viewer.button("Modify")
    viewer.drag_slide(CORNERS[0], (3200, 2100))
    expect(viewer.page.get_by_role("button", name="Undo")).to_be_enabled()
    assert shapely.Point(3200, 2100).distance(stage.shape(inner)) < 2
    viewer.screenshot("modified")
    viewer.button("Undo")
    viewer.status("Undone")
    assert stage.shape(inner).equals(BOX)

    viewer.page.keyboard.press("Delete")
    viewer.status("Deleted")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [outer]
    viewer.button("Undo")
    viewer.status("Undone")
    assert stage.shape(inner).equals(BOX)
    assert viewer.selected() == inner
    viewer.page.keyboard.press("Escape")
    viewer.page.keyboard.press("Escape")
    assert "annotation" not in viewer.page.url


def test_undo_in_a_hurry(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    viewer.open(at=FIELD, room=1.2)
    viewer.button("Point")
    for count, (x, y) in enumerate(CORNERS, 1):
        viewer.click_slide(x, y)
        expect(viewer.page.locator("#list-count")).to_have_text(str(count))
    for _ in range(3):
        viewer.page.keyboard.press("z")
    expect(viewer.page.locator("#list-count")).to_have_text("1")
    viewer.page.keyboard.press("Shift+Z")
    viewer.page.keyboard.press("Shift+Z")
    expect(viewer.page.locator("#list-count")).to_have_text("3")
    viewer.saved()
    assert len(stage.cytomine.store.annotation_ids(stage.image.id)) == 3


def test_export(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    number = stage.draw(BOX)
    viewer.open()
    viewer.page.get_by_role("button", name="Import, export").click()
    with viewer.page.expect_download() as download:
        viewer.button("Export GeoJSON")
    assert download.value.suggested_filename == "drawn-7.geojson"
    features = json.loads(download.value.path().read_text())["features"]
    assert [each["id"] for each in features] == [number]
    assert shapely.geometry.shape(features[0]["geometry"]).equals(BOX)


def test_tiles_come_from_the_pyramid_once(viewer: Viewer, stage: Stage) -> None:
    """Deep zoom asks PIMS for small tiles only, and for none of them twice."""
    stage.clear()
    stage.cytomine.faults.clear()
    viewer.open()
    for _ in range(4):
        viewer.button("Zoom in")
        viewer.page.wait_for_timeout(250)
    viewer.page.wait_for_load_state("networkidle")
    viewer.button("Whole slide")
    viewer.page.wait_for_load_state("networkidle")
    asked = [seen.path for seen in stage.cytomine.faults.requests if seen.path.startswith("/ims/")]
    others = {path.partition("?")[0] for path in asked if "/normalized-tile/zoom/" not in path}
    assert others == {f"/ims/image/{stage.image.path}/info", f"/ims/image/{stage.image.path}/thumb"}  # the overview's
    assert len(asked) == len(set(asked)) > 20
    assert {seen.status for seen in stage.cytomine.faults.requests} <= {200, 304}
