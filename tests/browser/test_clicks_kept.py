"""What a person has drawn or clicked is not lost: over a reload, a service that is down, a Core that refuses."""

from __future__ import annotations

import pytest

from app.geometry.polygons import iou
from demo.cytomine.faults import Fault
from demo.samples import loose_box
from tests.browser.clicking import begin, drag_box, gland, outlining, preview, stored
from tests.browser.stage import Stage, Viewer
from tests.browser.test_problems import refused

pytest.importorskip("playwright")
from playwright.sync_api import expect

STORE = {"method": "POST", "path": r"/api/annotation\.json$"}


def reload(viewer: Viewer) -> None:
    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")


def test_an_open_preview_survives_a_reload_with_its_clicks(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    begin(clicker, stage, truth)
    with outlining(clicker) as before:
        clicker.click_slide(*truth.representative_point().coords[0])
    with outlining(clicker) as after:
        reload(clicker)
    assert after.outline.equals(before.outline)
    with outlining(clicker):
        clicker.page.keyboard.press("z")  # the click can still be undone
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    assert len(stored(stage)) == 1
    reload(clicker)
    expect(preview(clicker)).to_be_hidden()
    assert len(stored(stage)) == 1


def test_a_preview_belongs_to_its_user(clicker: Viewer, stage: Stage) -> None:
    begin(clicker, stage, gland(stage))
    clicker.page.get_by_label("Working as").select_option("bob")
    expect(preview(clicker)).to_be_hidden()
    reload(clicker)
    expect(preview(clicker)).to_be_hidden()
    with outlining(clicker):
        clicker.page.get_by_label("Working as").select_option("alice")
    expect(preview(clicker)).to_be_visible()


def test_a_service_that_is_down_costs_no_shape(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = refused(502)
    truth = gland(stage)
    stage.clear()
    clicker.open(at=truth, room=2.2)
    clicker.button("Rectangle")
    stage.stop_service()
    try:
        drag_box(clicker, loose_box(truth))
        clicker.alert("The refine service cannot be reached")
        clicker.alert("Your shape is still on the slide")
        expect(preview(clicker)).to_be_visible()
        clicker.screenshot("clicks-failed")
    finally:
        stage.start_service()
    with outlining(clicker) as seen:
        preview(clicker).get_by_role("button", name="Preview again").click()
    assert iou(seen.outline, truth) > 0.6
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")


def test_an_accepted_outline_that_core_does_not_take_is_kept(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = refused(500)
    truth = gland(stage)
    seen = begin(clicker, stage, truth)
    stage.cytomine.faults.add(Fault("status", **STORE))
    clicker.page.keyboard.press("Enter")
    clicker.alert("Your drawing is still on the slide")
    assert stored(stage) == []
    with outlining(clicker):
        reload(clicker)
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    [number] = stored(stage)
    assert iou(stage.shape(number), seen.outline) > 0.9999


def test_an_outline_whose_answer_was_lost_is_not_stored_twice(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = refused(502)
    truth = gland(stage)
    begin(clicker, stage, truth)
    stage.cytomine.faults.add(Fault("status", **STORE, when="after", status=502, content_type="text/html"))
    clicker.page.keyboard.press("Enter")
    clicker.alert("Your drawing is still on the slide")
    assert len(stored(stage)) == 1
    reload(clicker)
    expect(clicker.page.locator("#list-count")).to_have_text("1")
    expect(preview(clicker)).to_be_hidden()
    assert len(stored(stage)) == 1


def test_a_preview_on_another_slide_waits_there(clicker: Viewer, stage: Stage) -> None:
    begin(clicker, stage, gland(stage))
    session = clicker.page.evaluate("sessionStorage.getItem('previews')")
    other = session.replace(f'"image":{stage.image.id}', '"image":987654321')
    clicker.page.evaluate("text => sessionStorage.setItem('elsewhere', text)", other)
    clicker.page.add_init_script(
        "const other = location.protocol === 'http:' && sessionStorage.getItem('elsewhere');"
        "if (other) { sessionStorage.setItem('previews', other); sessionStorage.removeItem('elsewhere'); }"
    )
    reload(clicker)
    expect(preview(clicker)).to_be_hidden()
    assert '"image":987654321' in clicker.page.evaluate("sessionStorage.getItem('previews')")
