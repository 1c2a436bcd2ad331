"""A judgement is monotone in every sign, stays within 0 to 1, and says when it has no calibration."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.choices import PromptKind
from app.geometry.judgement import SIGNS, Calibration, Judgement
from app.geometry.prompts import PointLabel, prompt_kind
from app.geometry.signs import Signs

PLUS, MINUS = PointLabel.FOREGROUND, PointLabel.BACKGROUND
shares = st.floats(0, 1)
signs = st.builds(Signs, shares, shares, shares, shares)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    weights = tuple((name, draw(st.floats(0, 1000))) for name in SIGNS)
    places = sorted(draw(st.lists(st.floats(0, 4000), min_size=2, max_size=9, unique=True)))
    values = sorted(draw(st.lists(shares, min_size=len(places), max_size=len(places))))
    return Calibration(weights, tuple(zip(places, values, strict=True)))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ((), "box"),
        ((PLUS,), "1 positive"),
        ((PLUS, PLUS), "2+ positive"),
        ((PLUS,) * 9, "2+ positive"),
        ((MINUS,), "1 negative"),
        ((MINUS, MINUS), "2+ with negative"),
        ((PLUS, MINUS), "2+ with negative"),
    ],
)
def test_prompts_are_told_apart_by_number_and_kind(labels: tuple[PointLabel, ...], kind: PromptKind) -> None:
    assert prompt_kind(labels) == kind


def test_the_card_decides_which_mask_is_taken_and_best_stands_in() -> None:
    judgement = Judgement((("box", "single"), ("1 positive", "best")))
    assert judgement.proposal("box") == "single"
    assert judgement.proposal("1 positive") == "best"
    assert judgement.proposal("2+ with negative") == Judgement().proposal("box") == "best"


def test_without_a_calibration_the_raw_score_stands_in() -> None:
    found = Judgement().confidence(Signs(0.7, 0.1, 0.1, 0.1))
    assert (found.value, found.calibrated) == (0.7, False)


def test_between_the_knots_it_is_straight_and_past_them_level() -> None:
    calibration = Calibration((("score", 1.0),), ((0.4, 0.2), (0.8, 0.6)))
    values = [calibration(Signs(score, 0, 0, 0)) for score in (0.0, 0.4, 0.6, 0.8, 1.0)]
    assert values == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.6])
    assert Judgement((), calibration).confidence(Signs(0.6, 0, 0, 0)).calibrated


@given(calibrations(), signs, st.sampled_from(SIGNS), shares)
def test_a_better_sign_never_lowers_the_confidence(
    calibration: Calibration, one: Signs, name: str, value: float
) -> None:
    other = replace(one, **{name: max(value, getattr(one, name))})
    assert 0 <= calibration(one) <= calibration(other) + 1e-12 <= 1 + 1e-12
