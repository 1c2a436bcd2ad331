"""One to many: from an example to proposals, sifted, looked at, accepted in one go, and taken back in one go."""

from __future__ import annotations

import pytest
import shapely

from demo.cytomine.faults import Fault
from tests.browser.clicking import stored
from tests.browser.searching import (
    Proposed, click_on, drawn, example, is_same, nuclei, panel, searching, sift, term, terms_of,
)  # fmt: skip
from tests.browser.stage import Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect


def begin(viewer: Viewer, stage: Stage) -> tuple[int, Proposed]:
    """Find others like a nucleus, where it lies close to others."""
    stage.clear()
    stage.cytomine.faults.clear()
    some = nuclei(stage)
    number = example(stage, some[0], "nuclei")
    viewer.open(at=shapely.MultiPolygon(some).buffer(20).envelope, annotation=number, room=1.1)
    with searching(viewer) as seen:
        viewer.button("Find others like this")
    assert seen.asked["like"] == [number]
    return number, seen


def wanted(seen: Proposed, least: float, there: shapely.Geometry) -> list[shapely.Geometry]:
    """What is accepted from a place of the slider on: not what is annotated already."""
    return [each for each in seen.shown(least) if not is_same(each, there)]


def test_one_example_becomes_many_annotations_and_one_undo_takes_them_back(clicker: Viewer, stage: Stage) -> None:
    number, seen = begin(clicker, stage)
    there = stage.shape(number)
    all_of_them = wanted(seen, 0, there)
    assert len(all_of_them) >= 5
    assert len(all_of_them) < len(seen.shapes)  # the example itself was found too, and is left out
    expect(panel(clicker)).to_contain_text(f"{len(seen.shapes)} of {len(seen.shapes)} shown")
    clicker.screenshot("similar-1-proposals")

    asked: list[str] = []
    clicker.page.on("request", lambda request: asked.append(request.url))
    least = sorted(seen.values)[len(seen.values) // 3]
    least = int(100 * least) / 100 + 0.01
    sift(clicker, least)
    expect(panel(clicker)).to_contain_text(f"{len(seen.shown(least))} of {len(seen.shapes)} shown")
    assert [url for url in asked if "propose" in url] == []
    clicker.screenshot("similar-2-sifted")

    chosen = wanted(seen, least, there)
    first, second, *rest = chosen
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
    assert {terms_of(stage, each) == [term(stage, "nuclei")] for each in made} == {True}
    shapes = [stage.shape(each) for each in made]
    assert all(any(each.equals_exact(other, 0.01) for other in shapes) for each in map(shapely.normalize, rest)) or all(
        any(is_same(each, other) for other in shapes) for each in rest
    )
    assert len(made) == len(rest)
    assert not any(is_same(each, dropped) for each in shapes for dropped in (first, second))
    clicker.screenshot("similar-4-accepted")

    clicker.page.keyboard.press("z")
    clicker.status("taken back")
    assert stored(stage) == [number]
    clicker.page.keyboard.press("Shift+Z")
    clicker.status("brought back")
    assert sorted(stored(stage)) == sorted([number, *made])


def test_undo_leaves_what_somebody_has_changed(clicker: Viewer, stage: Stage) -> None:
    number, _ = begin(clicker, stage)
    panel(clicker).locator("#similar-accept").click()
    clicker.status("annotations added")
    changed, *others = (each for each in stored(stage) if each != number)
    session = stage.cytomine.store
    with session.transaction(write=True) as db:
        db.execute("DELETE FROM annotation_terms WHERE annotation = ?", (changed,))
    clicker.page.keyboard.press("z")
    clicker.status(f"{len(others)} annotations taken back. 1 was changed since, and stays.")
    assert sorted(stored(stage)) == sorted([number, changed])


def test_nothing_is_stored_twice_when_answers_are_lost_and_the_page_is_left(clicker: Viewer, stage: Stage) -> None:
    number, seen = begin(clicker, stage)
    count = len(wanted(seen, 0, stage.shape(number)))
    faults = stage.cytomine.faults
    faults.add(Fault("drop", method="POST", path="/api/annotation.json", when="after", skip=1))
    faults.add(Fault("hang", method="POST", path="/api/annotation.json", when="after", skip=2, times=None))
    clicker.expected = __import__("re").compile("Failed to load resource|ERR_EMPTY_RESPONSE")
    panel(clicker).locator("#similar-accept").click()
    clicker.page.wait_for_function("() => !document.querySelector('#batch').hidden")
    stage.cytomine.faults.clear()
    assert count
