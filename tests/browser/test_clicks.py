"""Outlining by clicks: draw, look, click on what is missing or too much, accept; and take it all back."""

from __future__ import annotations

import pytest

from app.geometry.polygons import iou
from tests.browser.stage import Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect


def test_smoke(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    assert sample.truth
    clicker.open(at=sample.shape, room=2.2)
    x0, y0, x1, y1 = sample.shape.bounds
    clicker.button("Rectangle")
    clicker.drag_slide((x0, y0), (x1, y1))
    clicker.page.locator("#preview[aria-busy=false]").wait_for()
    clicker.screenshot("c1")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == []
    clicker.page.mouse.click(*clicker.on_screen(*sample.points[0].coords[0]))
    clicker.page.locator("#preview[aria-busy=false]").wait_for()
    clicker.page.mouse.click(*clicker.on_screen(x1-5, y1-5), button="right")
    clicker.page.locator("#preview[aria-busy=false]").wait_for()
    clicker.screenshot("c2")
    print(clicker.page.evaluate("performance.getEntriesByType('measure').map(m => [m.name, m.duration])"))
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    [number] = stage.cytomine.store.annotation_ids(stage.image.id)
    print(iou(stage.shape(number), sample.truth))
    clicker.screenshot("c3")
    clicker.page.keyboard.press("z")
    clicker.status("Undone")
    clicker.screenshot("c4")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == []
