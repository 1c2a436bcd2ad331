"""People come at random, and do things in an order that makes sense."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.frames import Roi
from bench.load.arrivals import poisson, zipf
from bench.load.people import AddPoint, Draw, Habits, Place, Prefetch, Refine, Think, session
from bench.load.world import drawn_around, object_in, random_object

SLIDES = tuple(Place(number, 8192, 6144) for number in (11, 12, 13, 14))
seeds = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_people_come_at_the_rate_that_was_asked_for() -> None:
    moments = poisson(rng(), 5.0, 2000.0)
    gaps = np.diff(moments)
    assert len(moments) == pytest.approx(10_000, rel=0.05)
    assert gaps.mean() == pytest.approx(0.2, rel=0.05)
    assert gaps.std() == pytest.approx(0.2, rel=0.1)  # exponential: as wide as long


def test_nobody_waits_for_anybody_else_to_come() -> None:
    gaps = np.diff(poisson(rng(1), 5.0, 2000.0))
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.05


@given(seeds, st.floats(0, 20), st.floats(0.1, 50))
def test_everybody_comes_in_time_and_in_order(seed: int, rate: float, seconds: float) -> None:
    moments = poisson(rng(seed), rate, seconds)
    assert all(0 <= moment <= seconds for moment in moments)
    assert all(first <= second for first, second in pairwise(moments))


@given(st.integers(1, 200), st.floats(0, 2))
def test_shares_of_slides_add_up_and_fall(count: int, exponent: float) -> None:
    shares = zipf(count, exponent)
    assert shares.sum() == pytest.approx(1)
    assert all(first >= second for first, second in pairwise(shares))


@given(seeds)
def test_an_object_is_found_again_in_the_box_around_it_and_in_its_own_outline(seed: int) -> None:
    thing = random_object(rng(seed), 8192, 6144)
    box = drawn_around(rng(seed), thing)
    assert 0 <= box.x_min < thing.x_min < thing.x_max < box.x_max <= 8192
    assert 0 <= box.y_min < thing.y_min < thing.y_max < box.y_max <= 6144
    traced = Roi(thing.x_min + 0.4, thing.y_min - 0.3, thing.x_max - 0.4, thing.y_max + 0.2)
    assert object_in(box) == object_in(thing) == object_in(traced) == thing


@given(seeds, st.floats(0, 1), st.floats(0, 1))
def test_a_session_is_box_after_box_on_one_slide(seed: int, prefetched: float, again: float) -> None:
    habits = Habits(boxes=3, prefetched=prefetched, again=again)
    steps = [step for step in session(rng(seed), habits, SLIDES) if not isinstance(step, Think)]
    assert isinstance(steps[0], Draw)
    assert len({step.slide for step in steps if isinstance(step, Draw)}) == 1
    for before, step in pairwise(steps):
        if isinstance(step, Prefetch):
            assert isinstance(before, Draw)
        elif isinstance(step, AddPoint):
            assert isinstance(before, Refine)
        elif isinstance(step, Refine):
            assert isinstance(before, Draw | Prefetch | AddPoint)
        else:
            assert isinstance(before, Refine)
    assert isinstance(steps[-1], Refine)


def test_points_lie_on_the_object_just_drawn() -> None:
    thing = None
    for step in islice(session(rng(3), Habits(boxes=float("inf"), again=0.9), SLIDES), 400):
        if isinstance(step, Draw):
            thing = step.thing
        elif isinstance(step, AddPoint):
            assert thing is not None
            assert thing.x_min < step.x < thing.x_max
            assert thing.y_min < step.y < thing.y_max


def test_means_are_those_that_the_sizing_counts_with() -> None:
    habits = Habits(boxes=float("inf"), pace=0.5)
    steps = list(islice(session(rng(4), habits, SLIDES), 60_000))
    boxes = sum(isinstance(step, Draw) for step in steps)
    refines = sum(isinstance(step, Refine) for step in steps)
    thought_s = sum(step.seconds for step in steps if isinstance(step, Think))
    prefetches = sum(isinstance(step, Prefetch) for step in steps)
    assert refines / boxes == pytest.approx(habits.refines_per_box, rel=0.03)
    assert thought_s / boxes == pytest.approx(habits.box_s, rel=0.03)
    assert prefetches / boxes == pytest.approx(habits.prefetched, rel=0.03)


def test_the_same_seed_is_the_same_person() -> None:
    first, second = (list(session(rng(5), Habits(), SLIDES)) for _ in range(2))
    assert first == second
