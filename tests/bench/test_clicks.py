"""Simulated people click where an outline is wrong, and the page tells whether it helped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely

from app.geometry.frames import Roi
from app.geometry.prompts import PointLabel, PointPrompt
from app.usecases.ports import Slide
from bench.clicked import FAR_OFF, MODES, MOST_CLICKS, Corrected, Sight, Subject, subjects
from bench.clicking import _Drawn, rows
from bench.clicks import MISSED, main, summaries, summary, write

BOTH, POSITIVE = MODES[3].clicks, MODES[0].clicks


def subject(truth: shapely.Geometry) -> Subject:
    box = Roi(*truth.bounds)
    return Subject("nuclei", Slide(0, 200, 200, ""), truth, box, box)


def test_a_click_lies_in_the_middle_of_the_largest_error_and_says_what_it_is() -> None:
    seen = Sight(subject(shapely.box(50, 50, 150, 150)), Roi(50, 50, 150, 150))
    missing = seen.wrong(shapely.box(50, 50, 110, 150), (), BOTH)
    assert missing is not None
    assert missing.label is PointLabel.FOREGROUND
    assert missing.x == pytest.approx(130, abs=2)
    extra = seen.wrong(shapely.union(shapely.box(50, 50, 145, 150), shapely.box(20, 50, 50, 150)), (), BOTH)
    assert extra is not None
    assert extra.label is PointLabel.BACKGROUND
    assert extra.x == pytest.approx(35, abs=2)


def test_who_clicks_on_the_object_only_says_nothing_of_the_background() -> None:
    seen = Sight(subject(shapely.box(50, 50, 150, 150)), Roi(50, 50, 150, 150))
    click = seen.wrong(shapely.union(shapely.box(50, 50, 145, 150), shapely.box(20, 50, 50, 150)), (), POSITIVE)
    assert click is not None
    assert click.label is PointLabel.FOREGROUND
    assert seen.wrong(shapely.box(20, 20, 180, 180), (), POSITIVE) is None


def test_nobody_clicks_twice_at_a_place_or_where_nothing_is_wrong() -> None:
    truth = shapely.box(50, 50, 150, 150)
    seen = Sight(subject(truth), Roi(50, 50, 150, 150))
    first = seen.wrong(None, (), BOTH)
    assert first is not None
    again = seen.wrong(None, (first,), BOTH)
    assert again is not None
    assert math.hypot(again.x - first.x, again.y - first.y) > 1
    assert seen.wrong(truth, (PointPrompt(1e6, -1e6),), BOTH) is None


def test_a_hole_of_the_truth_is_background() -> None:
    ring = shapely.difference(shapely.box(50, 50, 150, 150), shapely.box(80, 80, 120, 120))
    click = Sight(subject(ring), Roi(50, 50, 150, 150)).wrong(shapely.box(50, 50, 150, 150), (), BOTH)
    assert click is not None
    assert click.label is PointLabel.BACKGROUND
    assert (click.x, click.y) == pytest.approx((100, 100), abs=2)


def test_interactions_are_counted_and_who_is_right_stays_so() -> None:
    found = [
        Corrected("nuclei", "m", (0.7, 0.82, 0.81, 0.95)),
        Corrected("nuclei", "m", (0.9,)),
        Corrected("nuclei", "m", (0.5, 0.48, 0.5)),
    ]
    told = summary("nuclei", "m", found)
    assert told.n == 3
    assert told.means[:3] == pytest.approx((0.7, (0.82 + 0.9 + 0.48) / 3, (0.81 + 0.9 + 0.5) / 3))
    assert told.means[-1] == pytest.approx((0.95 + 0.9 + 0.5) / 3)
    assert told.interactions == pytest.approx(((2 + 1 + MISSED) / 3, (4 + 1 + MISSED) / 3, (4 + 1 + MISSED) / 3))
    assert told.never == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert told.lowered == pytest.approx(1 / 5)  # 0.82 to 0.81 is not more than a hundredth
    assert told.falls == []


def test_a_click_after_which_the_mean_fell_is_told(tmp_path: Path) -> None:
    worse = [Corrected("gland", MODES[3].name, (0.8, 0.9, 0.85)), Corrected("gland", MODES[0].name, (0.8, 0.7))]
    (both, positive) = summaries(worse)
    assert (both.falls, positive.falls) == ([2], [1])
    page = write(tmp_path, "clicks-x", {"commit": "x"}, [both, positive]).with_suffix(".md").read_text()
    assert f"{MODES[3].name} (after click 2; by at most 0.0500)" in page
    assert f"{MODES[0].name} (after" not in page  # only clicks of both kinds are to help always
    rising = summary("gland", MODES[3].name, [Corrected("gland", MODES[3].name, (0.8, 0.9))])
    assert "never fell." in write(tmp_path, "y", {}, [rising]).with_suffix(".md").read_text()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two tiles of dark discs on pale ground; a third disc is cut by the edge."""
    rng = np.random.default_rng(3)
    (tmp_path / "tiles").mkdir()
    for name, discs in (("gland_1", [(112, 112)]), ("nuclei_1", [(60, 60), (150, 160), (223, 100)])):
        pixels = np.full((224, 224, 3), (222, 200, 236), np.uint8)
        mask = np.zeros((224, 224), np.uint16)
        for number, place in enumerate(discs, start=1):
            cv2.circle(pixels, place, 20, (140, 58, 92), -1)
            cv2.circle(mask, place, 20, number, -1)
        pixels = (pixels + rng.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "tiles" / f"{name}.png"), pixels)
        cv2.imwrite(str(tmp_path / "tiles" / f"{name}.mask.png"), mask)
    return tmp_path


def test_objects_are_always_the_same_and_of_the_tiles_that_are_asked_for(data: Path) -> None:
    found = list(subjects(data, 9, frozenset()))
    assert [each.kind for each in found] == ["gland", "nuclei", "nuclei"]  # the one that is cut is left out
    assert [each.kind for each in subjects(data, 9, frozenset({"gland_1"}))] == ["gland"]
    assert len(list(subjects(data, 1, frozenset()))) == 2
    for each, again in zip(found, subjects(data, 9, frozenset()), strict=True):
        assert (each.loose, each.far_off) == (again.loose, again.far_off)
        x0, _, x1, _ = each.truth.bounds
        assert each.loose.x_min < x0
        assert x1 + FAR_OFF[0] * (x1 - x0) <= each.far_off.x_max <= x1 + FAR_OFF[1] * (x1 - x0)


def test_a_run_leaves_a_page_with_every_mode(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    main(data, all_tiles=True, most=1, engine="torch-float32", checkpoint=None, config=None, folder=tmp_path, out=out)
    (figures,) = out.glob("clicks.json")
    told = json.loads(figures.read_text())
    assert [(each["kind"], each["mode"]) for each in told["groups"]] == [
        (kind, mode.name) for kind in ("gland", "nuclei") for mode in MODES
    ]
    for each in told["groups"]:
        assert len(each["means"]) == MOST_CLICKS + 1
        assert each["means"][0] > 0.4
    assert "data:image/png;base64,iVBOR" in figures.with_suffix(".html").read_text()
    assert "## Nuclei: 1" in figures.with_suffix(".md").read_text()


def test_the_latency_of_clicks_stands_beside_that_of_a_refine() -> None:
    alone, crowd = rows([2.0], [0.1, 0.2], [0.3, 0.3], 10)
    assert alone.ratio == pytest.approx(0.075)
    assert crowd.ratio == pytest.approx(2.0)
    clicks = _Drawn(1, (0.0, 0.0, 100.0, 50.0)).clicks(8)
    assert [click["label"] for click in clicks] == [1, 0] * 4
    assert all(0 < click["x"] < 100 and click["y"] == 25 for click in clicks)
