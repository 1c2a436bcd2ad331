import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.frames import Roi
from app.geometry.prompts import PointLabel, PointPrompt, prompts_in_window
from app.geometry.windows import REUSE_SCALE, REUSE_SHIFT, WindowGrid, plan_window, serves, window_at
from tests.strategies import slides_with_roi


@given(slides_with_roi())
def test_a_window_contains_its_box_and_stays_on_the_slide(case) -> None:
    width, height, roi = case
    window = plan_window(roi, width, height)
    assert window.x0 <= roi.x_min
    assert window.y0 <= roi.y_min
    assert window.x0 + window.side_px0 >= roi.x_max
    assert window.y0 + window.side_px0 >= roi.y_max
    region = window.region
    assert region.left >= 0
    assert region.top >= 0
    assert region.width >= 1
    assert region.height >= 1
    assert region.left + region.width <= width
    assert region.top + region.height <= height


@given(slides_with_roi())
def test_a_window_reaches_past_the_slide_only_where_it_covers_it_whole(case) -> None:
    width, height, roi = case
    window = plan_window(roi, width, height)
    for start, size, extent in ((window.x0, width, window.region.width), (window.y0, height, window.region.height)):
        if start < 0 or start + window.side_px0 > size:
            assert extent == size


@pytest.mark.parametrize("side", [8, 20, 512, 30_000])
def test_the_side_is_twice_the_longer_side_of_the_box(side: int) -> None:
    roi = Roi(40_000, 40_000, 40_000 + side, 40_000 + side / 2)
    window = plan_window(roi, 100_000, 100_000)
    assert window.side_px0 == 2 * side
    assert window.x0 + window.side_px0 / 2 == pytest.approx(40_000 + side / 2, abs=1)
    assert window.y0 + window.side_px0 / 2 == pytest.approx(40_000 + side / 4, abs=1)


def test_moving_the_box_moves_the_window() -> None:
    first = plan_window(Roi(1000.3, 1000.6, 1100.1, 1050.9), 10_000, 10_000)
    second = plan_window(Roi(1017.3, 1029.6, 1117.1, 1079.9), 10_000, 10_000)
    assert (second.x0 - first.x0, second.y0 - first.y0) == (17, 29)
    assert second.side_px0 == first.side_px0


@pytest.mark.parametrize(
    ("roi", "x0", "y0"),
    [(Roi(0, 0, 50, 50), 0, 0), (Roi(950, 750, 1000, 800), 900, 700), (Roi(0, 750, 50, 800), 0, 700)],
)
def test_windows_are_moved_inside_at_the_corners(roi: Roi, x0: int, y0: int) -> None:
    window = plan_window(roi, 1000, 800)
    assert (window.x0, window.y0, window.side_px0) == (x0, y0, 100)
    assert (window.region.width, window.region.height) == (100, 100)


def test_a_box_larger_than_half_the_slide_gets_a_window_around_the_slide() -> None:
    window = plan_window(Roi(10_000, 10_000, 70_000, 40_000), 100_000, 60_000)
    assert window.side_px0 == 120_000
    assert (window.region.left, window.region.width) == (0, 100_000)
    assert (window.region.top, window.region.height) == (0, 60_000)


def test_prompts_move_into_the_window() -> None:
    grid = WindowGrid(100, 200, 2.0, 4.0)
    prompts = prompts_in_window(
        Roi(110, 220, 130, 260), (PointPrompt(120, 240), PointPrompt(112, 224, PointLabel.BACKGROUND)), grid
    )
    assert prompts.box.tolist() == [[5, 5], [15, 15]]
    assert prompts.points.tolist() == [[10, 10], [6, 6]]
    assert prompts.labels == (PointLabel.FOREGROUND, PointLabel.BACKGROUND)
    assert prompts_in_window(Roi(0, 0, 1, 1), (), grid).points.shape == (0, 2)
    assert np.issubdtype(prompts.box.dtype, np.float64)


@pytest.mark.parametrize(
    ("box", "fits"),
    [
        (Roi(500, 500, 600, 600), True),
        (Roi(500 + 0.9 * REUSE_SHIFT * 100, 500, 600 + 0.9 * REUSE_SHIFT * 100, 600), True),
        (Roi(500 + 1.2 * REUSE_SHIFT * 100, 500, 600 + 1.2 * REUSE_SHIFT * 100, 600), False),
        (Roi(500, 500 + 1.2 * REUSE_SHIFT * 100, 600, 600 + 1.2 * REUSE_SHIFT * 100), False),
        (Roi(491, 491, 609, 609), True),
        (Roi(450, 450, 650, 650), False),  # too little context
        (Roi(530, 530, 570, 570), False),  # too few pixels
    ],
)
def test_the_window_of_nearly_the_same_box_serves(box: Roi, fits: bool) -> None:
    window = plan_window(Roi(500, 500, 600, 600), 2000, 2000)
    assert serves(window, plan_window(box, 2000, 2000), box) is fits


EDGES = {
    "left": (Roi(0, 800, 100, 900), 20, 0),
    "right": (Roi(1900, 800, 2000, 900), -20, 0),
    "top": (Roi(800, 0, 900, 100), 0, 20),
    "bottom": (Roi(800, 1900, 900, 2000), 0, -20),
}


@pytest.mark.parametrize("edge", EDGES)
def test_a_window_that_does_not_hold_the_box_does_not_serve(edge: str) -> None:
    """Windows at a slide's edge are not centred on their boxes: one of 0.8 times the side may leave the box out."""
    box, dx, dy = EDGES[edge]
    own = plan_window(box, 2000, 2000)
    smaller = window_at(own.x0 + 20, own.y0 + 20, 160, 2000, 2000)
    assert serves(smaller, own, box) is False
    inside = Roi(box.x_min + dx, box.y_min + dy, box.x_max + dx, box.y_max + dy)
    assert serves(smaller, own, inside) is True


@given(
    x=st.integers(0, 1900),
    y=st.integers(0, 1900),
    side=st.integers(20, 100),
    scale=st.floats(*REUSE_SCALE),
    shift=st.tuples(st.floats(-REUSE_SHIFT, REUSE_SHIFT), st.floats(-REUSE_SHIFT, REUSE_SHIFT)),
    at=st.sampled_from(["", "left", "right", "top", "bottom"]),
)
def test_a_window_that_serves_holds_the_box(x, y, side, scale, shift, at) -> None:
    x = {"left": 0, "right": 2000 - side}.get(at, x)
    y = {"top": 0, "bottom": 2000 - side}.get(at, y)
    box = Roi(x, y, x + side, y + side)
    own = plan_window(box, 2000, 2000)
    kept_side = round(own.side_px0 * scale)
    kept_x, kept_y = (
        round(start + (own.side_px0 - kept_side) / 2 + move * side)
        for start, move in zip((own.x0, own.y0), shift, strict=True)
    )
    kept = window_at(kept_x, kept_y, kept_side, 2000, 2000)
    if serves(kept, own, box):
        assert kept.holds(box)
        assert kept.x0 <= box.x_min
        assert kept.y0 <= box.y_min
        assert box.x_max <= kept.x0 + kept.side_px0
        assert box.y_max <= kept.y0 + kept.side_px0


@given(x=st.floats(0, 999), y=st.floats(0, 799), width=st.floats(0.001, 1), height=st.floats(0.001, 1))
def test_a_window_holds_a_box_of_less_than_a_pixel(x: float, y: float, width: float, height: float) -> None:
    box = Roi(x, y, x + width, y + height)
    window = plan_window(box, 1000, 800)
    assert window.holds(box)
    assert 1 <= window.side_px0 <= 2


def test_a_box_across_the_border_of_two_pixels_gets_both() -> None:
    window = plan_window(Roi(9.9, 19.9, 10.1, 20.1), 1000, 800)
    assert (window.x0, window.y0, window.side_px0) == (9, 19, 2)
