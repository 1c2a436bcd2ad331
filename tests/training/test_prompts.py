"""Prompts, told by their distributions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training import prompts
from training.prompts import Recipe, draw, jittered_box, loose_mask, loosened_box, negative_points, positive_points

DISC = np.asarray(cv2.circle(np.zeros((1024, 1024), np.uint8), (512, 512), 200, 1, -1) > 0)
TIGHT = np.array([312.0, 312.0, 713.0, 713.0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_jitter_is_whole_even_and_up_to_20_px() -> None:
    random = rng()
    moves = np.array([jittered_box(random, TIGHT) - TIGHT for _ in range(4000)])
    assert moves.min() == -20
    assert moves.max() == 20
    assert (moves == np.round(moves)).all()
    assert abs(moves.mean(0)).max() < 0.6  # standard error 0.19
    assert moves.std(0) == pytest.approx(np.full(4, np.sqrt((41**2 - 1) / 12)), rel=0.04)
    assert abs(np.corrcoef(moves.T) - np.eye(4)).max() < 0.06


def test_jitter_never_turns_a_small_box_inside_out() -> None:
    random, small = rng(), np.array([500.0, 500.0, 512.0, 509.0])
    boxes = np.array([jittered_box(random, small) for _ in range(500)])
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_loosened_boxes_lie_5_to_20_percent_outside() -> None:
    random = rng()
    shares = np.array([abs(loosened_box(random, TIGHT) - TIGHT) for _ in range(2000)]) / 401
    assert shares.min() >= 0.05
    assert shares.max() <= 0.20
    assert shares.mean() == pytest.approx(0.125, abs=0.003)
    assert loosened_box(random, np.array([0.0, 0.0, 1024.0, 1024.0])).tolist() == [0, 0, 1024, 1024]


def test_positive_points_lie_deep() -> None:
    points = positive_points(rng(), DISC, 4000)
    radii = np.hypot(*(points - 512.5).T)
    assert radii.max() < 201
    # depth to the fourth power over a disc of radius r: the mean distance to the centre is 2 r / 7
    assert radii.mean() == pytest.approx(2 * 200 / 7, rel=0.03)


def test_negative_points_lie_in_the_box_or_anywhere() -> None:
    inside = negative_points(rng(), DISC, TIGHT, 3000)
    assert not DISC[inside[:, 1].astype(int), inside[:, 0].astype(int)].any()
    assert inside.min() >= 312
    assert inside.max() <= 713
    anywhere = negative_points(rng(), DISC, None, 3000)
    assert not DISC[anywhere[:, 1].astype(int), anywhere[:, 0].astype(int)].any()
    outside = ((anywhere < 312) | (anywhere > 713)).any(1).mean()
    assert outside == pytest.approx((1024**2 - 401**2) / (1024**2 - DISC.sum()), abs=0.03)
    assert len(negative_points(rng(), np.ones((9, 9), bool), None, 3)) == 0


def test_loose_outlines_contain_the_object_as_the_thesis_has_it() -> None:
    ious = []
    for seed in range(12):
        found = loose_mask(rng(seed), DISC)
        assert (found & DISC).sum() / DISC.sum() > 0.999  # recall 0.999 in table 4.1
        contours = cv2.findContours(found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        assert len(contours) == 1
        assert cv2.contourArea(contours[0]) / cv2.contourArea(cv2.convexHull(contours[0])) > 0.99
        ious.append((found & DISC).sum() / (found | DISC).sum())
    assert 0.33 < np.mean(ious) < 0.5


def test_scribbles_hatch_the_object() -> None:
    found = prompts.scribbled_mask(DISC)
    assert (found & DISC).sum() / DISC.sum() > 0.9  # recall 0.948 in table 4.1
    assert 0.6 < (found & DISC).sum() / (found | DISC).sum() < 0.95
    thin = np.zeros((1024, 1024), bool)
    thin[500:503, 100:900] = True
    assert (prompts.scribbled_mask(thin) & thin).sum() == thin.sum()


def test_recipes_of_one_seed_share_their_box_and_are_the_same_again() -> None:
    box, with_point = Recipe("box", box="loosened"), Recipe("box+", box="loosened", positive=2, negative=1)
    first, second = draw(rng(5), box, DISC, TIGHT), draw(rng(5), with_point, DISC, TIGHT)
    assert first.box is not None
    assert second.box is not None
    assert (first.box == second.box).all()
    assert second.labels.tolist() == [1, 1, 0]
    assert (draw(rng(5), with_point, DISC, TIGHT).points == second.points).all()
    assert draw(rng(5), Recipe("mask", mask="truth"), DISC, TIGHT).mask is DISC
