"""Outlining by clicks: draw, look, click on what is missing or too much, accept; and take it all back."""

from __future__ import annotations

import pytest
import shapely

from app.geometry.polygons import iou
from tests.browser.clicking import begin, drag_box, gland, outlining, preview, right_click, stored, too_much
from tests.browser.stage import Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect


def test_one_click_mends_an_outline_and_one_undo_brings_everything_back(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    assert stored(stage) == []
    clicker.screenshot("clicks-1-preview")

    with outlining(clicker) as second:
        right_click(clicker, *too_much(first.outline, truth))
    assert iou(second.outline, truth) > iou(first.outline, truth) + 0.02
    assert stored(stage) == []
    clicker.screenshot("clicks-2-background")

    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    [number] = stored(stage)
    assert iou(stage.shape(number), second.outline) > 0.9999
    expect(preview(clicker)).to_be_hidden()
    assert clicker.selected() == number
    expect(clicker.page.locator("#doubts li")).to_have_text((second.told or {})["doubts"])
    clicker.screenshot("clicks-3-accepted")

    with outlining(clicker) as again:
        clicker.page.keyboard.press("z")
    clicker.status("Undone")
    assert stored(stage) == []
    assert again.outline.equals(second.outline)  # the shape and the click are there
    clicker.screenshot("clicks-4-undone")

    clicker.page.keyboard.press("Shift+Z")
    clicker.status("Redone")
    assert stored(stage) == [number]
    expect(preview(clicker)).to_be_hidden()


def test_clicks_are_removed_undone_and_redone(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    undo = preview(clicker).get_by_role("button", name="Undo click")
    expect(undo).to_be_disabled()
    place = too_much(first.outline, truth)
    with outlining(clicker) as mended:
        right_click(clicker, *place)
    with outlining(clicker) as removed:
        clicker.click_slide(*place)  # on the mark
    assert removed.outline.equals(first.outline)
    with outlining(clicker) as undone:
        undo.click()
    assert undone.outline.equals(mended.outline)
    with outlining(clicker) as undone:
        clicker.page.keyboard.press("z")
    assert undone.outline.equals(first.outline)
    with outlining(clicker) as redone:
        clicker.page.keyboard.press("Shift+Z")
    assert redone.outline.equals(mended.outline)
    assert stored(stage) == []


@pytest.mark.long
@pytest.mark.parametrize("how", ["right button", "Alt", "button", "key"])
def test_every_way_to_click_on_the_background(clicker: Viewer, stage: Stage, how: str) -> None:
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    place = too_much(first.outline, truth)
    with clicker.page.expect_request("**/demo/prediction") as asked:
        if how == "right button":
            right_click(clicker, *place)
        elif how == "Alt":
            clicker.page.keyboard.down("Alt")
            clicker.click_slide(*place)
            clicker.page.keyboard.up("Alt")
        else:
            if how == "button":
                clicker.button("Background")
            else:
                clicker.page.keyboard.press("x")
            expect(clicker.page.get_by_role("button", name="Background")).to_have_attribute("aria-pressed", "true")
            clicker.click_slide(*place)
    [point] = asked.value.post_data_json["points"]
    assert point["properties"]["label"] == 0
    x, y = point["geometry"]["coordinates"]
    assert abs(x - place[0]) < 2
    assert abs(stage.image.height - y - place[1]) < 2


def test_a_double_click_is_one_click(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    begin(clicker, stage, truth)
    with clicker.page.expect_request("**/demo/prediction") as asked:
        clicker.page.mouse.dblclick(*clicker.on_screen(*truth.representative_point().coords[0]))
    assert len(asked.value.post_data_json["points"]) == 1
    clicker.page.wait_for_load_state("networkidle")
    expect(preview(clicker).get_by_role("button", name="Undo click")).to_be_enabled()


@pytest.mark.long
@pytest.mark.parametrize("how", ["Tab", "n", "button"])
def test_the_proposals_are_gone_round(clicker: Viewer, stage: Stage, how: str) -> None:
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    assert first.told
    found = [each for each in first.told["proposals"] if each["geometry"]]
    assert len(found) > 1
    count = len(found) + (first.told["proposal"] == "single")
    control = preview(clicker).get_by_role("button", name="Proposal")
    seen = []
    for _ in range(count):
        with outlining(clicker) as answer:
            if how == "button":
                control.click()
            else:
                clicker.page.keyboard.press(how)
        assert answer.told
        seen.append(answer.told["proposal"])
        expect(control).to_contain_text(f"of {count}")
    assert len(set(map(str, seen))) == count
    assert seen[-1] == first.told["proposal"]
    with outlining(clicker) as chosen:
        clicker.page.keyboard.press("n")
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    [number] = stored(stage)
    assert iou(stage.shape(number), chosen.outline) > 0.9999


def test_detail_is_a_number_of_vertices(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    first = begin(clicker, stage, truth)
    slider = preview(clicker).get_by_role("slider", name="Detail")
    with outlining(clicker) as coarse:
        slider.fill("2")
    expect(clicker.page.locator("#detail-text")).to_contain_text("at most 16")
    assert shapely.get_num_coordinates(coarse.outline) <= 17 < shapely.get_num_coordinates(first.outline)
    with outlining(clicker) as finer:
        clicker.page.keyboard.press("]")
    assert finer.told
    expect(clicker.page.locator("#detail-text")).to_contain_text("at most 24")
    clicker.screenshot("clicks-detail")
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    [number] = stored(stage)
    assert shapely.get_num_coordinates(stage.shape(number)) <= 25


def test_what_is_discarded_can_be_brought_back(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    begin(clicker, stage, truth)
    with outlining(clicker) as clicked:
        clicker.click_slide(*truth.representative_point().coords[0])
    clicker.page.keyboard.press("Escape")
    clicker.status("Preview discarded")
    expect(preview(clicker)).to_be_hidden()
    with outlining(clicker) as back:
        clicker.page.keyboard.press("Shift+Z")
    assert back.outline.equals(clicked.outline)
    for _ in range(2):  # the click, then the preview
        clicker.page.keyboard.press("z")
    clicker.status("Preview discarded")
    expect(preview(clicker)).to_be_hidden()
    assert stored(stage) == []


def test_the_shape_as_it_was_drawn(clicker: Viewer, stage: Stage) -> None:
    truth = gland(stage)
    begin(clicker, stage, truth)
    clicker.page.keyboard.press("k")
    clicker.page.wait_for_url("**/annotation/*")
    assert stage.shape(clicker.selected()).equals(shapely.box(*stage.shape(clicker.selected()).bounds))
    with outlining(clicker):
        clicker.page.keyboard.press("z")
    assert stored(stage) == []


def test_switched_off_drawing_stores(clicker: Viewer, stage: Stage) -> None:
    """As it was before there were previews; the choice is remembered."""
    stage.clear()
    truth = gland(stage)
    clicker.open(at=truth, room=2.2)
    switch = clicker.page.get_by_role("switch", name="Outline shapes as I draw them")
    expect(switch).to_be_checked()
    switch.click()
    clicker.page.reload()
    clicker.page.wait_for_selector("body.ready")
    expect(switch).not_to_be_checked()
    clicker.button("Rectangle")
    drag_box(clicker, truth)
    clicker.page.wait_for_url("**/annotation/*")
    assert stored(stage) == [clicker.selected()]
    expect(preview(clicker)).to_be_hidden()
    clicker.page.keyboard.press("r")
    clicker.status("Outline refined")
    assert iou(stage.shape(clicker.selected()), truth) > 0.75
