"""One to many: from an example to proposals, sifted, looked at, accepted in one go, and taken back in one go."""

from __future__ import annotations

import re

import pytest
import shapely

from demo.cytomine.faults import Fault
from tests.browser.clicking import stored
from tests.browser.searching import (
    PROPOSE,
    Proposed,
    answering,
    click_on,
    drawn,
    example,
    is_same,
    nuclei,
    panel,
    searched,
    sift,
    term,
    terms_of,
)  # fmt: skip
from tests.browser.stage import Stage, Viewer
from tests.browser.test_everybody import DARK, PHONE, violations
from tests.browser.wire import Wire

pytest.importorskip("playwright")
from playwright.sync_api import expect

ACCEPT = "#similar-accept"


def begin(viewer: Viewer, stage: Stage) -> tuple[int, Proposed]:
    """Find others like a nucleus, where it lies close to others."""
    stage.clear()
    stage.cytomine.faults.clear()
    some = nuclei(stage)
    number = example(stage, some[0], "nuclei")
    seen = answering(viewer, stage)
    viewer.open(at=shapely.MultiPolygon(some).buffer(20).envelope, annotation=number, room=1.3)
    viewer.button("Find others like this")
    searched(viewer)
    assert seen.asked["like"] == [number]
    expect(panel(viewer)).to_contain_text(f"{len(seen.shown(0.5))} of {len(seen.shapes)} shown")
    panel(viewer).get_by_role("slider").press("Home")
    expect(panel(viewer)).to_contain_text(f"{len(seen.shapes)} of {len(seen.shapes)} shown")
    drawn(viewer)
    return number, seen


def others(seen: Proposed, stage: Stage, number: int, least: float = 0) -> list[shapely.Geometry]:
    """What is accepted from a place of the slider on: the example itself is annotated already."""
    return [each for each in seen.shown(least) if not is_same(each, stage.shape(number))]


def found(viewer: Viewer) -> int:
    """Tell how many proposals the panel counts."""
    told = re.search(r"([\d,]+) of ([\d,]+) shown", panel(viewer).inner_text())
    assert told
    return int(told[2].replace(",", ""))


def asked_by(viewer: Viewer, name: str) -> None:
    """Press a button, and wait until the service begins to answer."""
    with viewer.page.expect_response(re.compile("/sam/propose")):
        viewer.button(name)


def through(viewer: Viewer) -> None:
    """Wait until the service has looked everywhere, and the map shows it."""
    panel(viewer).locator("#similar-run").wait_for(state="hidden", timeout=120_000)
    expect(panel(viewer)).to_contain_text(re.compile(r"[\d,]+ of [\d,]+ shown"))
    expect(panel(viewer)).not_to_contain_text("broke off")
    drawn(viewer)


def test_one_example_becomes_many_annotations_and_one_undo_takes_them_back(clicker: Viewer, stage: Stage) -> None:
    number, seen = begin(clicker, stage)
    every = len(seen.shapes)
    assert len(others(seen, stage, number)) == every - 1
    expect(panel(clicker)).to_contain_text(f"{every} of {every} shown (1 annotated already)")
    clicker.screenshot("similar-1-proposals")

    asked: list[str] = []
    clicker.page.on("request", lambda request: asked.append(request.url))
    least = round(sorted(seen.values)[every // 3], 2) + 0.01
    sift(clicker, least)
    expect(panel(clicker)).to_contain_text(f"{len(seen.shown(least))} of {every} shown")
    assert [url for url in asked if "/sam/" in url] == []
    clicker.screenshot("similar-2-sifted")

    first, second, *rest = others(seen, stage, number, least)
    click_on(clicker, first)
    expect(panel(clicker)).to_contain_text("1 dropped")
    click_on(clicker, first)
    expect(panel(clicker)).not_to_contain_text("dropped")
    click_on(clicker, first)
    click_on(clicker, second)
    expect(panel(clicker)).to_contain_text("2 dropped")
    drawn(clicker)
    clicker.screenshot("similar-3-dropped")
    assert stored(stage) == [number]

    clicker.button(f"Accept {len(rest)}")
    clicker.status(f"{len(rest)} annotations added")
    made = [each for each in stored(stage) if each != number]
    assert [terms_of(stage, each) for each in made] == [[term(stage, "nuclei")]] * len(rest)
    assert all(any(is_same(stage.shape(each), shape) for shape in rest) for each in made)
    clicker.screenshot("similar-4-accepted")

    clicker.page.keyboard.press("z")
    clicker.status("taken back")
    assert stored(stage) == [number]
    clicker.page.keyboard.press("Shift+Z")
    clicker.status("brought back")
    assert sorted(stored(stage)) == sorted([number, *made])
    assert terms_of(stage, made[0]) == [term(stage, "nuclei")]


def test_undo_leaves_what_somebody_has_changed(clicker: Viewer, stage: Stage) -> None:
    number, _ = begin(clicker, stage)
    panel(clicker).locator(ACCEPT).click()
    clicker.status("annotations added")
    changed, *untouched = (each for each in stored(stage) if each != number)
    with stage.cytomine.store.transaction(write=True) as db:
        db.execute("DELETE FROM annotation_terms WHERE annotation = ?", (changed,))
    clicker.page.keyboard.press("z")
    clicker.status(f"{len(untouched)} annotations taken back. 1 was changed since, and stays.")
    assert sorted(stored(stage)) == sorted([number, changed])


def test_nothing_is_stored_twice_when_answers_are_lost_and_the_page_is_left(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("Failed to load resource")
    number, seen = begin(clicker, stage)
    every = len(others(seen, stage, number))
    faults = stage.cytomine.faults
    faults.add(Fault("drop", method="POST", path="/api/annotation.json", when="after", skip=1))
    faults.add(Fault("hang", method="POST", path="/api/annotation.json", when="after", skip=4, times=None))
    panel(clicker).locator(ACCEPT).click()
    batch = clicker.page.get_by_role("region", name=re.compile("^Accepting"))
    expect(batch).to_be_visible()
    clicker.page.wait_for_function("() => document.querySelectorAll('#annotations li').length > 3")
    clicker.page.reload()
    clicker.page.wait_for_selector("body.ready")
    expect(batch).to_contain_text("Not all proposals were stored")
    clicker.screenshot("similar-5-left-in-the-middle")
    faults.clear()
    batch.get_by_role("button", name="Go on").click()
    clicker.status(f"{every} annotations added")
    shapes = [stage.shape(each) for each in stored(stage)]

    assert len(shapes) == every + 1
    assert all(sum(is_same(each, other) for other in shapes) == 1 for each in shapes)


def test_a_network_that_is_cut_in_mid_search_costs_nothing_that_was_found(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("Failed to load resource")
    stage.clear()
    some = nuclei(stage, 6)
    number = example(stage, some[0], "nuclei")
    with Wire(stage.cytomine.base_url) as wire:
        view = shapely.MultiPolygon(some).buffer(20).envelope
        clicker.open(at=view, annotation=number, room=1.3, through=wire.address)
        wire.stop_at(b'"proposal"', 2)
        clicker.button("Find others like this")
        expect(panel(clicker)).to_contain_text(re.compile(r"of [1-9]\d* shown"), timeout=60_000)
        wire.cut()
        expect(panel(clicker)).to_contain_text("The search broke off. The connection was lost.", timeout=60_000)
        expect(panel(clicker)).to_contain_text("found so far")
        before = found(clicker)
        assert before > 0
        assert violations(clicker) == []
        clicker.screenshot("similar-11-cut")
        clicker.button("Go on")
        expect(panel(clicker)).to_contain_text("Cytomine cannot be reached")  # still cut: nothing is lost by trying
        expect(panel(clicker).get_by_role("button", name="Go on")).to_be_visible()
        assert found(clicker) == before
        wire.mend()
        asked_by(clicker, "Go on")
        through(clicker)
        every = found(clicker)
        asked_by(clicker, "Search again")
        through(clicker)
        assert found(clicker) == every > before

        panel(clicker).get_by_role("slider").press("Home")
        wire.cut_at(b"POST /api/annotation.json", 2)
        panel(clicker).locator(ACCEPT).click()
        batch = clicker.page.get_by_role("region", name=re.compile("^Accepting"))
        expect(batch.get_by_role("button", name="Go on")).to_be_visible(timeout=60_000)
        clicker.screenshot("similar-12-accepting-cut")
        wire.mend()
        batch.get_by_role("button", name="Go on").click()
        clicker.status("annotations added")
        shapes = [stage.shape(each) for each in stored(stage)]
        assert len(shapes) == every + 1  # the example itself is never proposed
        assert all(sum(is_same(each, other) for other in shapes) == 1 for each in shapes)


def test_what_cytomine_refuses_is_said_and_can_be_tried_again(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("403")
    number, seen = begin(clicker, stage)
    refusal = b'{"errors":{"message":"You may only read here."}}'
    path = "/api/annotation.json"
    stage.cytomine.faults.add(Fault("status", method="POST", path=path, status=403, body=refusal, times=3))
    panel(clicker).locator(ACCEPT).click()
    batch = clicker.page.get_by_role("region", name=re.compile("^Accepting"))
    expect(batch).to_contain_text("You may only read here.")
    assert stored(stage) == [number]
    clicker.screenshot("similar-6-refused")
    batch.get_by_role("button", name="Go on").click()
    clicker.status(f"{len(others(seen, stage, number))} annotations added")


def test_keys_go_from_proposal_to_proposal_and_drop_them(clicker: Viewer, stage: Stage) -> None:
    _, seen = begin(clicker, stage)
    lowest = min(seen.values)
    clicker.page.keyboard.press("n")
    expect(panel(clicker).locator("#similar-focus")).to_contain_text(f"Likeness {lowest:.2f}")
    clicker.page.keyboard.press("Delete")
    expect(panel(clicker)).to_contain_text("1 dropped")
    expect(panel(clicker).get_by_role("button", name="Take back")).to_be_visible()
    clicker.page.keyboard.press("Delete")
    expect(panel(clicker)).not_to_contain_text("dropped")
    clicker.page.keyboard.press("Shift+N")
    clicker.page.keyboard.press("Escape")
    expect(panel(clicker).locator("#similar-focus")).to_be_hidden()


def test_examples_and_counter_examples_are_picked_on_the_slide(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    some = nuclei(stage)
    one, two, three = (example(stage, shape, "nuclei") for shape in (some[0], some[3], some[6]))
    seen = answering(clicker, stage)
    clicker.open(at=shapely.MultiPolygon(some).buffer(20).envelope, annotation=one, room=1.3)
    clicker.page.keyboard.press("s")
    searched(clicker)
    clicker.button("Add example")
    click_on(clicker, some[3])
    clicker.button("Not like this")
    click_on(clicker, some[6])
    expect(panel(clicker).get_by_role("listitem")).to_have_count(3)
    assert violations(clicker) == []
    clicker.screenshot("similar-7-examples")
    clicker.button("Search again")
    searched(clicker)
    assert (seen.asked["like"], seen.asked["unlike"]) == ([one, two], [three])


def test_everything_in_a_region_that_is_drawn(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    some = nuclei(stage)
    seen = answering(clicker, stage)
    view = shapely.MultiPolygon(some).buffer(20).envelope
    clicker.open(at=view, room=1.3)
    clicker.button("Propose everything here")
    searched(clicker)
    assert "like" not in seen.asked
    every = len(seen.shapes)
    panel(clicker).get_by_label("Look in").select_option("drawn")
    x0, y0, x1, y1 = view.bounds
    with clicker.page.expect_response(PROPOSE):
        clicker.drag_slide((x0, y0), ((x0 + x1) / 2, (y0 + y1) / 2))
    searched(clicker)
    assert 0 < len(seen.shapes) < every
    expect(panel(clicker)).to_contain_text(f"{len(seen.shapes)} of {len(seen.shapes)} shown")
    clicker.screenshot("similar-8-region")
    assert stored(stage) == []


def test_a_search_that_fails_says_so_in_words(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("422|Failed to load")
    stage.clear()
    problem = '{"type":"about:blank","title":"The region is too large","status":422,"detail":"Choose a smaller one."}'
    clicker.page.route(PROPOSE, lambda route: route.fulfill(status=422, body=problem, content_type="application/json"))
    clicker.open(at=nuclei(stage)[0], room=4)
    clicker.page.keyboard.press("d")
    expect(panel(clicker)).to_contain_text("The region is too large. Choose a smaller one.")


@pytest.mark.parametrize("clicker", [{**PHONE, **DARK}], indirect=True)
def test_on_a_phone_in_the_dark(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    some = nuclei(stage)
    number = example(stage, some[0], "nuclei")
    answering(clicker, stage)
    clicker.open(at=shapely.MultiPolygon(some).buffer(20).envelope, annotation=number, room=1.3)
    clicker.button("Find others like this")
    searched(clicker)
    expect(panel(clicker).locator(ACCEPT)).to_be_in_viewport()
    assert violations(clicker) == []
    clicker.screenshot("similar-phone")


@pytest.mark.long
def test_the_service_itself_streams_and_stops_when_the_search_is_cancelled(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    gland = next(each.polygon for each in stage.objects if each.kind == "glands")
    clicker.open(at=gland.envelope, room=6)
    with clicker.page.expect_request(PROPOSE):
        clicker.page.keyboard.press("d")
    clicker.button("Cancel")
    expect(panel(clicker)).to_contain_text("Stopped")
    clicker.open(at=gland.envelope, room=1.5)
    clicker.page.keyboard.press("d")
    panel(clicker).locator("#similar-run").wait_for(state="hidden", timeout=120_000)
    expect(panel(clicker)).not_to_contain_text("broke off")
    clicker.screenshot("similar-9-by-the-service")


@pytest.mark.long
def test_the_service_itself_finds_others_like_a_nucleus(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    stage.cytomine.faults.clear()
    some = nuclei(stage)
    number = example(stage, some[0], "nuclei")
    clicker.open(at=shapely.MultiPolygon(some).buffer(20).envelope, annotation=number, room=1.3)
    clicker.button("Find others like this")
    panel(clicker).locator("#similar-run").wait_for(state="hidden", timeout=240_000)
    expect(panel(clicker).locator("#similar-measure")).to_have_text("Likeness")
    drawn(clicker)
    clicker.screenshot("similar-10-like-a-nucleus")
    accept = panel(clicker).locator(ACCEPT)
    count = int(re.sub(r"\D", "", accept.inner_text()))
    assert count >= 3
    accept.click()
    clicker.status(f"{count} annotations added")
    made = [stage.shape(each) for each in stored(stage) if each != number]
    truth = [each.polygon for each in stage.objects if each.kind == "nuclei"]
    found = sum(any(is_same(each, other) for other in truth) for each in made)
    assert found >= count / 2
