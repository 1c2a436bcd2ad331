from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import shapely

from app.usecases.ports import Slide
from bench.page import Plot
from bench.proposals import Field, Found, judge
from bench.similar import exemplars_of
from bench.similar_page import IOUS, SIMILAR, Square, Trial, by_field, picture, sifting, table, write

SQUARES = tuple(shapely.box(20 * at, 20, 20 * at + 12, 32) for at in range(1, 6))
FIELD = Field("field", Slide(1, 200, 100, ""), SQUARES[:4], SQUARES[4:])


def test_each_object_is_hit_once_and_what_is_shown_or_does_not_count_is_neither_right_nor_wrong() -> None:
    found = [SQUARES[1], SQUARES[1].buffer(1), SQUARES[0], SQUARES[4], shapely.box(150, 60, 170, 80)]
    judged = judge(found, FIELD, SQUARES[:1], 0.5)
    assert (judged.objects, judged.hits, judged.wrong) == (3, 1, 2)
    assert judged.ious == (1.0,)
    assert judge([], FIELD, (), 0.5).hits == 0


def test_a_loose_outline_is_a_hit_at_one_iou_and_wrong_at_another() -> None:
    loose = [SQUARES[1].buffer(2, join_style="mitre")]
    assert [judge(loose, FIELD, (), least).hits for least in IOUS] == [1, 0]
    assert [judge(loose, FIELD, (), least).wrong for least in IOUS] == [0, 1]


def test_a_field_tells_what_counts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    labels = np.zeros((100, 120), np.uint16)
    labels[20:40, 20:40], labels[50:55, 50:55], labels[0:30, 90:110] = 1, 2, 3
    cv2.imwrite(str(tmp_path / "field.png"), np.full((100, 120, 3), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "field.mask.png"), labels)
    field = Field.read(tmp_path / "field.png", 3)
    assert [shape.bounds for shape in field.objects] == [(20, 20, 40, 40)]
    assert len(field.others) == 2


def trial_of(way: str = SIMILAR) -> Trial:
    found = Found(SQUARES[:2], 8, 1, 2.0, 0.5, {"encode": 900.0}, (0.9, 0.45), 3.0)
    judged = tuple(judge(found.shapes, FIELD, (), least) for least in IOUS)
    sifted = tuple((least, judge(found.sifted(least).shapes, FIELD, (), 0.5)) for least in (0.4, 0.5))
    return Trial(way, "field", False, 1e6, found, judged, sifted)


def test_the_tables_sum_up() -> None:
    (row,) = table([trial_of()]).rows
    assert row[:4] == (SIMILAR, "4", "0.500", "1.000")
    assert row[-3:] == ("2.0", "8.0", "0.50")
    assert by_field([trial_of()]).rows[0][0] == "field, left out"


def test_a_slider_leaves_out_what_is_less_alike() -> None:
    found = trial_of().found
    assert found.sifted(0.5).shapes == SQUARES[:1]
    assert found.sifted(0.5).likeness == (0.9,)
    assert found.sifted(0.4) == found
    assert sifting([trial_of(), trial_of("automatic")]).rows == (("0.40", "0.500", "1.000"), ("0.50", "0.250", "1.000"))


def test_the_page_shows_tables_plots_and_pictures(tmp_path) -> None:  # type: ignore[no-untyped-def]
    cv2.imwrite(str(tmp_path / "field.png"), np.full((100, 200, 3), 200, np.uint8))
    field = replace(FIELD, slide=replace(FIELD.slide, path=str(tmp_path / "field.png")))
    drawn = picture(field, trial_of().found, exemplars_of(SQUARES, 1))
    assert np.asarray(cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)).shape == (100, 200, 3)
    found = [trial_of(), trial_of("a box for each"), trial_of("automatic")]
    page = write(
        tmp_path / "out",
        {"device": "none"},
        ("about",),
        found,
        [Square(21.4, trial_of().found)],
        [Plot("a field", drawn)],
    )
    text = page.read_text()
    assert text.count("<img") == 2
    assert text.count("<table") == 4
    figures = json.loads(page.with_suffix(".json").read_text())
    assert figures["headline"].startswith("4 objects: recall 0.500 at precision 1.000")
    assert figures["headline"].endswith("2.0 to 2.0 s for 2,000 x 2,000 px")
    (square,) = figures["squares"]
    assert (square["longer_px0"], square["cpu_s"], square["proposals"]) == (21.4, 3.0, 2)
    assert "| 21 px | 1 | 8 | 2 | 2.0 | 3.0 | 0.50 | 0.0 | 0.9 |" in page.with_suffix(".md").read_text()


def test_what_is_shown_is_always_the_same() -> None:
    assert exemplars_of(SQUARES, 1).like == exemplars_of(SQUARES, 1).like
    assert len(exemplars_of(SQUARES, 1).like) == 3
