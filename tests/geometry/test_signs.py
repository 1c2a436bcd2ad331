"""The signs of a mask: each within 0 to 1, and each tells what its name says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from app.geometry.choices import Taken
from app.geometry.masks import Mask, Masks
from app.geometry.signs import signs_of


def disc(radius: float, steepness: float = 10.0, x: float = 32, side: int = 64) -> np.ndarray:
    """Give raw values that pass zero at a radius, by so much for each pixel."""
    rows, columns = np.indices((side, side)) + 0.5
    return (steepness * (radius - np.hypot(columns - x, rows - side / 2))).astype(np.float32)


def masks_of(*logits: np.ndarray, single: np.ndarray | None = None) -> Masks:
    scores = np.linspace(0.5, 0.9, len(logits)).astype(np.float32)
    return Masks(np.stack(logits), scores, None if single is None else Mask(single, 0.4))


def test_masks_that_agree_and_are_sharp_have_all_signs() -> None:
    signs = signs_of(masks_of(disc(20), disc(20), disc(20), single=disc(20)), 2)
    assert signs.score == pytest.approx(0.9)
    assert (signs.agreement, signs.inside) == (1.0, 1.0)
    assert signs.stability > 0.9


def test_a_flat_slope_is_not_stable() -> None:
    assert signs_of(masks_of(*[disc(20, 0.2)] * 3), 0).stability < 0.5


def test_the_others_agreement_is_the_mean_of_their_iou() -> None:
    empty = disc(-5)
    masks = masks_of(disc(20), empty, disc(20), single=disc(20))
    assert signs_of(masks, 0).agreement == pytest.approx(2 / 3)
    assert signs_of(masks, "single").agreement == pytest.approx(2 / 3)
    assert signs_of(masks, 1).agreement == 0


def test_a_mask_alone_agrees() -> None:
    assert signs_of(masks_of(disc(20)), 0).agreement == 1


def test_the_border_that_the_mask_takes_is_missing() -> None:
    half = np.where(np.arange(64) < 32, 5, -5) * np.ones((64, 1))
    assert signs_of(masks_of(*[half.astype(np.float32)] * 3), 0).inside == pytest.approx(0.5)


def test_an_empty_mask_is_no_good_sign() -> None:
    signs = signs_of(masks_of(*[disc(-5)] * 3), 0)
    assert (signs.stability, signs.agreement, signs.inside) == (0, 0, 1)


@given(
    npst.arrays(np.float32, (4, 8, 8), elements=st.floats(-40, 40, width=32)),
    st.floats(-2, 2),
    st.sampled_from(["single", 0, 1, 2]),
)
def test_signs_lie_within_0_to_1(logits: np.ndarray, score: float, taken: Taken) -> None:
    masks = Masks(logits[1:], np.full(3, score, np.float32), Mask(logits[0], score))
    signs = signs_of(masks, taken)
    for each in (signs.score, signs.stability, signs.agreement, signs.inside):
        assert 0 <= each <= 1
        assert type(each) is float  # not NumPy's: what is judged by them goes into JSON
