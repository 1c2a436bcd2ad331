"""People are faster than Core: what they ask for belongs to what they see, also before Core has answered."""

from __future__ import annotations

import re
import threading

import pytest
import shapely

from app.geometry.polygons import iou
from demo.cytomine.faults import Fault
from tests.browser.stage import Stage, Viewer
from tests.browser.test_problems import refused

pytest.importorskip("playwright")
from playwright.sync_api import expect

SAVING = {"method": "POST", "path": r"/api/annotation\.json$"}


def box_of(shape: shapely.Geometry) -> tuple[tuple[float, float], tuple[float, float]]:
    x0, y0, x1, y1 = shape.bounds
    return (x0, y0), (x1, y1)


def asked(stage: Stage, method: str, path: str) -> list[str]:
    """Give the requests that Core has answered."""
    seen = stage.cytomine.faults.requests
    return [each.path for each in seen if each.method == method and re.search(path, each.path)]


def until(viewer: Viewer, happened: threading.Event) -> None:
    """Wait for something that happens at the server, while the page goes on."""
    for _ in range(1200):
        if happened.is_set():
            return
        viewer.page.wait_for_timeout(50)
    pytest.fail("it did not happen")


def held_refine(viewer: Viewer, stage: Stage) -> int:
    """Begin a refine, and give its annotation once the service waits for Core."""
    stage.clear()
    stage.cytomine.faults.clear()
    sample = stage.gland()
    viewer.open(at=sample.shape, room=2.2)
    viewer.button("Rectangle")
    with viewer.page.expect_response("**/demo/embeddings"):
        viewer.drag_slide(*box_of(sample.shape))
    viewer.page.wait_for_url("**/annotation/*")
    number = viewer.selected()
    viewer.button("Select")
    reads = threading.Event()
    read = f"/api/annotation/{number}.json$"
    stage.cytomine.faults.add(Fault("slow", method="GET", path=read, seconds=5, hook=reads.set))
    viewer.button("Refine with SAM")
    until(viewer, reads)
    return number


@pytest.mark.long
@pytest.mark.parametrize("pause_ms", [0, 50, 120])
@pytest.mark.parametrize("press", ["key", "button"])
def test_refine_is_of_the_shape_being_saved(viewer: Viewer, stage: Stage, pause_ms: int, press: str) -> None:
    stage.clear()
    sample = stage.gland()
    assert sample.truth
    older = stage.draw(sample.shape)
    before = stage.shape(older)
    viewer.open(at=sample.shape, annotation=older, room=2.2)
    stage.cytomine.faults.clear()
    stage.cytomine.faults.add(Fault("slow", **SAVING, seconds=1))
    viewer.button("Rectangle")
    viewer.drag_slide(*box_of(sample.shape.buffer(5)))
    viewer.page.wait_for_timeout(pause_ms)
    if press == "key":
        viewer.page.keyboard.press("r")
    else:
        viewer.button("Refine with SAM")
    viewer.status("Outline refined")
    drawn = viewer.selected()
    assert drawn != older
    assert iou(stage.shape(drawn), sample.truth) > 0.85
    assert stage.shape(older).equals(before)
    assert asked(stage, "POST", "/sam$") == [f"/api/annotation/{drawn}/sam"]


def test_refine_waits_for_the_points(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number, room=2.2)
    stage.cytomine.faults.add(Fault("slow", **SAVING, seconds=1))
    viewer.button("Point")
    viewer.click_slide(sample.points[0].x, sample.points[0].y)
    viewer.page.keyboard.press("r")
    viewer.status("1 point used")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number]


def test_undo_and_delete_are_of_the_shape_being_saved(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    older = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=older, room=2.2)
    for key, told in (("z", "Undone"), ("Delete", "Annotation deleted")):
        stage.cytomine.faults.add(Fault("slow", **SAVING, seconds=1))
        viewer.button("Rectangle")
        viewer.drag_slide(*box_of(sample.shape.buffer(5)))
        viewer.page.keyboard.press(key)
        viewer.status(told)
        assert stage.cytomine.store.annotation_ids(stage.image.id) == [older]
        expect(viewer.page.locator("#list-count")).to_have_text("1")


def test_no_refine_in_the_middle_of_a_drawing(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    older = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=older, room=2.2)
    stage.cytomine.faults.clear()
    first, last = box_of(sample.shape.buffer(5))
    viewer.button("Rectangle")
    viewer.page.mouse.move(*viewer.on_screen(*first))
    viewer.page.mouse.down()
    viewer.page.mouse.move(*viewer.on_screen(*last), steps=4)
    viewer.page.keyboard.press("r")
    viewer.status("You are still drawing")
    viewer.page.mouse.up()
    viewer.page.wait_for_url(re.compile(rf"annotation/(?!{older}@)\d+@"))
    assert asked(stage, "POST", "/sam$") == []


@pytest.mark.long
@pytest.mark.parametrize("give_up", ["Escape", "Cancel", "z"])
def test_a_refine_is_given_up(viewer: Viewer, stage: Stage, give_up: str) -> None:
    """The service, which has not written yet, writes nothing; undo takes back the refine and not the drawing."""
    number = held_refine(viewer, stage)
    before = stage.shape(number)
    cancel = viewer.page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    if give_up == "Cancel":
        viewer.screenshot("cancel")
        cancel.click()
    else:
        viewer.page.keyboard.press(give_up)
    viewer.status("Refine cancelled")
    expect(cancel).to_be_hidden()
    assert viewer.selected() == number
    assert stage.shape(number).equals(before)

    viewer.button("Refine with SAM")
    viewer.status("Outline refined")
    assert asked(stage, "PUT", "/api/annotation/") == [f"/api/annotation/{number}.json"]  # of the second one
    for _ in range(2):
        viewer.page.keyboard.press("z")
    expect(viewer.page.locator("#list-count")).to_have_text("0")


def test_too_late_to_give_up(viewer: Viewer, stage: Stage) -> None:
    """Where the service has written already, the page shows what is true."""
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    written = threading.Event()
    stage.cytomine.faults.add(Fault("slow", method="PUT", when="after", seconds=3, hook=written.set))
    area = viewer.page.locator("#facts dd").first
    before = area.inner_text()
    viewer.button("Refine with SAM")
    until(viewer, written)
    viewer.page.keyboard.press("Escape")
    viewer.status("Too late to cancel")
    expect(area).not_to_have_text(before)
    assert not stage.shape(number).equals(sample.shape)
    viewer.screenshot("too-late")


def test_an_undo_that_fails_in_the_middle(viewer: Viewer, stage: Stage) -> None:
    """What is left is told, and done by the next press."""
    viewer.expected = refused(500)
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    points = [stage.draw(point) for point in sample.points]
    viewer.open(at=sample.shape, annotation=number)
    viewer.button("Refine with SAM")
    viewer.status("2 points used")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number]
    stage.cytomine.faults.add(Fault("status", method="GET", path="/undo", skip=1))
    viewer.page.keyboard.press("z")
    viewer.alert("2 of 3 steps could not be undone. Press Z to try again.")
    expect(viewer.page.locator("#list-count")).to_have_text("2")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number, points[1]]
    viewer.page.keyboard.press("z")
    viewer.status("Undone")
    expect(viewer.page.locator("#list-count")).to_have_text("3")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number, *points]
    assert stage.shape(number).equals(sample.shape)
    for _ in range(2):
        viewer.page.keyboard.press("Shift+Z")
    expect(viewer.page.locator("#list-count")).to_have_text("1")
    assert not stage.shape(number).equals(sample.shape)
