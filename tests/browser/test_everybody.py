"""Keyboard only, narrow screens, dark rooms, screen readers."""

from __future__ import annotations

import re

import pytest

from app.geometry.polygons import iou
from demo.front import VIEWER
from tests.browser.stage import Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect

AXE = VIEWER.parent / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DARK = {"color_scheme": "dark"}


def violations(viewer: Viewer) -> list[str]:
    """Ask axe-core about everything that is on the page now."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make viewer)")
    viewer.page.evaluate(AXE.read_text())
    found = viewer.page.evaluate("axe.run().then(result => result.violations)")
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


def move(viewer: Viewer, dx: float, dy: float) -> None:
    """Move the slide below the cross by arrow keys: 64 pixels of the screen each, 8 with Shift."""
    resolution = float(viewer.page.url.rpartition(",")[2])
    for (back, forth), distance in ((("ArrowLeft", "ArrowRight"), dx), (("ArrowUp", "ArrowDown"), dy)):
        coarse, fine = divmod(round(abs(distance) / resolution / 8), 8)
        key = forth if distance > 0 else back
        for press in [key] * coarse + [f"Shift+{key}"] * fine:
            viewer.page.keyboard.press(press)


def test_keyboard_only(viewer: Viewer, stage: Stage) -> None:
    """Draw a box around a gland, put a point on it, refine, and take it back, without a mouse."""
    stage.clear()
    sample = stage.gland()
    assert sample.truth
    viewer.open(at=sample.shape)
    keyboard, slide = viewer.page.keyboard, viewer.page.get_by_role("application", name="Slide")
    for _ in range(12):
        if slide.evaluate("map => map === document.activeElement"):
            break
        keyboard.press("Tab")
    expect(slide).to_be_focused()

    x0, y0, x1, y1 = sample.shape.bounds
    keyboard.press("b")
    move(viewer, (x0 - x1) / 2, (y0 - y1) / 2)
    keyboard.press("Enter")
    move(viewer, x1 - x0, y1 - y0)
    viewer.screenshot("keyboard-drawing")
    keyboard.press("Enter")
    viewer.page.wait_for_url("**/annotation/*")
    number = viewer.selected()
    assert iou(stage.shape(number), sample.shape) > 0.9
    keyboard.press("v")
    before = stage.shape(number)
    keyboard.press("r")
    viewer.status("efined")
    after = stage.shape(number)
    assert iou(after, sample.truth) > iou(before, sample.truth)
    keyboard.press("z")
    viewer.status("Undone")
    assert stage.shape(number).equals(before)


def test_the_list_selects_by_arrow_keys(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    older, newer = stage.draw(sample.shape), stage.draw(sample.shape.buffer(9))
    viewer.open()
    viewer.page.get_by_role("listbox", name=re.compile("Annotations")).focus()
    viewer.page.keyboard.press("ArrowDown")
    assert viewer.selected() == newer
    viewer.page.keyboard.press("ArrowDown")
    assert viewer.selected() == older
    viewer.page.keyboard.press("Home")
    assert viewer.selected() == newer


def test_help_lists_every_key(viewer: Viewer) -> None:
    viewer.open()
    viewer.page.keyboard.press("?")
    dialog = viewer.page.get_by_role("dialog", name="Help")
    for text in ("Refine", "Undo", "Redo", "Point", "Rectangle", "before the refine"):
        expect(dialog).to_contain_text(text)
    viewer.screenshot("help")
    assert violations(viewer) == []
    viewer.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("viewer", [PHONE], indirect=True, ids=["390 px"])
def test_a_long_name_of_a_slide_leaves_the_help_where_it_is(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    name = "TCGA-A1-A0SB-01Z-00-DX1 (second look, rescanned at 40x).svs"
    rename(stage, name)
    try:
        viewer.open(at=stage.gland().shape)
        expect(viewer.page.locator("#slide-name")).to_have_text(name)
        shown = [viewer.page.locator(f"#{each}-button").bounding_box() for each in ("slides", "help")]
        assert all(shown)
        first, last = (box for box in shown if box)
        assert abs(first["y"] + first["height"] / 2 - last["y"] - last["height"] / 2) < 2
        assert last["x"] + last["width"] <= 391
    finally:
        rename(stage, stage.image.name)


def rename(stage: Stage, name: str) -> None:
    with stage.cytomine.store.transaction(write=True) as database:
        database.execute("UPDATE images SET filename = ? WHERE id = ?", (name, stage.image.id))


@pytest.mark.parametrize("viewer", [PHONE], indirect=True, ids=["390 px"])
def test_a_phone(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, room=2)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("Select", "Rectangle", "Freehand polygon", "Modify", "Delete", "Undo", "Redo"):
        box = viewer.page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 391
        assert box["height"] >= 44
    viewer.page.touchscreen.tap(*viewer.on_screen(*sample.shape.centroid.coords[0]))
    refine = viewer.page.get_by_role("button", name="Refine with SAM")
    expect(refine).to_be_in_viewport()
    viewer.screenshot("phone-1-selected")
    refine.tap()
    viewer.status("efined")
    assert sample.truth
    assert iou(stage.shape(number), sample.truth) > 0.8
    viewer.screenshot("phone-2-refined")
    assert violations(viewer) == []


@pytest.mark.long
@pytest.mark.parametrize("viewer", [{}, DARK], indirect=True, ids=["light", "dark"])
def test_accessible_to_all(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    viewer.open()
    assert violations(viewer) == []
    viewer.open(at=sample.shape, annotation=stage.draw(sample.shape), room=2.2)
    viewer.button("Refine with SAM")
    viewer.status("efined")
    assert violations(viewer) == []
    viewer.screenshot("dark" if viewer.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light")
    viewer.page.get_by_role("button", name="Show before").click()
    viewer.page.locator("#slides-button").click()
    expect(viewer.page.get_by_role("dialog", name="Slides").locator("li").first).to_be_visible()
    assert violations(viewer) == []


@pytest.mark.parametrize("viewer", [DARK], indirect=True)
def test_the_theme_follows_the_system_until_it_is_chosen(viewer: Viewer) -> None:
    def ground() -> str:
        return str(viewer.page.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor"))

    viewer.open()
    dark = ground()
    viewer.button("Theme: auto")
    light = ground()
    assert light != dark
    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")
    assert ground() == light
    viewer.button("Theme: light")
    assert ground() == dark
