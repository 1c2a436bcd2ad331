"""The prompts of one object: the first box, clicks on it and beside it, and what the model then looks at."""

import math

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidPrompt, NotRefinable, RoiOutsideSlide
from app.geometry.frames import Roi
from app.geometry.prompts import PointLabel
from app.geometry.windows import plan_window
from app.usecases.ports import Slide
from app.usecases.prompt_session import Click, platform_bounds, roi_around, session_of

SLIDE = Slide(5, 1000, 800, "slide.tif")
DRAWN = shapely.box(420, 320, 580, 480)
ON, OFF = PointLabel.FOREGROUND, PointLabel.BACKGROUND
xs, ys = st.floats(0, 1000), st.floats(0, 800)


def test_without_a_box_the_envelope_is_the_first_one() -> None:
    assert session_of(DRAWN, SLIDE).first == Roi(420, 320, 580, 480)


def test_a_box_takes_the_place_of_the_envelope_and_is_flipped() -> None:
    assert session_of(DRAWN, SLIDE, (100, 50, 200, 90)).first == Roi(100, 710, 200, 750)


def test_a_box_that_reaches_past_the_slide_is_cut() -> None:
    assert session_of(DRAWN, SLIDE, (-50, -50, 100, 100)).first == Roi(0, 700, 100, 800)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 9, 9, 5), (9, 5, 5, 9), (5, 5, 9, 5)])
def test_a_box_without_area_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidPrompt, match="no area"):
        session_of(DRAWN, SLIDE, box)


def test_a_box_off_the_slide_is_refused() -> None:
    with pytest.raises(RoiOutsideSlide):
        session_of(DRAWN, SLIDE, (2000, 0, 2100, 50))


def test_what_has_no_area_is_not_refined_even_with_a_box() -> None:
    with pytest.raises(NotRefinable):
        session_of(shapely.Point(5, 5), SLIDE, (100, 50, 200, 90))


@pytest.mark.parametrize("place", [(-1, 5), (5, 801), (1000.5, 5), (math.nan, 5), (5, math.inf)])
def test_a_click_off_the_slide_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(InvalidPrompt, match="outside the slide"):
        session_of(DRAWN, SLIDE, None, (Click(*place, ON),))


def test_a_click_on_the_object_outside_of_the_box_makes_it_grow() -> None:
    session = session_of(DRAWN, SLIDE, None, (Click(620, 400, ON), Click(500, 400, ON)))
    assert session.box == Roi(420, 320, 620, 480)
    assert session.first == Roi(420, 320, 580, 480)
    assert platform_bounds(session.box, SLIDE) == (420, 320, 620, 480)


def test_a_click_on_the_background_does_not() -> None:
    assert session_of(DRAWN, SLIDE, None, (Click(620, 400, OFF),)).box == Roi(420, 320, 580, 480)


def test_the_first_window_stays_while_it_holds_all_clicks() -> None:
    near = session_of(DRAWN, SLIDE, None, (Click(620, 400, ON), Click(410, 330, OFF)))
    assert near.framed_by(SLIDE) == near.first
    far = session_of(DRAWN, SLIDE, None, (Click(900, 400, ON),))
    assert far.framed_by(SLIDE) == far.box


def test_a_click_on_the_background_that_no_window_holds_is_refused() -> None:
    with pytest.raises(InvalidPrompt, match="too far"):
        session_of(DRAWN, SLIDE, None, (Click(900, 400, OFF),)).framed_by(SLIDE)


@given(clicks=st.lists(st.tuples(xs, ys, st.sampled_from(PointLabel)), max_size=8))
def test_the_window_holds_the_box_and_every_click(clicks: list[tuple[float, float, PointLabel]]) -> None:
    session = session_of(DRAWN, SLIDE, None, tuple(Click(*click) for click in clicks))
    assert session.box.around([(session.first.x_min, session.first.y_min)]) == session.box
    try:
        framed = session.framed_by(SLIDE)
    except InvalidPrompt:
        assert any(label is OFF for *_, label in clicks)
        return
    window = plan_window(framed, SLIDE.width, SLIDE.height)
    assert window.holds(session.box.around((point.x, point.y) for point in session.clicks))


@given(places=st.lists(st.tuples(xs, ys), min_size=1, max_size=4), size=st.floats(1e-3, 5000))
def test_points_and_a_size_give_a_place_to_look_at(places: list[tuple[float, float]], size: float) -> None:
    roi = roi_around(places, size, SLIDE)
    assert roi.width > 0 < roi.height
    assert roi == roi.clipped(SLIDE.width, SLIDE.height)
    for x, y in places:
        assert roi.x_min - 1e-6 <= x <= roi.x_max + 1e-6
        assert roi.y_min - 1e-6 <= 800 - y <= roi.y_max + 1e-6


def test_the_size_counts_where_points_lie_close() -> None:
    assert roi_around([(500, 400)], 40, SLIDE) == Roi(480, 380, 520, 420)
    assert roi_around([(450, 400), (550, 400)], 40, SLIDE) == Roi(450, 350, 550, 450)
