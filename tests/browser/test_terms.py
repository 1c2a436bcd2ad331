"""Terms with their colours, what is seen, long lists, files that go out and come in, and what a reload leaves."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image

from demo.cytomine.store import NewAnnotation
from demo.seeding import platform_wkt
from tests.browser.searching import example, term, terms_of
from tests.browser.stage import Stage, Viewer
from tests.browser.test_everybody import PHONE, violations

pytest.importorskip("playwright")
from playwright.sync_api import expect

SMALL = {"viewport": {"width": 1024, "height": 768}}
FIELD = shapely.box(3000, 2000, 4000, 2600)
LEFT, RIGHT = shapely.box(3250, 2200, 3450, 2400), shapely.box(3550, 2200, 3750, 2400)
GLANDS = (0xCC, 0x33, 0x99)


def colours_at(viewer: Viewer, x: float, y: float) -> np.ndarray:
    """Give the colours around a place of the slide on the screen, one a row."""
    viewer.page.wait_for_timeout(300)
    picture = np.asarray(Image.open(io.BytesIO(viewer.page.screenshot())).convert("RGB")).astype(int)
    column, row = (round(each) for each in viewer.on_screen(x, y))
    return picture[row - 4 : row + 5, column - 4 : column + 5].reshape(-1, 3)


def is_there(viewer: Viewer, colour: tuple[int, int, int], place: tuple[float, float]) -> bool:
    """Whether a colour is seen near a place of the slide."""
    return bool((np.abs(colours_at(viewer, *place) - colour).max(axis=1) < 30).any())


def choose(viewer: Viewer, name: str, option: str) -> None:
    """Choose in a list that has a name."""
    viewer.page.get_by_role("combobox", name=name, exact=True).select_option(label=option)


def rows(viewer: Viewer) -> Any:
    """Give the rows of the list that are there."""
    return viewer.page.locator("#annotations li")


def count(viewer: Viewer, text: str) -> None:
    """Wait until the list says how many it has."""
    expect(viewer.page.locator("#list-count")).to_have_text(text)


def test_terms(viewer: Viewer, stage: Stage) -> None:
    """Choose a term, draw with it, see its colour, change it, undo that, and find all of it after a reload."""
    stage.clear()
    glands, nuclei = term(stage, "glands"), term(stage, "nuclei")
    viewer.open(at=FIELD, room=1.2)
    choose(viewer, "Term of new shapes", "glands")
    viewer.button("Rectangle")
    viewer.drag_slide((3250, 2200), (3450, 2400))
    viewer.saved()
    number = viewer.selected()
    assert terms_of(stage, number) == [glands]
    expect(rows(viewer)).to_contain_text("glands")
    viewer.page.keyboard.press("Escape")
    viewer.page.keyboard.press("Escape")
    assert is_there(viewer, GLANDS, (3250, 2300))

    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")
    expect(viewer.page.get_by_role("combobox", name="Term of new shapes")).to_have_value(str(glands))
    rows(viewer).first.click()
    expect(viewer.page.get_by_role("combobox", name="Term", exact=True)).to_have_value(str(glands))
    choose(viewer, "Term", "nuclei")
    expect(rows(viewer)).to_contain_text("nuclei")
    assert terms_of(stage, number) == [nuclei]
    viewer.screenshot("terms")
    viewer.page.keyboard.press("z")
    viewer.status("Term changed")
    assert terms_of(stage, number) == [glands]
    viewer.page.keyboard.press("Shift+Z")
    viewer.status("Redone")
    assert terms_of(stage, number) == [nuclei]
    choose(viewer, "Term", "No term")
    expect(rows(viewer)).not_to_contain_text("nuclei")
    assert terms_of(stage, number) == []


def test_a_preview_keeps_the_term_it_was_drawn_with(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    sample = stage.gland()
    clicker.open(at=sample.shape)
    choose(clicker, "Term of new shapes", "glands")
    clicker.button("Rectangle")
    x0, y0, x1, y1 = sample.shape.bounds
    clicker.drag_slide((x0, y0), (x1, y1))
    expect(clicker.page.locator("#preview-term")).to_have_text("Term: glands")
    choose(clicker, "Term of new shapes", "nuclei")
    expect(clicker.page.locator("#preview-confidence")).not_to_be_empty()
    expect(clicker.page.locator("#preview")).to_have_attribute("aria-busy", "false")
    clicker.page.keyboard.press("Enter")
    clicker.page.wait_for_url("**/annotation/*")
    clicker.saved()
    assert terms_of(stage, clicker.selected()) == [term(stage, "glands")]


def test_a_point_in_a_shape_of_another_term_still_steers(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    number = example(stage, LEFT, "nuclei")
    viewer.open(at=FIELD, annotation=number, room=1.2)
    choose(viewer, "Term of new shapes", "glands")
    viewer.button("Point")
    viewer.click_slide(3350, 2300)
    viewer.saved()
    expect(viewer.page.locator("#prompt-note")).to_contain_text("1 point")


def test_what_is_seen(viewer: Viewer, stage: Stage) -> None:
    """Filter by term and state, hide everything, fade it; a phone's user can, too."""
    stage.clear()
    example(stage, LEFT, "glands")
    other = example(stage, RIGHT)
    viewer.open(at=FIELD, room=1.2)
    count(viewer, "2")
    viewer.page.get_by_text("Filter and opacity").click()
    choose(viewer, "Only this term", "glands")
    count(viewer, "1 of 2")
    viewer.page.mouse.move(5, 5)
    viewer.click_slide(3650, 2300)  # the other one is not there
    assert "annotation" not in viewer.page.url
    choose(viewer, "Only this term", "No term")
    expect(rows(viewer)).to_have_attribute("data-annotation", str(other))
    choose(viewer, "Only this state", "Refined here")
    count(viewer, "0 of 2")
    assert violations(viewer) == []
    viewer.screenshot("filter")
    viewer.button("Show all")
    count(viewer, "2")

    assert is_there(viewer, GLANDS, (3250, 2300))
    viewer.page.get_by_role("slider", name="Outlines").fill("10")
    assert not is_there(viewer, GLANDS, (3250, 2300))
    viewer.button("Reset opacity")
    viewer.page.get_by_role("slider", name="Fill").fill("60")
    inside = colours_at(viewer, 3350, 2300).mean(axis=0)
    assert np.abs(inside - GLANDS).max() < 110
    viewer.button("Reset opacity")
    viewer.page.locator("#map").focus()
    viewer.page.keyboard.press("h")
    assert not is_there(viewer, GLANDS, (3250, 2300))
    expect(viewer.page.get_by_role("button", name="Hide annotations")).to_have_attribute("aria-pressed", "true")
    viewer.button("Annotations are hidden. Show them")
    assert is_there(viewer, GLANDS, (3250, 2300))
    viewer.page.keyboard.press("h")
    viewer.button("Rectangle")
    viewer.drag_slide((3300, 2450), (3400, 2550))  # whoever draws wants to see it
    expect(viewer.page.locator("#hidden-badge")).to_be_hidden()
    viewer.saved()


def test_ten_thousand_in_the_list(viewer: Viewer, stage: Stage) -> None:
    """The list has all of them, in few elements, for keys, wheel and screen readers alike."""
    stage.clear()
    spots = [shapely.box(x, y, x + 12, y + 12) for x in range(40, 4040, 40) for y in range(40, 4040, 40)]
    owner = stage.seeded.users[0].id
    made = [NewAnnotation(stage.image.id, owner, platform_wkt(each, stage.image.height)) for each in spots]
    numbers = stage.cytomine.store.add_annotations(made)
    viewer.open()
    count(viewer, "10,000")
    box = viewer.page.get_by_role("listbox", name=re.compile("Annotations"))
    assert rows(viewer).count() < 60
    box.focus()
    viewer.page.keyboard.press("End")
    viewer.page.wait_for_url(f"**/annotation/{numbers[0]}@*")
    last = viewer.page.locator(f"#annotation-{numbers[0]}")
    expect(last).to_be_in_viewport()
    expect(last).to_have_attribute("aria-posinset", "10000")
    expect(last).to_have_attribute("aria-setsize", "10000")
    expect(box).to_have_attribute("aria-activedescendant", f"annotation-{numbers[0]}")
    viewer.page.keyboard.press("PageUp")
    assert numbers[1] < viewer.selected() < numbers[60]
    chosen = viewer.selected()
    box.evaluate("list => list.scrollTo(0, 0)")
    expect(viewer.page.locator(f"#annotation-{numbers[-1]}")).to_be_in_viewport()
    expect(viewer.page.locator(f"#annotation-{chosen}")).to_have_count(1)  # a reader is told of it, wherever it lies
    assert violations(viewer) == []
    viewer.screenshot("ten-thousand")
    stage.clear()


def files(viewer: Viewer, name: str) -> None:
    """Open the dialog and press a button of it."""
    viewer.page.get_by_role("button", name="Import, export").click()
    viewer.button(name)


def exported(viewer: Viewer, name: str) -> Path:
    with viewer.page.expect_download() as download:
        files(viewer, name)
    return Path(download.value.path())


def imported(viewer: Viewer, name: str, content: bytes) -> None:
    given = {"name": name, "mimeType": "application/geo+json", "buffer": content}
    with viewer.page.expect_file_chooser() as chooser:
        files(viewer, "Import GeoJSON")
    chooser.value.set_files(given)  # type: ignore[arg-type]


def test_out_and_in_again(viewer: Viewer, stage: Stage) -> None:
    """Export, lose everything, import: the same outlines with the same terms; a second import adds nothing."""
    stage.clear()
    ring = LEFT.difference(shapely.box(3300, 2250, 3400, 2350))
    numbers = [example(stage, ring, "glands"), example(stage, RIGHT, "nuclei")]
    before = {
        term(stage, name): stage.shape(number) for name, number in zip(("glands", "nuclei"), numbers, strict=True)
    }
    viewer.open(at=FIELD, room=1.2)
    content = exported(viewer, "Export GeoJSON").read_bytes()
    coco = json.loads(exported(viewer, "Export COCO").read_text())
    assert {each["area"] for each in coco["annotations"]} == {ring.area, RIGHT.area}
    assert [each["name"] for each in coco["categories"]] == ["glands", "nuclei"]
    lines = [np.reshape(each["segmentation"][0], (-1, 2)) for each in coco["annotations"]]
    assert sorted(shapely.Polygon(line).buffer(0).area for line in lines) == sorted((ring.area, RIGHT.area))

    imported(viewer, "again.geojson", content)
    viewer.status("2 annotations are on the slide already")
    stage.clear()
    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")
    count(viewer, "0")
    imported(viewer, "again.geojson", content)
    viewer.status("2 annotations added")
    after = {
        tuple(terms_of(stage, each)): stage.shape(each) for each in stage.cytomine.store.annotation_ids(stage.image.id)
    }
    assert after.keys() == {(each,) for each in before}
    assert all(after[(each,)].equals(shape) for each, shape in before.items())
    viewer.screenshot("imported")
    viewer.page.keyboard.press("z")
    count(viewer, "0")
    viewer.page.keyboard.press("Shift+Z")
    count(viewer, "2")


def test_rubbish_is_refused_and_loses_nothing(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    number = stage.draw(LEFT)
    viewer.open(at=FIELD, room=1.2)
    imported(viewer, "cut.geojson", b'{"type": "FeatureCollection", "features": [{"ty')
    viewer.alert("This file is not GeoJSON")
    assert stage.cytomine.store.annotation_ids(stage.image.id) == [number]
    shape = shapely.geometry.mapping(RIGHT)
    some = [{"type": "Feature", "geometry": each, "properties": {"term": "stroma"}} for each in (shape, None)]
    imported(viewer, "half.geojson", json.dumps(some).encode())
    told = viewer.page.get_by_role("status").filter(has_text="Part of the file was left out")
    expect(told).to_contain_text("1 feature without a geometry left out")
    expect(told).to_contain_text("no term “stroma”")
    viewer.screenshot("import-half")
    assert len(stage.cytomine.store.annotation_ids(stage.image.id)) == 2


def test_a_reload_keeps_what_was_done(viewer: Viewer, stage: Stage) -> None:
    """Score, shape before, selection, place and undo are there after a reload; an undone deletion is selected."""
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    viewer.button("Refine with SAM")
    viewer.status("efined")
    score, address = viewer.page.locator("#score-value").text_content(), viewer.page.url
    outline = stage.shape(number)
    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")
    assert viewer.page.url == address
    expect(viewer.page.locator("#score-value")).to_have_text(score or "")
    expect(viewer.page.get_by_role("button", name="Show before")).to_be_visible()
    viewer.page.keyboard.press("z")
    viewer.status("Undone")
    assert stage.shape(number).equals(sample.shape)
    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")
    expect(viewer.page.locator("#score")).to_be_hidden()
    viewer.page.keyboard.press("Shift+Z")
    viewer.status("Redone")
    assert stage.shape(number).equals(outline)
    expect(viewer.page.locator("#score-value")).to_have_text(score or "")

    viewer.page.keyboard.press("Delete")
    viewer.status("Annotation deleted")
    viewer.page.keyboard.press("z")
    viewer.status("Undone")
    assert viewer.selected() == number
    viewer.page.keyboard.press("Shift+Z")
    count(viewer, "0")


@pytest.mark.parametrize("viewer", [SMALL, {**SMALL, "color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_a_small_screen(viewer: Viewer, stage: Stage) -> None:
    """On 1024 by 768 the list is in sight whatever is chosen, and the button stays where it is."""
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    refine = viewer.page.get_by_role("button", name="Refine with SAM")
    row = viewer.page.locator(f"#annotation-{number}")
    expect(refine).to_be_in_viewport(ratio=1)
    expect(row).to_be_in_viewport(ratio=1)
    before = refine.bounding_box()
    refine.click()
    viewer.status("efined")
    expect(row).to_be_in_viewport(ratio=1)
    assert refine.bounding_box() == before
    is_dark = viewer.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    viewer.screenshot(f"small-{'dark' if is_dark else 'light'}")
    assert violations(viewer) == []


def test_the_overview_moves_the_view(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    viewer.open(at=FIELD, room=1.2)
    button = viewer.page.get_by_role("button", name="Overview")
    expect(button).to_have_attribute("aria-expanded", "true")
    small = viewer.page.locator(".ol-overviewmap-map").bounding_box()
    frame = viewer.page.locator(".ol-overviewmap-box").bounding_box()
    assert small
    assert frame
    middle = (frame["x"] + frame["width"] / 2 - small["x"]) / small["width"]
    assert middle == pytest.approx(3500 / stage.image.width, abs=0.03)
    address = viewer.page.url
    viewer.page.mouse.move(small["x"] + small["width"] * 3500 / stage.image.width, frame["y"] + frame["height"] / 2)
    viewer.page.mouse.down()
    viewer.page.mouse.move(small["x"] + small["width"] / 4, small["y"] + small["height"] / 4, steps=5)
    viewer.page.mouse.up()
    viewer.page.wait_for_function("address => location.href !== address", arg=address)
    button.click()
    expect(button).to_have_attribute("aria-expanded", "false")
    viewer.page.reload()
    viewer.page.wait_for_selector("body.ready")
    expect(button).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize("viewer", [PHONE], indirect=True, ids=["390 px"])
def test_terms_on_a_phone(viewer: Viewer, stage: Stage) -> None:
    stage.clear()
    number = example(stage, LEFT, "glands")
    viewer.open(at=FIELD, annotation=number, room=1.2)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 390
    choose(viewer, "Term", "nuclei")
    expect(viewer.page.locator("#annotations")).to_contain_text("nuclei")
    viewer.screenshot("phone-terms")
    assert violations(viewer) == []
