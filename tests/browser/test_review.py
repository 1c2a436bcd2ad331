"""Reviewing: the worst first, a key for each verdict, the next by itself; and what a reload and an undo do to that."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import shapely
from shapely.affinity import scale

from demo.samples import loose_box
from demo.seeding import platform_wkt
from tests.browser.clicking import answered, gland, stored
from tests.browser.searching import example, nuclei
from tests.browser.stage import Stage, Viewer
from tests.browser.test_everybody import violations

pytest.importorskip("playwright")
from playwright.sync_api import Locator, expect


def review(viewer: Viewer) -> Locator:
    """Give the controls of a review."""
    return viewer.page.locator("#review")


def begin(viewer: Viewer, stage: Stage, count: int = 4) -> list[int]:
    """Review some nuclei, of which nobody knows how good they are."""
    stage.clear()
    stage.cytomine.faults.clear()
    numbers = [example(stage, shape, "nuclei") for shape in nuclei(stage, count)]
    example(stage, gland(stage), "glands")
    viewer.open()
    viewer.button("Review…")
    viewer.page.locator("#review-term").select_option(label="nuclei")
    viewer.screenshot("review-1-choice")
    viewer.button(f"Review {count}")
    expect(review(viewer)).to_contain_text(f"1 of {count}")
    return numbers


def test_a_key_for_each_verdict_and_the_next_follows(clicker: Viewer, stage: Stage) -> None:
    first, second, third, fourth = begin(clicker, stage)
    assert clicker.selected() == first
    clicker.screenshot("review-2-first")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text("2 of 4")
    assert clicker.selected() == second
    clicker.page.keyboard.press("Delete")
    clicker.status("Annotation deleted")
    expect(review(clicker)).to_contain_text("3 of 4")
    assert second not in stored(stage)
    clicker.page.keyboard.press("n")
    expect(review(clicker)).to_contain_text(f"Shape {fourth}")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text(f"Shape {third}")  # it was left for later

    clicker.page.keyboard.press("z")
    expect(review(clicker)).to_contain_text(f"Shape {second}")
    expect(review(clicker)).to_contain_text("3 of 4")
    assert second in stored(stage)
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text(f"Shape {third}")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text("4 annotations reviewed: 4 accepted, 0 corrected, 0 rejected.")
    clicker.screenshot("review-3-end")


def test_a_review_goes_on_after_a_reload(clicker: Viewer, stage: Stage) -> None:
    numbers = begin(clicker, stage)
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text("2 of 4")
    clicker.page.reload()
    clicker.page.wait_for_selector("body.ready")
    expect(review(clicker)).to_contain_text("2 of 4")
    assert clicker.selected() == numbers[1]
    stage.cytomine.store.remove(numbers[2])
    clicker.page.reload()
    clicker.page.wait_for_selector("body.ready")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text(f"Shape {numbers[3]}")
    clicker.button("Close")
    expect(review(clicker)).to_be_hidden()


def test_a_correction_by_clicks_is_a_verdict(clicker: Viewer, stage: Stage) -> None:
    stage.clear()
    truth = gland(stage)
    number = example(stage, loose_box(truth), "glands")
    example(stage, gland(stage, 3), "glands")
    clicker.open(at=truth, room=2)
    clicker.button("Review…")
    clicker.button("Review 2")
    expect(review(clicker)).to_contain_text(f"Shape {number}")
    before = stage.shape(number)
    clicker.page.keyboard.press("e")
    clicker.page.locator("#preview").wait_for()
    answered(clicker)
    clicker.screenshot("review-4-correct")
    clicker.page.keyboard.press("Enter")
    clicker.status("Outline accepted")
    expect(review(clicker)).to_contain_text("2 of 2")
    assert not stage.shape(number).equals(before)
    assert clicker.selected() != number


def test_the_report_of_a_batch_has_its_worst_first_and_rejecting_puts_back(
    clicker: Viewer, stage: Stage, tmp_path: Path
) -> None:
    stage.clear()
    some = nuclei(stage, 3)
    numbers = [example(stage, shape, "nuclei") for shape in some]
    report = tmp_path / "refined.csv"
    with report.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("annotation", "image", "outcome", "confidence", "doubts", "previous_location", "location"))
        for number, shape, confidence in zip(numbers, some, (0.91, 0.32, 0.77), strict=True):
            before = platform_wkt(scale(shape, 1.5, 1.5), stage.image.height)
            now = platform_wkt(shape, stage.image.height)
            rows.writerow((number, stage.image.id, "changed", confidence, "It may be two.", before, now))
    clicker.open()
    clicker.button("Review…")
    with clicker.page.expect_file_chooser() as chooser:
        clicker.page.get_by_label(re.compile("^A report")).check()
    chooser.value.set_files(report)
    clicker.button("Review 3")
    expect(review(clicker)).to_contain_text("Confidence 0.32")
    expect(review(clicker)).to_contain_text("It may be two.")
    assert clicker.selected() == numbers[1]
    assert violations(clicker) == []
    clicker.screenshot("review-5-report")
    clicker.page.keyboard.down("c")
    expect(clicker.page.get_by_text("Before", exact=True)).to_be_visible()
    clicker.screenshot("review-6-before")
    clicker.page.keyboard.up("c")
    clicker.button("Restore")
    expect(review(clicker)).to_contain_text("Confidence 0.77")
    clicker.page.wait_for_function(
        "() => document.querySelector('#tools [aria-label=Undo]').title.includes('put back')"
    )
    assert stage.shape(numbers[1]).area == pytest.approx(some[1].area * 2.25, rel=0.01)
    clicker.page.keyboard.press("z")
    expect(review(clicker)).to_contain_text("Confidence 0.32")
    assert stage.shape(numbers[1]).area == pytest.approx(some[1].area, rel=0.01)


def test_what_may_not_be_deleted_comes_back_to_be_reviewed(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("403")
    stage.clear()
    box = shapely.box(*nuclei(stage)[0].buffer(8).bounds)
    number = example(stage, box, "nuclei", by=1)  # somebody else's
    example(stage, nuclei(stage)[3], "nuclei")
    clicker.open(at=box, room=4)
    clicker.button("Review…")
    clicker.button("Review 2")
    expect(review(clicker)).to_contain_text(f"Shape {number}")
    with stage.cytomine.store.transaction(write=True) as db:
        db.execute("UPDATE projects SET read_only = 1")
    try:
        clicker.page.keyboard.press("Delete")
        clicker.alert("refused")
    finally:
        with stage.cytomine.store.transaction(write=True) as db:
            db.execute("UPDATE projects SET read_only = 0")
    expect(review(clicker)).to_contain_text(f"Shape {number}")
    expect(review(clicker)).to_contain_text("1 of 2")


def test_what_somebody_else_has_deleted_or_changed_is_noticed_before_a_verdict(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("404")
    _, second, third, fourth = begin(clicker, stage)
    stage.cytomine.store.remove(second)
    moved = scale(stage.shape(third), 1.4, 1.4)
    stage.cytomine.store.set_location(third, platform_wkt(moved, stage.image.height))
    clicker.page.keyboard.press("Enter")
    clicker.status("Somebody has changed this outline")
    expect(review(clicker)).to_contain_text(f"Shape {third}")  # the second is passed over
    clicker.screenshot("review-7-changed")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text(f"Shape {fourth}")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text("3 accepted, 0 corrected, 0 rejected, 1 no longer there.")
    assert stage.shape(third).area == pytest.approx(moved.area, rel=0.01)


def test_rejecting_what_is_gone_goes_on(clicker: Viewer, stage: Stage) -> None:
    clicker.expected = re.compile("404")
    first, second, *_ = begin(clicker, stage)
    with clicker.page.expect_response(re.compile(rf"/api/annotation/{second}\.json")):
        clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text(f"Shape {second}")
    stage.cytomine.store.remove(second)
    clicker.page.keyboard.press("Delete")
    clicker.status("no longer there")
    expect(review(clicker)).to_contain_text("3 of 4")
    clicker.page.keyboard.press("Shift+N")
    expect(review(clicker)).to_contain_text("3 of 4")  # there is nothing to go back to
    assert first in stored(stage)


def test_a_key_too_many_at_the_end_deletes_nothing(clicker: Viewer, stage: Stage) -> None:
    numbers = begin(clicker, stage, 2)
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text("2 of 2")
    clicker.page.keyboard.press("Enter")
    expect(review(clicker)).to_contain_text("2 annotations reviewed: 2 accepted")
    clicker.page.keyboard.press("Delete")
    clicker.page.keyboard.press("Enter")
    clicker.page.keyboard.press("Escape")
    expect(review(clicker)).to_be_hidden()
    assert set(numbers) <= set(stored(stage))
