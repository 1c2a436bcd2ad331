"""Training samples: boxes, points and windows as people and the service make them, told by their distributions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.embedded.samples import (
    MOST_POINTS,
    NO_POINT,
    TARGETS,
    Sample,
    draw_sample,
    first_points,
    loose_box,
    recoloured,
)
from training.tissue import Scene
from training.tissue.scenes import DrawnObject

SIDE = 128


def disc_scene() -> Scene:
    """One dark disc on pink ground."""
    image = np.full((512, 512, 3), (230, 190, 210), np.uint8)
    labels = np.zeros((512, 512), np.int32)
    cv2.circle(image, (256, 256), 60, (90, 60, 140), -1)
    cv2.circle(labels, (256, 256), 60, 1, -1)
    return Scene(image, labels, (DrawnObject(1, "blobs", 196, 196, 317, 317),))


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    scene, rng = disc_scene(), np.random.default_rng(0)
    return [draw_sample(rng, scene, scene.objects[0], SIDE, augment=False) for _ in range(400)]


def test_the_mask_lies_on_the_pixels(samples: list[Sample]) -> None:
    for sample in samples[:60]:
        dark = sample.image[..., 1] < 120
        for target in sample.targets:
            found = target.mask > 0.5
            assert (dark & found).sum() / (dark | found).sum() > 0.84  # people outline up to 7 % outside of the edge


def test_the_window_is_twice_the_box(samples: list[Sample]) -> None:
    for sample in samples:
        box = sample.targets[0].box
        extent = box[2:] - box[:2]
        assert extent.max() == pytest.approx(SIDE / 2, rel=1e-4)
        assert box.min() > -0.05 * SIDE
        assert box.max() < 1.05 * SIDE


def test_windows_are_centred_or_moved(samples: list[Sample]) -> None:
    boxes = np.array([sample.targets[0].box for sample in samples])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 / SIDE
    near = (abs(centres[:, 0] - 0.5) < 0.04).mean()
    assert 0.55 < near < 0.8
    assert centres[:, 0].min() < 0.3
    assert centres[:, 0].max() > 0.7


def test_boxes_are_tight_or_loose() -> None:
    target, rng = DrawnObject(1, "blobs", 100, 100, 200, 180), np.random.default_rng(1)
    boxes = np.array([loose_box(rng, target) for _ in range(3000)])
    shares = np.stack([100 - boxes[:, 0], boxes[:, 2] - 200], 1) / 100
    assert shares.min() > -0.05
    assert shares.max() < 0.31
    assert 0.05 < shares.mean() < 0.11
    assert (abs(shares) < 0.045).all(1).mean() > 0.4


def test_positive_points_prefer_the_depth() -> None:
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(mask, (64, 64), 30, 1.0, -1)
    rng, box = np.random.default_rng(2), np.array([30.0, 30.0, 98.0, 98.0])
    positive, negative, counts = [], [], []
    for _ in range(3000):
        points, labels = first_points(rng, mask, box)
        assert points.shape == (MOST_POINTS, 2)
        positive += points[labels == 1].tolist()
        negative += points[labels == 0].tolist()
        counts.append((labels != NO_POINT).sum())
    radii = np.hypot(*(np.array(positive) - 64.5).T)
    # The depth to the fourth power over a disc of radius r has a mean radius of 2 r / 7.
    assert radii.mean() == pytest.approx(2 * 30 / 7, rel=0.1)
    outside = np.array(negative)
    assert (np.hypot(*(outside - 64.5).T) > 29).all()
    assert outside.min() >= 30
    assert outside.max() <= 98
    assert 0.3 < np.mean(np.array(counts) == 0) < 0.55


def test_people_outline_on_the_edge_or_a_little_outside(samples: list[Sample]) -> None:
    areas = np.array([(s.targets[0].mask > 0.5).sum() / (s.image[..., 1] < 120).sum() for s in samples])
    assert 0.95 < areas.min() < 1.01
    assert 1.08 < areas.max() < 1.25
    assert 1.01 < areas.mean() < 1.12


def test_a_window_asks_for_a_neighbour_too_and_never_over_another() -> None:
    image = np.full((512, 512, 3), (230, 190, 210), np.uint8)
    labels = np.zeros((512, 512), np.int32)
    extents = ((1, 217, 255), (2, 257, 273))
    for number, left, right in extents:
        cv2.rectangle(labels, (left, 240), (right, 280), number, -1)
    objects = tuple(DrawnObject(number, "blobs", left, 240, right + 1, 281) for number, left, right in extents)
    rng, scene = np.random.default_rng(3), Scene(image, labels, objects)
    drawn = [draw_sample(rng, scene, objects[0], SIDE, augment=False) for _ in range(60)]
    overlaps = [((s.targets[0].mask > 0.5) & (s.targets[1].mask > 0.5)).mean() for s in drawn]
    assert all(len(s.targets) == TARGETS for s in drawn)
    apart = np.array(overlaps) < 0.004
    assert 0.4 < apart.mean() < 1  # where the neighbour lies wholly in the window; else the same object again
    assert {s.targets[0].boxed for s in drawn} == {True, False}


def test_recolouring_moves_nothing() -> None:
    image, rng = disc_scene().image, np.random.default_rng(4)
    for _ in range(20):
        changed = recoloured(rng, image)
        assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
    assert (recoloured(np.random.default_rng(9), image) == recoloured(np.random.default_rng(9), image)).all()
