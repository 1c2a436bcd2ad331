import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.likeness import Shown, contrast, cover_of, cover_of_mask, fine, pattern_of, peaks, pooled
from app.geometry.windows import WindowGrid
from tests.geometry.test_automatic import disc

SIDE = 16


def world(*things: tuple[int, int, int]) -> np.ndarray:
    """Two kinds of things, 0 and 1, 3 places wide, on ground; three channels with a bias that all share."""
    features = np.zeros((4, SIDE, SIDE), np.float32)
    features[2] = 1
    for kind, x, y in things:
        features[:3, y - 1 : y + 2, x - 1 : x + 2] = 0
        features[kind, y - 1 : y + 2, x - 1 : x + 2] = 1
    features[3] = 5
    return features


def cover(x: int, y: int) -> np.ndarray:
    drawn = np.zeros((SIDE, SIDE), np.float32)
    drawn[y - 1 : y + 2, x - 1 : x + 2] = 1
    return drawn


def test_an_exemplar_is_as_like_itself_as_can_be_and_the_ground_is_not() -> None:
    features = world((0, 4, 4))
    values = pattern_of([Shown(features, cover(4, 4))]).likeness(features)
    assert pooled(values, cover(4, 4)) == pytest.approx(1.0)
    assert values[12, 12] < 0


def test_counter_examples_take_their_likeness_away() -> None:
    features = world((0, 4, 4), (1, 11, 11))
    without = pattern_of([Shown(features, cover(4, 4))]).likeness(features)
    told = pattern_of([Shown(features, cover(4, 4))], [Shown(features, cover(11, 11))]).likeness(features)
    assert told[11, 11] < without[11, 11]
    assert told[4, 4] == pytest.approx(1.0, abs=0.05)


def test_a_counter_example_that_is_the_exemplar_leaves_nothing_that_is_like_it() -> None:
    features = world((0, 4, 4))
    shown = Shown(features, cover(4, 4))
    assert pattern_of([shown], [shown]).likeness(features).max() < 0.5


def test_a_shape_covers_its_places() -> None:
    grid = WindowGrid(100, 50, 2, 2)
    found = cover_of(shapely.box(116, 66, 132, 82), grid, (64, 64), (SIDE, SIDE))
    assert found[2:4, 2:4] == pytest.approx(np.ones((2, 2)), abs=0.3)
    assert found.sum() == pytest.approx(4, abs=0.6)
    assert found[5:].max() == 0


def test_an_object_smaller_than_a_place_counts_by_the_place_that_it_covers_most() -> None:
    speck = np.zeros((SIDE, SIDE), np.float32)
    speck[3, 3], speck[3, 4] = 0.2, 0.1
    values = np.zeros((SIDE, SIDE), np.float32)
    values[3, 3], values[3, 4] = 0.9, 0.1
    assert pooled(values, speck) == pytest.approx(0.9)
    assert cover_of_mask(disc(32, 32, 8), (SIDE, SIDE))[8, 8] == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.floats(1, 5), st.floats(-0.5, 0.9))
def test_peaks_are_apart_high_enough_and_ordered(seed: int, apart: float, least: float) -> None:
    values = np.random.default_rng(seed).normal(0, 0.5, (SIDE, SIDE)).astype(np.float32)
    found = peaks(values, apart, least)
    heights = [values[int(y), int(x)] for x, y in found]
    assert heights == sorted(heights, reverse=True)
    assert all(height >= least for height in heights)
    for at, one in enumerate(found):
        for other in found[at + 1 :]:
            assert np.hypot(*(one - other)) > 1
    covered = np.ones((SIDE, SIDE), bool)
    assert len(peaks(values, apart, least, covered)) == 0


def test_a_mask_that_follows_the_object_stands_out_more_than_one_that_does_not() -> None:
    features = world((0, 4, 4))
    values = fine(pattern_of([Shown(features, cover(4, 4))]).likeness(features), (64, 64))
    assert values.shape == (64, 64)
    follows, too_large, half, beside = (
        contrast(values, disc(x, y, radius) > 0)
        for x, y, radius in ((18, 18, 6), (18, 18, 14), (18, 21, 3), (40, 40, 6))
    )
    assert follows > 0.8
    assert follows > max(too_large, half) + 0.2
    assert abs(beside) < 0.1


def test_a_mask_of_the_whole_window_stands_out_as_far_as_it_is_like_the_exemplars() -> None:
    assert contrast(np.full((8, 8), 0.4, np.float32), np.ones((8, 8), bool)) == pytest.approx(0.4)
