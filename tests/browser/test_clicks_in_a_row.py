"""Many objects, quick hands: what is drawn next accepts, the newest click wins, and what is doubted is asked about."""

from __future__ import annotations

import threading
import time

import pytest
import shapely

from app.geometry.polygons import iou
from demo.cytomine.faults import Fault
from demo.samples import loose_box
from tests.browser.clicking import (
    answered,
    begin,
    drag_box,
    gland,
    outlining,
    preview,
    right_click,
    stored,
    too_much,
)
from tests.browser.stage import Stage, Viewer
from tests.browser.test_hurry import asked, until

pytest.importorskip("playwright")
from playwright.sync_api import expect

GLASS = shapely.box(3000, 1760, 3150, 1900)
"""Hardly anything but glass."""
ASKED = {"method": "POST", "path": "/demo/prediction"}


def neighbours(stage: Stage, count: int) -> list[shapely.Polygon]:
    """Give glands that lie near one another."""
    glands = [each.polygon for each in stage.objects if each.kind == "glands"]
    middle = gland(stage).centroid
    return sorted(glands, key=lambda each: each.centroid.distance(middle))[:count]


def test_ten_objects_in_a_row_take_one_drag_each(clicker: Viewer, stage: Stage) -> None:
    """One drag each, and Enter after the last; two more actions where one click mends an outline."""
    stage.clear()
    truths = neighbours(stage, 10)
    everything = shapely.union_all(truths)
    clicker.open(at=everything, room=1.25)
    clicker.button("Rectangle")
    actions, started = 0, time.perf_counter()
    mended = False
    for truth in truths:
        with outlining(clicker) as seen:
            drag_box(clicker, loose_box(truth))
        actions += 1
        if not mended and truth.equals(gland(stage)):
            with outlining(clicker) as better:
                right_click(clicker, *too_much(seen.outline, truth))
            clicker.page.keyboard.press("Enter")
            actions, mended = actions + 2, True
            assert iou(better.outline, truth) > iou(seen.outline, truth)
    clicker.page.keyboard.press("Enter")
    actions += 1
    expect(clicker.page.locator("#list-count")).to_have_text("10")
    clicker.saved()
    seconds = time.perf_counter() - started
    assert len(stored(stage)) == 10
    assert mended
    assert actions == 10 + 2 + 1
    outlines = [stage.shape(number) for number in stored(stage)]
    fits = [max(iou(outline, truth) for outline in outlines) for truth in truths]
    print(f"ten objects: {actions} actions, {seconds:.1f} s, IoU {sum(fits) / len(fits):.3f}")
    assert min(fits) > 0.5
    clicker.screenshot("clicks-ten")


def test_drawing_on_before_any_answer(clicker: Viewer, stage: Stage) -> None:
    """Nothing that was drawn in a hurry is lost: each is accepted once its answer is there."""
    stage.clear()
    stage.cytomine.faults.clear()
    truths = neighbours(stage, 3)
    clicker.open(at=shapely.union_all(truths), room=1.6)
    clicker.button("Rectangle")
    stage.cytomine.faults.add(Fault("slow", **ASKED, seconds=2, times=3))
    for truth in truths:
        drag_box(clicker, loose_box(truth))
    expect(preview(clicker)).to_contain_text("2 more shapes wait")
    assert stored(stage) == []
    answered(clicker)
    expect(clicker.page.locator("#list-count")).to_have_text("2")
    clicker.page.keyboard.press("Enter")
    expect(clicker.page.locator("#list-count")).to_have_text("3")
    clicker.saved()
    for truth in truths:
        assert max(iou(stage.shape(number), truth) for number in stored(stage)) > 0.6


def test_a_click_before_the_answer_and_the_newest_click_wins(clicker: Viewer, stage: Stage) -> None:
    """The answers to older prompts, which come later than the newest one, are never shown."""
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    place = too_much(first.outline, truth)
    inside = truth.representative_point().coords[0]
    stage.cytomine.faults.add(Fault("slow", **ASKED, seconds=4, times=2))  # the next two questions
    clicker.click_slide(*inside)
    expect(preview(clicker)).to_have_attribute("aria-busy", "true")
    clicker.page.keyboard.press("Enter")
    clicker.status("The outline is not there yet")
    right_click(clicker, *place)
    with outlining(clicker) as newest:
        clicker.page.keyboard.press("n")
    assert newest.told
    clicker.page.wait_for_timeout(5000)  # until the older answers would have come
    count = shapely.get_num_coordinates(newest.outline) - 1
    expect(clicker.page.locator("#detail-text")).to_contain_text(f"{count} vertices")
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    [number] = stored(stage)
    assert iou(stage.shape(number), newest.outline) > 0.9999


def test_undo_before_the_shape_is_stored(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    begin(clicker, stage, truth)
    saving = threading.Event()
    fault = Fault("slow", method="POST", path=r"/api/annotation\.json$", seconds=2, hook=saving.set)
    stage.cytomine.faults.add(fault)
    clicker.page.keyboard.press("Enter")
    until(clicker, saving)
    with outlining(clicker):
        clicker.page.keyboard.press("z")
    assert stored(stage) == []


def test_clicks_belong_to_the_preview_until_a_tool_that_clicks_is_chosen(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    begin(clicker, stage, truth)
    x0, y0, x1, y1 = truth.bounds
    with outlining(clicker):
        clicker.click_slide(*truth.representative_point().coords[0])
    clicker.page.keyboard.press("g")
    for place in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)):
        clicker.click_slide(*place)
        clicker.page.wait_for_timeout(300)  # two clicks in a hurry are a double click
    assert stored(stage) == []
    with clicker.page.expect_request("**/demo/prediction") as asked_for, outlining(clicker):
        clicker.click_slide(x0, y0)
    assert asked_for.value.post_data_json["points"] == []  # the click that closed the polygon is no other
    clicker.status("Outline accepted")  # the first one
    assert len(stored(stage)) == 1
    with outlining(clicker):
        clicker.click_slide(*truth.representative_point().coords[0])
    clicker.page.keyboard.press("Escape")
    assert len(stored(stage)) == 1


def test_points_and_lines_are_stored_as_ever(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    truth = gland(stage)
    clicker.open(at=truth, room=2.2)
    clicker.button("Point")
    clicker.click_slide(*truth.representative_point().coords[0])
    clicker.page.wait_for_url("**/annotation/*")
    assert [stage.shape(each).geom_type for each in stored(stage)] == ["Point"]
    expect(preview(clicker)).to_be_hidden()


@pytest.mark.parametrize(
    ("key", "told", "kept"), [("Enter", "Outline accepted", 2), ("Escape", "Preview discarded", 1)]
)
def test_doubt_is_asked_about_in_the_words_of_the_service(
    clicker: Viewer, stage: Stage, key: str, told: str, kept: int
) -> None:
    """On glass there is nothing to outline; drawing on does not accept what the service doubts, and loses nothing."""
    truth = gland(stage)
    stage.clear()
    clicker.open(at=shapely.union_all([truth, GLASS]), room=1.6)
    clicker.button("Rectangle")
    with outlining(clicker) as seen:
        drag_box(clicker, GLASS)
    assert seen.told
    assert seen.told["doubtful"]
    expect(preview(clicker)).to_contain_text("The service doubts this outline")
    expect(clicker.page.locator("#preview-doubts li")).to_have_text(seen.told["doubts"])
    expect(clicker.page.locator("#preview-confidence")).to_have_text(f"{seen.told['confidence']:.2f}")
    clicker.screenshot("clicks-doubtful")

    with clicker.page.expect_response("**/demo/prediction"):
        drag_box(clicker, loose_box(truth))
    expect(preview(clicker)).to_contain_text("1 more shape waits")
    expect(preview(clicker)).to_contain_text("The service doubts this outline")
    assert stored(stage) == []
    clicker.page.keyboard.press(key)
    clicker.status(told)
    expect(preview(clicker)).not_to_contain_text("The service doubts")
    clicker.page.keyboard.press("Enter")
    clicker.page.wait_for_function(
        "count => document.getElementById('list-count').textContent === count", arg=str(kept)
    )
    clicker.saved()
    assert len(stored(stage)) == kept
    assert max(iou(stage.shape(number), truth) for number in stored(stage)) > 0.75


def test_a_question_that_was_given_up_is_given_up_at_the_service(clicker: Viewer, stage: Stage) -> None:
    """Discarding closes the connection; nothing is shown afterwards."""
    truth = gland(stage)
    stage.clear()
    stage.cytomine.faults.clear()
    clicker.open(at=truth, room=2.2)
    stage.cytomine.faults.add(Fault("slow", **ASKED, seconds=2))
    clicker.button("Rectangle")
    with clicker.page.expect_event("requestfailed", lambda request: request.url.endswith("/demo/prediction")):
        drag_box(clicker, truth)
        clicker.page.keyboard.press("Escape")
    clicker.status("Preview discarded")
    clicker.page.wait_for_timeout(2500)
    expect(preview(clicker)).to_be_hidden()
    assert stored(stage) == []
    assert asked(stage, "POST", r"/api/annotation\.json$") == []
