"""A glance tells glass, focus and contrast, whatever the window's size, and never fails on a box."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.glance import GLANCE_PX, glance_at, sight_of

WHOLE = np.array([[0.25, 0.25], [0.75, 0.75]])


def disc(side: int, blur: float = 0.0, ground: int = 230, object_: int = 90) -> np.ndarray:
    pixels = np.full((side, side, 3), ground, np.uint8)
    cv2.circle(pixels, (side // 2, side // 2), side // 5, (object_,) * 3, -1)
    return cv2.GaussianBlur(pixels, (0, 0), blur) if blur else pixels


def test_it_is_small_whatever_the_window() -> None:
    for side in (1, 7, 64, 1024):
        assert glance_at(np.zeros((side, side, 3), np.uint8)).pixels.shape == (GLANCE_PX, GLANCE_PX, 3)


@pytest.mark.parametrize("side", [64, 256, 1000])
def test_an_object_stands_out_and_glass_does_not(side: int) -> None:
    noise = np.random.default_rng(0).normal(0, 3, (side, side, 3))
    seen = sight_of(glance_at(disc(side)), WHOLE)
    empty = sight_of(glance_at((240 + noise).clip(0, 255).astype(np.uint8)), WHOLE)
    assert seen.contrast == pytest.approx(140, abs=15)
    assert empty.contrast < 12
    dark = sight_of(glance_at(np.zeros((side, side, 3), np.uint8)), WHOLE)
    assert (dark.contrast, dark.softness) == (0, 0)


def test_what_is_blurred_is_softer_and_less_steep() -> None:
    seen = [sight_of(glance_at(disc(256, blur)), WHOLE) for blur in (0, 3, 8, 16)]
    assert [each.softness for each in seen] == sorted(each.softness for each in seen)
    assert [each.sharpness for each in seen] == sorted((each.sharpness for each in seen), reverse=True)
    assert seen[0].softness < 0.5
    assert seen[-1].softness > 0.9


def test_only_the_box_counts_for_contrast() -> None:
    pixels = disc(256)
    assert sight_of(glance_at(pixels), np.array([[0.0, 0.0], [0.15, 0.15]])).contrast == 0


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_any_box_is_looked_at(corners: list[float]) -> None:
    box = np.sort(np.array(corners).reshape(2, 2), axis=0)
    seen = sight_of(glance_at(disc(64)), box)
    assert 0 <= seen.contrast <= 255
    assert seen.sharpness >= 0
    assert 0 <= seen.softness <= 1
