"""Clicks that are heeded: on their side afterwards, little changes far away; and masks that grow near them only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.geometry.clicks import NO_CLICKS, REACH, Clicks, RawValues, _value
from app.geometry.prompts import PointLabel, Prompts

SIDE = 64
REACHED = 4.0


def disc(radius: float = 16.0, shape: tuple[int, int] = (SIDE, SIDE)) -> RawValues:
    """Give raw values of a disc in the middle: one more for each pixel inside."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.asarray(radius - np.hypot(columns - shape[1] / 2, rows - shape[0] / 2), np.float32)


def clicks(*said: tuple[float, float, int], reach: float = REACHED) -> Clicks:
    return Clicks(np.array([place[:2] for place in said], np.float64).reshape(-1, 2), tuple(s[2] for s in said), reach)


def contradicted(said: Clicks, logits: RawValues) -> list[bool]:
    return [side * _value(logits, place) < 0 for place, side in zip(said.places, said.sides, strict=True)]


def at(x: float, y: float) -> tuple[int, int]:
    return int(y), int(x)


@pytest.mark.parametrize(("x", "side"), [(51.5, 1), (14.2, 1), (47.0, -1), (32.0, -1)])
def test_a_click_that_a_mask_contradicts_is_on_its_side_afterwards(x: float, side: int) -> None:
    said, before = clicks((x, 32.0, side)), disc()
    assert contradicted(said, before) == [True]
    after = said.heeded(before)
    assert contradicted(said, after) == [False]
    assert after[at(x, 32.0)] * side > 0
    assert (side * (after - before) >= 0).all()
    assert before is not after
    assert (before == disc()).all()


def test_only_what_lies_around_a_click_changes() -> None:
    said = clicks((51.5, 32.0, 1))
    moved = np.abs(said.heeded(disc()) - disc())
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    far = np.hypot(columns - 51.5, rows - 32.0)
    assert moved[far > 4 * REACHED].max() < 0.01
    assert moved.max() == moved[at(51.5, 32.0)]


def test_a_deeper_contradiction_takes_a_larger_change() -> None:
    shallow, deep = (clicks((x, 32.0, 1)).heeded(disc()) - disc() for x in (50.5, 55.5))
    assert 0 < shallow.max() < deep.max()


@pytest.mark.parametrize("said", [NO_CLICKS, clicks((32.0, 32.0, 1)), clicks((32.0, 20.0, 1), (60.0, 60.0, -1))])
def test_clicks_that_a_mask_heeds_change_nothing(said: Clicks) -> None:
    before = disc()
    assert not any(contradicted(said, before))
    assert said.heeded(before) is before


def test_what_helps_one_click_may_hurt_another_and_both_are_heeded() -> None:
    said = clicks((51.0, 32.0, 1), (51.0, 36.0, -1), (51.0, 40.0, 1))
    assert contradicted(said, disc()) == [True, False, True]
    assert not any(contradicted(said, said.heeded(disc())))


def test_where_nothing_was_found_a_click_makes_nothing_up() -> None:
    nothing = disc() - 100
    assert clicks((32.0, 32.0, 1)).heeded(nothing) is nothing


@pytest.mark.parametrize("last", [1, -1])
def test_of_clicks_on_the_same_place_the_last_one_counts(last: int) -> None:
    after = clicks((51.0, 32.0, -last), (51.0, 32.0, last)).heeded(disc())
    assert [contradicted(clicks((51.0, 32.0, side)), after) for side in (last, -last)] == [[False], [True]]
    assert np.isfinite(after).all()


places = st.tuples(st.floats(0, SIDE), st.floats(0, SIDE), st.sampled_from((-1, 1)))


@settings(max_examples=60)
@given(st.lists(places, max_size=8), st.floats(0.5, 12.0))
def test_whatever_is_clicked_raw_values_stay_finite_and_single_clicks_are_heeded(
    said: list[tuple[float, float, int]], reach: float
) -> None:
    before = disc()
    together = clicks(*said, reach=reach)
    after = together.heeded(before)
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    for one in said:
        alone = clicks(one, reach=reach)
        assert contradicted(alone, alone.heeded(before)) == [False]


def test_a_mask_grows_near_a_foreground_click_and_not_on_the_other_side() -> None:
    before, after = disc(16), disc(22)
    grown = clicks((50.0, 32.0, 1)).grown(after, before)
    assert grown[at(50, 32)] > 0
    assert grown[at(12, 32)] < 0 < after[at(12, 32)]
    assert ((before <= grown) & (grown <= after)).all()
    assert (clicks((50.0, 32.0, -1)).grown(after, before) == before).all()
    assert (NO_CLICKS.grown(after, before) == before).all()


def test_a_mask_shrinks_wherever_the_decoder_says() -> None:
    before, after = disc(22), disc(16)
    for side in (-1, 1):
        assert (clicks((50.0, 32.0, side)).grown(after, before) == after).all()


def test_what_was_forgotten_is_added_beyond_a_click_in_its_middle() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    lobe = np.asarray(14 - np.hypot(columns - 46, rows - 32), np.float32)
    before, whole = disc(8), np.maximum(disc(8), lobe)
    grown = clicks((50.0, 32.0, 1), reach=2.0).grown(whole, before)
    assert (grown[32, 40:58] > 0).all()  # the object ended at 40, the lobe does at 60


def test_a_speck_beside_a_click_is_not_the_object_that_it_was_forgotten_from() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    whole = np.maximum(disc(8), np.asarray(14 - np.hypot(columns - 46, rows - 32), np.float32))
    before = disc(8)
    before[36:38, 50:52] = 1
    grown = clicks((50.0, 32.0, 1), reach=2.0).grown(whole, before)
    assert (grown[32, 40:58] > 0).all()


def test_where_the_box_alone_shows_nothing_everything_comes_from_the_clicks() -> None:
    after = disc()
    assert clicks((32.0, 32.0, 1)).grown(after, after - 100) is after


def test_points_of_a_window_come_to_the_frame_of_raw_values() -> None:
    labels = (PointLabel.FOREGROUND, PointLabel.BACKGROUND)
    prompts = Prompts(np.array([[100, 60], [300, 160]]), np.array([[200, 110], [390, 10]]), labels)  # type: ignore[arg-type]
    said = Clicks.among(prompts, (200, 400), (50, 100))
    assert said.places.tolist() == [[50, 27.5], [97.5, 2.5]]
    assert said.sides == (1, -1)
    assert said.reach == pytest.approx(REACH * 50)
    wide = disc(shape=(50, 100))
    assert said.heeded(wide) is wide
    assert contradicted(said, -wide) == [True, True]
    assert contradicted(said, said.heeded(-wide)) == [False, False]


def test_what_was_said_of_places_beyond_the_window_is_left_out() -> None:
    points = np.array([[-1.0, 5], [5, 5], [5, 201], [400, 200]])
    prompts = Prompts(np.empty((0, 2)), points, (PointLabel.FOREGROUND,) * 3 + (PointLabel.BACKGROUND,))  # type: ignore[arg-type]
    said = Clicks.among(prompts, (200, 400), (200, 400))
    assert said.places.tolist() == [[5, 5], [400, 200]]
    assert said.sides == (1, -1)


def test_without_a_box_the_change_reaches_as_far_as_in_the_window_of_one() -> None:
    alone = Prompts(np.empty((0, 2)), np.array([[512, 512]]), (PointLabel.FOREGROUND,))  # type: ignore[arg-type]
    boxed = Prompts(np.array([[256, 300], [768, 700]]), alone.points, alone.labels)  # type: ignore[arg-type]
    reaches = [Clicks.among(prompts, (1024, 1024), (256, 256)).reach for prompts in (alone, boxed)]
    assert reaches[0] == pytest.approx(reaches[1])
