"""Drawn tissue: the same from the same seed, and labels that fit the pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.tissue import KINDS, draw_scene


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene(kind: str) -> None:
    first, second = (draw_scene(np.random.default_rng(11), kind, side=256) for _ in range(2))
    assert (first.image == second.image).all()
    assert (first.labels == second.labels).all()
    other = draw_scene(np.random.default_rng(12), kind, side=256)
    assert (first.image != other.image).any()


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_whole_and_tightly_boxed(kind: str) -> None:
    scene = draw_scene(np.random.default_rng(3), kind, side=512)
    assert scene.image.shape == (*scene.labels.shape, 3)
    assert scene.objects
    for each in scene.objects:
        x, y, width, height = cv2.boundingRect((scene.labels == each.label).astype(np.uint8))
        assert (each.x0, each.y0, each.x1, each.y1) == (x, y, x + width, y + height)
        assert min(each.x0, each.y0) > 0
        assert max(each.x1, each.y1) < 512


def test_nuclei_are_seen_in_the_pixels() -> None:
    """On average over scenes, nuclei differ from what surrounds them: the labels lie where the stain lies."""
    contrasts = []
    for seed in range(6):
        scene = draw_scene(np.random.default_rng(seed), "nuclei", side=384)
        gray = scene.image.mean(axis=2)
        for each in scene.objects[:20]:
            mask = (scene.labels == each.label).astype(np.uint8)
            ring = (cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0) & (scene.labels == 0)
            if ring.sum() > 20:
                contrasts.append(gray[ring].mean() - gray[mask > 0].mean())
    assert np.mean(contrasts) > 15
