"""The arithmetic of the report, and a run of it on drawn objects."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely

from bench.objects import LOOSE, MOVED, cases
from bench.quality import LOST, Outlined, between, decision, groups, main, summary


def one(before: float, after: float, *, between: float = 1.0, size: float = 30, kind: str = "nucleus") -> Outlined:
    return Outlined("x", kind, size, before, after, between, before, 1.0, between < 1)


def test_a_group_is_summed_up() -> None:
    found = summary("all", [one(0.8, 0.9), one(0.6, 0.6, between=0.995), one(0.7, 0.5, between=0.9)])
    assert (found.n, found.changed, found.reused) == (3, 1, 2)
    assert (found.worse, found.better) == (1, 1)
    assert found.before == pytest.approx(0.7)
    assert found.after == pytest.approx(2 / 3)
    assert found.difference == pytest.approx(-0.1 / 3)
    assert found.error == pytest.approx(np.std([0.1, 0.0, -0.2], ddof=1) / math.sqrt(3))
    assert found.between_least == 0.9
    assert found.between_p5 == pytest.approx(0.9 + 0.1 * 0.095)
    assert found.reference is None


def test_one_object_has_no_standard_error() -> None:
    alone = summary("all", [one(0.8, 0.1)])
    assert math.isnan(alone.error)
    assert not alone.is_lost  # one object proves nothing


def test_objects_fall_into_sizes_of_their_type() -> None:
    found = [one(1, 1, size=size) for size in (10, 24, 95.9, 96)] + [one(1, 1, size=200, kind="gland")]
    assert [(each.group, each.n) for each in groups(found)] == [
        ("nucleus", 4),
        ("nucleus, under 24 px", 1),
        ("nucleus, 24 to 48 px", 1),
        ("nucleus, 48 to 96 px", 1),
        ("nucleus, 96 px and more", 1),
        ("gland", 1),
        ("gland, 96 px and more", 1),
    ]


def test_what_is_lost_is_said_only_beyond_chance_and_beyond_what_counts() -> None:
    steady = [one(0.8, 0.8 - 2 * LOST - 1e-4 * (n % 2)) for n in range(10)]
    slight = [one(0.8, 0.8 - LOST / 2 - 1e-5 * (n % 2)) for n in range(10)]
    noisy = [one(0.8, 0.8 + (0.3 if n % 2 else -0.33)) for n in range(10)]
    better = [one(0.8, 0.9 + 1e-4 * (n % 2)) for n in range(10)]
    assert "**Lost:**" in decision([summary("nucleus", steady)])
    assert "nucleus by 0.0060" in decision([summary("nucleus", steady)])
    for fine in (slight, noisy, better):
        assert "No quality is lost" in decision([summary("nucleus", fine)])


def test_two_that_found_nothing_agree() -> None:
    square = shapely.box(0, 0, 2, 2)
    assert between(None, None) == 1
    assert between(None, square) == between(square, None) == 0
    assert between(square, shapely.box(1, 0, 3, 2)) == pytest.approx(1 / 3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tile with eight dark discs and one with another, on pale ground; a ninth disc is cut by the edge."""
    rng = np.random.default_rng(3)
    (tmp_path / "tiles").mkdir()
    places = [(60 + 90 * (n % 4), 60 + 90 * (n // 4)) for n in range(8)] + [(399, 100)]
    for file, size, discs in (("tiles/nuclei_1", 400, places), ("tiles/gland_1", 224, [(112, 112)])):
        pixels = np.full((size, size, 3), (222, 200, 236), np.uint8)
        mask = np.zeros((size, size), np.uint16)
        for number, place in enumerate(discs, start=1):
            cv2.circle(pixels, place, 20, (140, 58, 92), -1)
            cv2.circle(mask, place, 20, number, -1)
        pixels = (pixels + rng.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{file}.png"), pixels)
        cv2.imwrite(str(tmp_path / f"{file}.mask.png"), mask)
    return tmp_path


def test_boxes_are_loose_and_always_the_same(data: Path) -> None:
    found = list(cases(data, 5, frozenset()))
    assert [case.kind for case in found] == ["gland"] + ["nuclei"] * 5
    for case, again in zip(found, list(cases(data, 5, frozenset())), strict=True):
        assert (case.earlier, case.box) == (again.earlier, again.box)
        x0, y0, x1, y1 = case.truth.bounds
        low, high = LOOSE
        assert low * (x1 - x0) <= x0 - case.earlier.x_min <= high * (x1 - x0)
        assert abs(case.box.y_max - case.earlier.y_max) <= MOVED * (y1 - y0)
    assert len(list(cases(data, 100, frozenset()))) == 9  # the disc at the edge is left out
    assert {case.kind for case in cases(data, 100, frozenset({"gland_1"}))} == {"gland"}


def test_a_run_leaves_table_figures_and_plot(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    main(
        data,
        all_tiles=True,
        engine="torch-float32",
        checkpoint=None,
        config=None,
        most=3,
        reference=False,
        folder=tmp_path,
        out=out,
    )
    (figures,) = out.glob("quality.json")
    told = json.loads(figures.read_text())
    assert told["meta"]["after"] == "torch-float32, windows reused"
    assert [group["n"] for group in told["groups"] if "," not in group["group"]] == [1, 3]
    for each in told["objects"]:
        assert each["before"] > 0.8
        assert each["engine_between"] == 1  # the same engine as before
        assert each["reused"] or each["between"] == 1
    assert any(each["reused"] for each in told["objects"])
    table = figures.with_suffix(".md").read_text()
    assert "| nuclei | 3 |" in table
    assert "No quality is lost" in table
    assert figures.with_suffix(".png").stat().st_size > 10_000
