"""Outlining by clicks without a mouse: by keyboard, by touch, and for those who hear the page."""

from __future__ import annotations

import re

import pytest

from app.geometry.polygons import iou
from demo.samples import loose_box
from tests.browser.clicking import begin, gland, outlining, preview, right_click, stored, too_much
from tests.browser.stage import Stage, Viewer
from tests.browser.test_everybody import DARK, PHONE, move, violations

pytest.importorskip("playwright")
from playwright.sync_api import expect


def test_by_keyboard_alone(clicker: Viewer, stage: Stage) -> None:
    """Box, a background click under the cross, the next proposal and back, accept."""
    stage.clear()
    truth = gland(stage)
    box = loose_box(truth)
    clicker.open(at=box, room=3)
    keyboard, slide = clicker.page.keyboard, clicker.page.get_by_role("application", name="Slide")
    for _ in range(12):
        if slide.evaluate("map => map === document.activeElement"):
            break
        keyboard.press("Tab")
    x0, y0, x1, y1 = box.bounds
    keyboard.press("b")
    move(clicker, (x0 - x1) / 2, (y0 - y1) / 2)
    keyboard.press("Enter")
    move(clicker, x1 - x0, y1 - y0)
    with outlining(clicker) as first:
        keyboard.press("Enter")
    x, y = too_much(first.outline, truth)
    move(clicker, x - x1, y - y1)
    clicker.screenshot("clicks-keyboard")
    with clicker.page.expect_request("**/demo/prediction") as asked, outlining(clicker) as second:
        keyboard.press("Shift+Space")
    assert [point["properties"]["label"] for point in asked.value.post_data_json["points"]] == [0]
    assert iou(second.outline, truth) > iou(first.outline, truth)
    with outlining(clicker):
        keyboard.press("Tab")
    expect(slide).to_be_focused()
    keyboard.press("Shift+Tab")
    expect(slide).not_to_be_focused()
    keyboard.press("Tab")  # not on the slide: the browser's own
    expect(slide).to_be_focused()
    keyboard.press("Enter")
    clicker.status("Outline accepted")
    assert len(stored(stage)) == 1


def test_enter_on_a_button_presses_the_button(clicker: Viewer, stage: Stage) -> None:
    begin(clicker, stage, gland(stage))
    preview(clicker).get_by_role("button", name="Discard").focus()
    clicker.page.keyboard.press("Enter")
    clicker.status("Preview discarded")
    assert stored(stage) == []


@pytest.mark.parametrize("clicker", [PHONE], indirect=True, ids=["390 px"])
def test_on_a_phone(clicker: Viewer, stage: Stage) -> None:
    """Draw, tap on the object, tap on the background, accept; everything in reach and large enough."""
    stage.clear()
    truth = gland(stage)
    box = loose_box(truth)
    clicker.open(at=box, room=2)
    x0, y0, x1, y1 = box.bounds
    clicker.page.get_by_role("button", name="Rectangle").tap()
    clicker.page.touchscreen.tap(*clicker.on_screen(x0, y0))
    with clicker.page.expect_request("**/demo/prediction") as asked, outlining(clicker) as first:
        clicker.page.touchscreen.tap(*clicker.on_screen(x1, y1))
    assert asked.value.post_data_json["points"] == []  # the tap that drew the box is no click
    for name in ("Object", "Background", "Undo click", "Discard", "Accept", "Proposal"):
        control = preview(clicker).get_by_role("button", name=name)
        expect(control).to_be_in_viewport()
        place = control.bounding_box()
        assert place
        assert place["height"] >= 44
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 391
    assert clicker.page.evaluate("document.documentElement.scrollWidth") <= 390
    clicker.screenshot("phone-3-preview")
    preview(clicker).get_by_role("button", name="Background").tap()
    with outlining(clicker) as second:
        clicker.page.touchscreen.tap(*clicker.on_screen(*too_much(first.outline, truth)))
    assert iou(second.outline, truth) > iou(first.outline, truth)
    clicker.screenshot("phone-4-background")
    assert violations(clicker) == []
    preview(clicker).get_by_role("button", name="Accept").tap()
    clicker.status("Outline accepted")
    [number] = stored(stage)
    assert iou(stage.shape(number), second.outline) > 0.9999


@pytest.mark.parametrize("clicker", [PHONE], indirect=True, ids=["390 px"])
def test_a_finger_held_down_clicks_on_the_background(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    truth = gland(stage)
    box = loose_box(truth)
    clicker.open(at=box, room=2)
    x0, y0, x1, y1 = box.bounds
    clicker.page.get_by_role("button", name="Rectangle").tap()
    clicker.page.touchscreen.tap(*clicker.on_screen(x0, y0))
    with outlining(clicker) as first:
        clicker.page.touchscreen.tap(*clicker.on_screen(x1, y1))
    x, y = clicker.on_screen(*too_much(first.outline, truth))
    touch = clicker.page.context.new_cdp_session(clicker.page)
    with clicker.page.expect_request("**/demo/prediction") as asked, outlining(clicker):
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        clicker.page.wait_for_timeout(1200)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert [point["properties"]["label"] for point in asked.value.post_data_json["points"]] == [0]
    expect(preview(clicker).get_by_role("button", name="Undo click")).to_be_enabled()


@pytest.mark.parametrize("clicker", [{}, DARK], indirect=True, ids=["light", "dark"])
def test_a_preview_is_accessible_and_says_what_it_shows(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    said = r"Outline of [\d,.]+ µm²\. Enter accepts it, and so does drawing the next shape; Esc discards it\."
    expect(preview(clicker).get_by_role("status")).to_have_text(re.compile(said))
    assert violations(clicker) == []
    with outlining(clicker):
        right_click(clicker, *too_much(first.outline, truth))
    dark = clicker.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    clicker.screenshot("clicks-dark" if dark else "clicks-light")
    slider = preview(clicker).get_by_role("slider", name="Detail")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d+ vertices, automatic"))
