from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from app.geometry.masks import (
    SPUR_SHARE,
    Mask,
    Masks,
    clean_mask,
    large_components,
    mask_in_model_frame,
    without_spurs,
)


def square(x: int, y: int, width: int, height: int, side: int = 1024) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def test_the_best_mask_is_the_one_with_the_highest_score() -> None:
    masks = Masks(np.zeros((3, 4, 4), np.float32), np.array([0.2, 0.9, 0.5], np.float32))
    assert masks.best == 1


def test_a_mask_is_taken_by_its_name() -> None:
    logits = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    single = Mask(np.full((4, 4), 7, np.float32), 0.3)
    masks = Masks(logits, np.array([0.2, 0.9, 0.5], np.float32), single)
    assert [masks.named(wish) for wish in ("best", "single", 0, 1, 2)] == [1, "single", 0, 1, 2]
    assert masks.of("single") is single
    assert (masks.of(2).logits[0, 0], masks.of(2).score) == (2, 0.5)


def test_a_model_without_a_single_mask_gives_its_best_proposal() -> None:
    masks = Masks(np.zeros((3, 4, 4), np.float32), np.array([0.2, 0.4, 0.5], np.float32))
    assert masks.named("single") == 2


def test_logits_are_enlarged_with_half_pixel_centres() -> None:
    logits = np.full((64, 64), -1, np.float32)
    logits[16:48, 16:48] = 1
    mask = mask_in_model_frame(logits)
    assert mask.shape == (1024, 1024)
    rows, columns = np.nonzero(mask)
    # the border lies where the interpolation passes zero: in the middle between two low-resolution centres
    assert (rows.min(), rows.max() + 1) == (256, 768)
    assert (columns.min(), columns.max() + 1) == (256, 768)


@pytest.mark.parametrize(("width", "height"), [(20, 20), (33, 47), (500, 11)])
def test_cleaning_does_not_move_a_rectangle(width: int, height: int) -> None:
    mask = square(300, 400, width, height)
    assert np.array_equal(clean_mask(mask), mask)


def test_specks_go_gaps_close_and_small_components_are_dropped() -> None:
    mask = square(200, 200, 200, 200)
    mask[600:605, 600:605] = True  # thinner than the opening
    mask[290:300, 290:300] = False  # a gap narrower than the closing
    mask |= square(700, 200, 40, 40)  # 4 % of the largest component
    mask |= square(700, 700, 100, 100)  # 25 %
    expected = square(200, 200, 200, 200) | square(700, 700, 100, 100)
    assert np.array_equal(clean_mask(mask), expected)


@pytest.mark.parametrize(("height", "kept"), [(100, True), (99, False)])
def test_a_component_of_a_tenth_of_the_largest_is_the_smallest_kept(height: int, kept: bool) -> None:
    largest, small = square(100, 100, 200, 200), square(600, 600, 40, height)
    assert np.array_equal(clean_mask(largest | small), largest | small if kept else largest)


def test_a_small_component_that_people_showed_is_kept() -> None:
    largest, small, other = square(100, 100, 200, 200), square(600, 600, 40, 40), square(800, 200, 40, 40)
    shown = np.array([[620.0, 620], [500, 500], [2000, -5]])
    assert np.array_equal(clean_mask(largest | small | other, shown=shown), largest | small)
    assert np.array_equal(clean_mask(largest | small, shown=shown[1:]), largest)


def test_an_object_at_the_border_is_not_eaten() -> None:
    mask = square(0, 0, 30, 1024)
    assert np.array_equal(clean_mask(mask), mask)


def test_an_object_thinner_than_the_opening_survives() -> None:
    cleaned = clean_mask(square(100, 500, 600, 4))
    assert cleaned[500:504, 100:700].all()


def test_an_empty_mask_stays_empty() -> None:
    assert not clean_mask(np.zeros((1024, 1024), bool)).any()


def ragged(seed: int, side: int) -> np.ndarray:
    """Draw raw values with several objects, holes and specks."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((seed % 7 + 3, seed % 7 + 3)).astype(np.float32)
    values = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) - rng.uniform(-0.2, 1.5)
    return np.asarray(values + (seed % 3) * rng.normal(0, 0.15, values.shape), np.float32)


@pytest.mark.parametrize("side", [48, 64, 200, 256])
def test_the_part_that_is_enlarged_is_that_of_the_whole(side: int) -> None:
    empty, full = np.full((2, side, side), -1, np.float32), np.ones((1, side, side), np.float32)
    for logits in (*empty, *full, *(ragged(seed, side) for seed in range(8))):
        whole = cv2.resize(logits, (1024, 1024), interpolation=cv2.INTER_LINEAR) > 0
        assert np.array_equal(mask_in_model_frame(logits), whole)


def test_components_are_chosen_as_if_all_were_labelled() -> None:
    for seed in range(12):
        mask = (ragged(seed, 256) > 0).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        wanted = 1 + np.flatnonzero(areas >= 0.1 * areas.max(initial=0))
        assert np.array_equal(large_components(mask), np.isin(labels, wanted))
    ring = np.zeros((60, 60), np.uint8)
    ring[5:55, 5:55], ring[10:50, 10:50], ring[29:31, 29:31] = 1, 0, 1  # a speck inside of a ring is one more
    assert large_components(ring).sum() == ring.sum() - 4


def drawn(*discs: tuple[int, int, int], neck: int = 0) -> np.ndarray:
    """Discs (x, y, radius) on 256 px, joined by a line of a width."""
    canvas = np.zeros((256, 256), np.uint8)
    for x, y, radius in discs:
        cv2.circle(canvas, (x, y), radius, 1, -1)
    for (x, y, _), (to_x, to_y, _) in pairwise(discs):
        if neck:
            cv2.line(canvas, (x, y), (to_x, to_y), 1, neck)
    return canvas > 0


def test_a_spur_is_cut_off_and_the_object_keeps_its_size() -> None:
    object_, whisker = drawn((128, 128, 60)), drawn((128, 128, 60), (240, 128, 2), neck=9)
    found = without_spurs(whisker)
    assert found[128, 150]
    assert not found[:, 200:].any()
    assert (found ^ object_).sum() < 0.01 * object_.sum()


def test_a_point_on_a_narrow_part_keeps_it() -> None:
    whisker = drawn((128, 128, 60), (240, 128, 2), neck=9)
    assert without_spurs(whisker, np.array([[230.5, 128.5]]))[128, 190:240].all()
    for elsewhere in ([[10.0, 10.0]], [[128.0, 128.0]], [[-5.0, 300.0]], np.empty((0, 2))):
        assert not without_spurs(whisker, np.array(elsewhere))[:, 200:].any()


def test_what_is_thin_all_along_is_no_spur() -> None:
    strip = np.zeros((256, 256), bool)
    strip[100:104, 20:230] = True
    assert (without_spurs(strip) == strip).all()


def test_the_arrays_edge_cuts_nothing_off() -> None:
    half = drawn((0, 128, 60))
    assert (without_spurs(half) ^ half).sum() < 0.01 * half.sum()
    everything = np.ones((64, 64), bool)
    assert without_spurs(everything).all()
    assert not without_spurs(~everything).any()


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)))
def test_nothing_is_added_and_something_is_left(mask: np.ndarray) -> None:
    found = without_spurs(mask)
    assert not (found & ~mask).any()
    assert found.any() == mask.any()


@pytest.mark.parametrize("seed", range(12))
def test_spurs_are_those_of_the_whole_window(seed: int) -> None:
    """The boxes that are looked at are large enough: an opening of the whole window gives the same."""
    field = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(256, 256)), (0, 0), 4 + seed % 5)
    mask = (drawn((100, 80, 40)) & (field > -field.std())) | (field > 2 * field.std())  # a torn object and specks
    every_second = distances(mask[::2, ::2])
    step, depth = (2, every_second) if every_second.max() >= 16 else (1, distances(mask))
    radius = SPUR_SHARE * float(depth.max())
    reached = distances(depth <= radius) <= radius + 0.75 * (step - 1)
    assert (without_spurs(mask) == (mask & reached.repeat(step, 0).repeat(step, 1))).all()


def distances(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(np.ascontiguousarray(mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)


def test_every_second_pixel_of_a_thick_object_is_enough() -> None:
    """An opening of all pixels, with exact distances, leaves the same to three pixels."""
    mask = drawn((110, 128, 60), (150, 60, 40), neck=60) | drawn((110, 128, 60), (240, 140, 2), neck=9)
    depth = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    radius = SPUR_SHARE * float(depth.max())
    away = cv2.distanceTransform((depth <= radius).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    exact, found = mask & (away <= radius), without_spurs(mask)
    assert found.sum() == pytest.approx(exact.sum(), rel=0.005)
    assert distances(found ^ exact).max() <= 3
    assert exact.sum() < mask.sum()
