"""The loop: draw, point, refine, see the outline move onto the object, take it back."""

from __future__ import annotations

import pytest
import shapely

from app.geometry.polygons import iou
from tests.browser.stage import Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect


def draw_loosely(viewer: Viewer, stage: Stage) -> int:
    """Draw the gland's loose box and its two points with the mouse."""
    sample = stage.gland()
    x0, y0, x1, y1 = sample.shape.bounds
    viewer.button("Rectangle")
    viewer.drag_slide((x0, y0), (x1, y1))
    viewer.page.wait_for_url("**/annotation/*")
    number = viewer.selected()
    viewer.page.keyboard.press("p")
    for count, point in enumerate(sample.points, 1):
        viewer.click_slide(point.x, point.y)
        viewer.page.get_by_text(f"box and {count} point").wait_for()
    viewer.button("Select")
    viewer.saved()
    return number


def test_the_outline_moves_onto_the_object(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    assert sample.truth
    viewer.open(at=sample.shape, room=2.2)
    number = draw_loosely(viewer, stage)
    drawn = stage.shape(number)
    assert iou(drawn, sample.shape) > 0.97
    points = [each for each in stage.cytomine.store.annotation_ids(stage.image.id) if each != number]
    assert len(points) == 2
    viewer.screenshot("refine-1-drawn")

    viewer.button("Refine with SAM")
    viewer.status("Outline refined")
    refined = stage.shape(number)
    assert iou(refined, sample.truth) > 0.85 > iou(drawn, sample.truth)
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number]
    confidence = float(viewer.page.locator("#score-value").inner_text())
    assert 0 < confidence <= 1
    expect(viewer.page.get_by_role("region", name="Timings")).to_contain_text("Measured for this outline")
    viewer.screenshot("refine-2-refined")

    viewer.page.keyboard.down("c")
    expect(viewer.page.get_by_text("Before", exact=True)).to_be_visible()
    viewer.screenshot("refine-3-before")
    viewer.page.keyboard.up("c")
    expect(viewer.page.get_by_text("Before", exact=True)).to_be_hidden()

    viewer.page.keyboard.press("z")
    viewer.status("Undone")
    assert stage.shape(number).equals(drawn)
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number, *points]
    expect(viewer.page.locator("#prompt-note")).to_have_text("The model will use the box and 2 points.")
    viewer.screenshot("refine-4-undone")
    viewer.page.keyboard.press("Shift+Z")
    viewer.status("Redone")
    assert stage.shape(number).equals(refined)
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number]
    expect(viewer.page.locator("#list-count")).to_have_text("1")
    assert viewer.selected() == number


def test_busy_until_the_answer_is_there(viewer: Viewer, stage: Stage) -> None:
    """One press is one refine, however often it is pressed."""
    from demo.cytomine.faults import Fault

    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    stage.cytomine.faults.clear()
    stage.cytomine.faults.add(Fault("slow", method="POST", path="/window", seconds=1.5))
    refine = viewer.page.get_by_role("button", name="Refine with SAM")
    refine.click()
    expect(refine).to_have_attribute("aria-busy", "true")
    expect(viewer.page.get_by_role("region", name="Timings")).to_contain_text("Refining:")
    viewer.page.keyboard.press("r")
    viewer.screenshot("busy")
    viewer.status("Outline refined")
    expect(refine).to_have_attribute("aria-busy", "false")
    sent = [seen for seen in stage.cytomine.faults.requests if seen.path.endswith("/sam")]
    assert len(sent) == 1


def test_timings_are_folded_away_until_somebody_wants_them(viewer: Viewer, stage: Stage) -> None:
    """The browser remembers what a person unfolded."""
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    page = viewer.page
    viewer.open(at=sample.shape, annotation=number)
    page.get_by_role("button", name="Refine with SAM").click()
    viewer.status("Outline refined")
    steps = page.locator("#steps")
    expect(steps).to_be_hidden()
    viewer.screenshot("timings-folded")
    page.locator("#timings summary").click()
    expect(steps).to_be_visible()
    viewer.screenshot("timings-unfolded")
    page.reload()
    expect(steps).to_be_visible()
    page.locator("#timings summary").click()
    expect(steps).to_be_hidden()


def test_points_are_kept_on_request(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    point = stage.draw(sample.points[0])
    viewer.open(at=sample.shape, annotation=number)
    viewer.page.get_by_label("Keep the points").check()
    viewer.button("Refine with SAM")
    viewer.status("1 point used")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number, point]


def test_only_areas_can_be_refined(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    x0, y0, x1, y1 = sample.shape.bounds
    refine = viewer.page.get_by_role("button", name="Refine with SAM")
    viewer.open(at=sample.shape)
    expect(refine).to_be_hidden()
    for shape, can in (
        (sample.points[0], False),
        (shapely.LineString([(x0, y0), (x1, y1)]), False),
        (sample.shape, True),
    ):
        number = stage.draw(shape)
        viewer.open(at=sample.shape, annotation=number)
        expect(viewer.page.locator("#details-title")).to_contain_text(str(number))
        expect(refine).to_be_visible(visible=can)


def test_another_user_has_other_points_and_another_history(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    stage.draw(sample.points[0], by=1)
    viewer.open(at=sample.shape, annotation=number)
    note = viewer.page.locator("#prompt-note")
    expect(note).to_have_text("The model will use only the box.")
    viewer.button("Refine with SAM")
    viewer.status("Outline refined")
    expect(viewer.page.get_by_role("button", name="Undo")).to_be_enabled()
    viewer.page.get_by_label("Working as").select_option("bob")
    expect(note).to_have_text("The model will use the box and 1 point.")
    expect(viewer.page.get_by_role("button", name="Undo")).to_be_disabled()


def test_doubts_are_the_services_own(viewer: Viewer, stage: Stage) -> None:
    """What the service doubts is shown with every outline, whatever its score; what it says of itself, at the top."""
    stage.clear()
    sample = stage.gland()
    viewer.open(at=sample.shape, annotation=stage.draw(sample.shape))
    with viewer.page.expect_response("**/sam") as answer:
        viewer.button("Refine with SAM")
    doubts = answer.value.json()["refinement"]["doubts"]
    assert doubts  # of the demo's model
    for doubt in doubts:
        viewer.status(doubt)
    expect(viewer.page.locator("#doubts li")).to_have_text(doubts)
    warning = stage.health()["warning"]
    expect(viewer.page.get_by_role("note")).to_have_text(warning)
    viewer.screenshot("doubts")


def test_the_service_looks_ahead(viewer: Viewer, stage: Stage) -> None:
    """Where the service prepares, it is told of a shape as soon as that is drawn or selected."""
    stage.clear()
    sample = stage.gland()
    viewer.open(at=sample.shape)
    if not viewer.page.evaluate("fetch('/demo/about').then((answer) => answer.json())")["prepares"]:
        pytest.skip("this service has no route to prepare ahead of the click")
    x0, y0, x1, y1 = sample.shape.bounds
    viewer.button("Rectangle")
    with viewer.page.expect_response("**/demo/embeddings") as answer:
        viewer.drag_slide((x0, y0), (x1, y1))
    assert answer.value.status == 202
