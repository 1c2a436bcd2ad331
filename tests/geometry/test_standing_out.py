from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from app.geometry.likeness import cover_of_mask, ring_around
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.standing_out import OutstandingRules, boxes, difference, differences, find_outstanding
from tests.geometry.test_automatic import disc, masks

RULES = OutstandingRules()
PLACES = ((20, 20, 6), (44, 40, 11))
"""x, y, radius in pixels of a window of 64."""


def window(*places: tuple[int, int, int]) -> np.ndarray:
    """Features of discs on ground at half the window's resolution: two directions of length 1."""
    cover = np.max([cover_of_mask(disc(*each), (32, 32)) for each in places], axis=0) if places else np.zeros((32, 32))
    return np.stack([cover, 1 - cover]).astype(np.float32)


def pointed_at(prompts: Sequence[Prompts]) -> list[Masks]:
    """Answer with the disc nearest to the middle of each box."""

    def nearest(prompt: Prompts) -> tuple[int, int, int]:
        x, y = prompt.box.mean(0)
        return min(PLACES, key=lambda place: float(np.hypot(place[0] - x, place[1] - y)))

    return [masks(disc(*nearest(prompt))) for prompt in prompts]


def test_a_square_differs_most_from_its_ring_where_it_holds_the_object() -> None:
    found = differences(window((20, 20, 6)), 6)
    y, x = np.unravel_index(int(np.argmax(found)), found.shape)
    assert (x, y) == (pytest.approx(9.5, abs=1), pytest.approx(9.5, abs=1))
    assert found.max() > 0.8
    assert found[25, 25] == pytest.approx(0, abs=1e-5)


def test_boxes_of_the_right_size_lie_on_the_objects_and_none_on_ground() -> None:
    asked = list(boxes(window(*PLACES), (64, 64), RULES))
    for x, y, radius in PLACES:
        assert any(
            np.hypot(*(box.mean(0) - (x, y))) < radius / 2 and radius < np.ptp(box[:, 0]) < 4 * radius
            for box in (prompt.box for prompt in asked)
        )
    assert list(boxes(window(), (64, 64), RULES)) == []
    assert len(asked) < 100


def test_objects_are_found_once_each_the_best_first() -> None:
    found = find_outstanding(pointed_at, window(*PLACES), (64, 64))
    assert len(found) == 2
    assert found[0].rank >= found[1].rank > 2
    assert all(each.likeness is None for each in found)


@pytest.mark.parametrize(
    "answer",
    [
        masks(disc(20, 20, 6, steep=0.2), scores=(0.1, 0, 0)),
        masks(disc(52, 12, 6)),
        masks(disc(32, 32, 60)),
        masks(disc(20, 20, -5)),
    ],
    ids=["worth little", "does not stand out", "background", "empty"],
)
def test_masks_that_show_nothing_are_left_out(answer: Masks) -> None:
    rules = OutstandingRules(least_worth=1.75)
    assert find_outstanding(lambda prompts: [answer] * len(prompts), window(*PLACES), (64, 64), rules) == []


def test_a_mask_that_follows_the_object_differs_more_from_its_ring_than_one_that_does_not() -> None:
    features = window((20, 20, 6))

    def told(x: int, y: int, radius: int) -> float:
        inside = disc(x, y, radius) > 0
        covers = [cover_of_mask(each.astype(np.float32), (32, 32)) for each in (inside, ring_around(inside))]
        return difference(features, covers[0], covers[1])

    assert told(20, 20, 6) > 1.2
    assert told(20, 20, 6) > max(told(20, 20, 14), told(26, 20, 6)) + 0.3
    assert told(52, 52, 6) == pytest.approx(0, abs=1e-5)
