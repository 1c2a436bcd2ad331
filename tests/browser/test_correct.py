"""An annotation is corrected by clicks: previewed, accepted exactly as it was seen or not at all, undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import shapely

from app.geometry.polygons import iou
from demo.cytomine.faults import Fault
from demo.samples import loose_box
from demo.seeding import platform_wkt
from tests.browser.clicking import gland, outlining, preview, right_click, stored, too_much
from tests.browser.stage import Stage, Viewer
from tests.browser.test_problems import refused

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytest.importorskip("playwright")
from playwright.sync_api import expect

CORE = "**/api/annotation/*/sam"


def drawn(viewer: Viewer, stage: Stage) -> tuple[int, shapely.Polygon]:
    """Put a loose box on an empty slide, and select it; gives its gland too."""
    stage.clear()
    stage.cytomine.faults.clear()
    truth = gland(stage)
    number = stage.draw(loose_box(truth))
    viewer.open(at=truth, annotation=number, room=2.2)
    return number, truth


def test_clicks_correct_an_annotation_and_one_undo_takes_it_all_back(clicker: Viewer, stage: Stage) -> None:
    number, truth = drawn(clicker, stage)
    before = stage.shape(number)
    with outlining(clicker, CORE) as first:
        clicker.button("Correct by clicks")
    with outlining(clicker, CORE) as mended:
        right_click(clicker, *too_much(first.outline, truth))
    assert iou(mended.outline, truth) > iou(first.outline, truth)
    assert stage.shape(number).equals(before)
    clicker.screenshot("correct-1-preview")
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    after = stage.shape(number)
    assert after.equals_exact(mended.outline, 1e-6)
    assert stored(stage) == [number]

    with outlining(clicker, CORE) as again:
        clicker.page.keyboard.press("z")
    clicker.status("Undone")
    assert stage.shape(number).equals(before)
    assert again.outline.equals(mended.outline)
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    assert stage.shape(number).equals(after)


def test_correcting_goes_on_from_the_first_box_and_the_clicks(clicker: Viewer, stage: Stage) -> None:
    """Whoever corrects again finds what was clicked, and the box does not shrink to the outline."""
    number, truth = drawn(clicker, stage)
    box = stage.shape(number).bounds
    with outlining(clicker, CORE) as first:
        clicker.page.keyboard.press("e")
    with outlining(clicker, CORE) as mended:
        right_click(clicker, *too_much(first.outline, truth))
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    with clicker.page.expect_request(CORE) as asked, outlining(clicker, CORE) as again:
        clicker.page.keyboard.press("e")
    options = asked.value.post_data_json
    height = stage.image.height
    assert options["box"] == pytest.approx([box[0], height - box[3], box[2], height - box[1]], abs=0.01)
    assert [click["label"] for click in options["clicks"]] == [0]
    assert again.outline.equals(mended.outline)


def test_a_refine_is_corrected_from_its_first_box(clicker: Viewer, stage: Stage) -> None:
    number, _ = drawn(clicker, stage)
    box = stage.shape(number).bounds
    clicker.button("Refine with SAM")
    clicker.status("Outline refined")
    with clicker.page.expect_request(CORE) as asked, outlining(clicker, CORE):
        clicker.page.keyboard.press("e")
    x0, y0, x1, y1 = asked.value.post_data_json["box"]
    height = stage.image.height
    assert [x0, height - y1, x1, height - y0] == pytest.approx(box, abs=1)


def test_what_was_changed_meanwhile_is_not_overwritten(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = refused(409)
    number, truth = drawn(clicker, stage)
    with outlining(clicker, CORE) as first:
        clicker.button("Correct by clicks")
    with outlining(clicker, CORE) as mended:
        right_click(clicker, *too_much(first.outline, truth))
    theirs = truth.buffer(25)
    stage.cytomine.store.set_location(number, platform_wkt(theirs, stage.image.height))
    clicker.page.keyboard.press("Enter")
    clicker.alert("nothing was written")
    assert iou(stage.shape(number), theirs) > 0.999
    clicker.screenshot("correct-2-changed-meanwhile")

    with outlining(clicker, CORE) as again:
        clicker.page.get_by_role("alert").get_by_role("button", name="Preview again").click()
    assert again.outline.equals(mended.outline)
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    assert stage.shape(number).equals_exact(mended.outline, 1e-6)


def test_an_accept_whose_answer_was_lost_shows_what_is_stored(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = refused(502)
    number, _ = drawn(clicker, stage)
    with outlining(clicker, CORE) as first:
        clicker.button("Correct by clicks")
    page = Fault("status", method="POST", path="/sam$", when="after", status=502, content_type="text/html")
    stage.cytomine.faults.add(page)
    clicker.page.keyboard.press("Enter")
    clicker.status("The outline is stored")
    expect(preview(clicker)).to_be_hidden()
    assert stage.shape(number).equals_exact(first.outline, 1e-6)


def test_points_in_the_annotation_count_and_come_back_with_the_undo(clicker: Viewer, stage: Stage) -> None:
    number, truth = drawn(clicker, stage)
    point = stage.draw(truth.representative_point())
    clicker.open(at=truth, annotation=number, room=2.2)
    with clicker.page.expect_request(CORE) as asked, outlining(clicker, CORE):
        clicker.button("Correct by clicks")
    assert asked.value.post_data_json["points"] == "auto"
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    assert stored(stage) == [number]
    with outlining(clicker, CORE):
        clicker.page.keyboard.press("z")
    clicker.status("Undone")
    assert stored(stage) == [number, point]


def test_keys_mean_the_preview_and_not_what_is_below_it(clicker: Viewer, stage: Stage) -> None:
    number, _ = drawn(clicker, stage)
    before = stage.shape(number)
    with outlining(clicker, CORE):
        clicker.button("Correct by clicks")
    clicker.page.keyboard.press("r")
    clicker.status("A preview is open")
    clicker.page.keyboard.press("Delete")
    clicker.status("Preview discarded")
    expect(preview(clicker)).to_be_hidden()
    assert stored(stage) == [number]
    assert stage.shape(number).equals(before)
    assert clicker.selected() == number


def test_a_doubtful_refine_is_shown_first_where_the_service_wants_it(clicker: Viewer, stage: Stage) -> None:
    """The operator can have doubt shown instead of written; the page then opens the preview by itself."""
    number, _ = drawn(clicker, stage)
    before = stage.shape(number)

    def as_if_doubtful(route: Route) -> None:  # the answer that the service gives then is that of a dry run
        route.continue_(post_data={"dryRun": True})

    clicker.page.route(CORE, as_if_doubtful, times=1)
    with outlining(clicker, CORE):
        clicker.button("Refine with SAM")
        clicker.status("Nothing was written yet")
    expect(preview(clicker)).to_be_visible()
    assert stage.shape(number).equals(before)
