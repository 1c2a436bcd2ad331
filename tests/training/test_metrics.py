"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from training.evaluation.baselines import BASELINES, box_mask, ellipse_mask, grabcut_mask
from training.evaluation.metrics import authors_shape, boundary_f, overlap, shape, size_retention

EMPTY = np.zeros((64, 64), bool)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((64, 64), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_overlap_of_two_rectangles() -> None:
    found, truth = rectangle(0, 0, 20, 10), rectangle(10, 0, 40, 10)  # 200 and 300 pixels, 100 in common
    assert overlap(found, truth) == {
        "dice": pytest.approx(200 / 500),
        "iou": pytest.approx(100 / 400),
        "precision": pytest.approx(100 / 200),
        "recall": pytest.approx(100 / 300),
    }


def test_nothing_found_is_worth_nothing() -> None:
    assert set(overlap(EMPTY, rectangle(0, 0, 9, 9)).values()) == {0.0}
    assert boundary_f(EMPTY, rectangle(0, 0, 9, 9)) == 0
    assert shape(EMPTY)["components"] == 0
    assert math.isnan(shape(EMPTY)["compactness"])
    assert math.isnan(size_retention(EMPTY, EMPTY))


def test_border_within_and_beyond_the_tolerance() -> None:
    truth = rectangle(10, 10, 50, 50)
    assert boundary_f(rectangle(12, 12, 52, 52), truth, tolerance_px=2.9) == 1
    # moved along x alone by 5: of each border, the two horizontal sides lie near, up to what sticks out
    moved = boundary_f(rectangle(15, 10, 55, 50), truth, tolerance_px=1.0)
    horizontal, corner, total = 2 * 35, 2 * 2, 4 * 39  # common columns; one more pixel at each end is within 1 px
    assert moved == pytest.approx((horizontal + corner / 2) / total, abs=0.03)
    assert boundary_f(rectangle(30, 30, 35, 35), truth, tolerance_px=3) == 0


def test_shape_of_a_disc_a_ring_and_two_parts() -> None:
    canvas = np.zeros((400, 400), np.uint8)
    disc = cv2.circle(canvas.copy(), (200, 200), 120, 1, -1) > 0
    found = shape(disc)
    # an 8-connected outline is longer than the circle, by up to 8 (sqrt(2) - 1) / pi = 1.055
    assert found["compactness"] == pytest.approx(1 / 1.055**2, abs=0.02)
    assert found["solidity"] == pytest.approx(1, abs=0.01)
    assert 1.0 <= found["perimeter_smoothness"] < 1.1
    assert found["components"] == 1
    ring = disc & ~(cv2.circle(canvas.copy(), (200, 200), 60, 1, -1) > 0)
    assert shape(ring)["solidity"] == pytest.approx(1 - 0.25, abs=0.01)
    two = disc | (cv2.circle(canvas.copy(), (30, 30), 9, 1, -1) > 0)
    assert shape(two)["components"] == 2


def test_shapes_as_the_author_measures_them() -> None:
    canvas = np.zeros((400, 400), np.uint8)
    disc = cv2.circle(canvas.copy(), (200, 150), 100, 1, -1) > 0
    found = authors_shape(disc)
    # the outline runs through the centres of the border's pixels, so it is as smooth as that of the whole mask
    assert found["first_compactness"] == pytest.approx(shape(disc)["compactness"], abs=0.03)
    assert found["first_solidity"] == pytest.approx(1, abs=0.02)
    assert found["first_perimeter_smoothness"] > shape(disc)["perimeter_smoothness"]  # a coarser polygon is shorter
    hole = disc & ~(cv2.circle(canvas.copy(), (200, 150), 50, 1, -1) > 0)
    assert authors_shape(hole) == found  # holes do not count
    assert shape(hole)["solidity"] < 0.8
    speck = disc.copy()
    speck[380, 380] = True
    assert set(authors_shape(speck).values()) == {0.0}  # the speck is OpenCV's first outline, and has no extent
    assert shape(speck)["compactness"] > 0.8
    assert set(authors_shape(EMPTY).values()) == {0.0}


def test_size_retention() -> None:
    assert size_retention(rectangle(0, 0, 10, 5), rectangle(0, 0, 10, 10)) == 0.5


def test_baselines_fill_what_they_are_named_after() -> None:
    image = np.full((256, 256, 3), 230, np.uint8)
    cv2.circle(image, (128, 128), 50, (90, 40, 120), -1)
    box = np.array([70.0, 70.0, 187.0, 187.0])
    assert box_mask(image, box).sum() == 117 * 117
    assert ellipse_mask(image, box).sum() == pytest.approx(math.pi / 4 * 117 * 117, rel=0.01)
    disc = image[..., 0] < 160
    assert overlap(grabcut_mask(image, box), disc)["iou"] > 0.95
    assert list(BASELINES) == ["plain box", "ellipse", "GrabCut"]
