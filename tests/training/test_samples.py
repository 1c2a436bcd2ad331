"""Training samples: boxes, points and windows as people and the service make them, told by their distributions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.embedded.samples import MOST_POINTS, NO_POINT, Sample, draw_sample, first_points, loose_box, recoloured
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
        found = sample.mask > 0.5
        assert (dark & found).sum() / (dark | found).sum() > 0.93


def test_the_window_is_twice_the_box(samples: list[Sample]) -> None:
    for sample in samples:
        extent = sample.box[2:] - sample.box[:2]
        assert extent.max() == pytest.approx(SIDE / 2, rel=1e-4)
        assert sample.box.min() > -0.05 * SIDE
        assert sample.box.max() < 1.05 * SIDE


def test_windows_are_centred_or_moved(samples: list[Sample]) -> None:
    centres = np.array([(sample.box[:2] + sample.box[2:]) / 2 for sample in samples]) / SIDE
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


def test_recolouring_moves_nothing() -> None:
    image, rng = disc_scene().image, np.random.default_rng(4)
    for _ in range(20):
        changed = recoloured(rng, image)
        assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
    assert (recoloured(np.random.default_rng(9), image) == recoloured(np.random.default_rng(9), image)).all()
