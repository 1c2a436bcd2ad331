from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from app.geometry.automatic import Candidate
from app.geometry.frames import WindowXY
from app.geometry.likeness import Shown, pattern_of
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.signs import Signs
from app.geometry.similar import SimilarRules, Sizes, find_similar, worth
from tests.geometry.test_automatic import disc, masks
from tests.geometry.test_likeness import cover, world

SIZES = Sizes(12, 12, (100, 160))
RULES = SimilarRules()
Decode = Callable[[Sequence[Prompts]], list[Masks]]


def search(decode: Decode, rules: SimilarRules = RULES) -> list[Candidate]:
    """Look for the two things of a window of 64 px, of which the first one was shown."""
    features = world((0, 4, 4), (0, 11, 11))
    pattern = pattern_of([Shown(features, cover(4, 4))])
    return find_similar(decode, features, (64, 64), pattern, SIZES, rules)


def sides(prompts: Sequence[Prompts]) -> list[int]:
    return [round(float(np.ptp(prompt.box[:, 0]))) for prompt in prompts]


def test_like_things_are_found_once_each_by_one_box_where_its_mask_convinces() -> None:
    asked: list[Prompts] = []

    def decode(prompts: Sequence[Prompts]) -> list[Masks]:
        asked.extend(prompts)
        return [masks(disc(*(18, 18) if prompt.box.mean() < 32 else (46, 46), 6)) for prompt in prompts]

    found = search(decode)
    assert len(found) == 2
    assert all(each.likeness == pytest.approx(1.0, abs=0.1) for each in found)
    assert set(sides(asked)) == {16}


def test_where_no_mask_convinces_a_smaller_box_is_tried_and_the_better_mask_is_kept() -> None:
    asked: list[int] = []

    def decode(prompts: Sequence[Prompts]) -> list[Masks]:
        asked.extend(sides(prompts))
        return [
            masks(disc(18, 18, 6 if side == 9 else 9), scores=(0.75 if side == 9 else 0.6, 0, 0))
            for side in sides(prompts)
        ]

    (found,) = search(decode, SimilarRules(convincing=9))
    assert set(asked) == {16, 9}
    assert found.signs.score == pytest.approx(0.75)
    assert asked.count(9) == asked.count(16)


def test_a_smaller_box_is_tried_only_at_places_that_are_very_like() -> None:
    asked: list[int] = []

    def decode(prompts: Sequence[Prompts]) -> list[Masks]:
        asked.extend(sides(prompts))
        return [masks(disc(18, 18, 6)) for _ in prompts]

    search(decode, SimilarRules(convincing=9, again_from=2.0))
    assert set(asked) == {16}
    search(decode, SimilarRules(convincing=9, again_from=0.4))
    assert set(asked) == {16, 9}


def test_a_mask_that_the_model_trusts_little_is_kept_where_the_other_signs_are_good() -> None:
    assert len(search(lambda prompts: [masks(disc(18, 18, 6), scores=(0.5, 0, 0))] * len(prompts))) == 1


@pytest.mark.parametrize(
    "answer",
    [
        masks(disc(18, 18, 6, steep=0.2), scores=(0.1, 0, 0)),
        masks(disc(32, 32, 30)),
        masks(disc(18, 18, 2)),
        masks(disc(32, 32, 6)),
        masks(disc(18, 18, -5)),
    ],
    ids=["worth little", "too large", "too small", "not like it", "empty"],
)
def test_masks_that_do_not_fit_are_left_out(answer: Masks) -> None:
    assert search(lambda prompts: [answer] * len(prompts)) == []


def test_a_mask_inside_a_better_one_is_the_same_object() -> None:
    def decode(prompts: Sequence[Prompts]) -> list[Masks]:
        return [masks(disc(18, 18, 6 if side == 16 else 5.3), scores=(0.5, 0, 0)) for side in sides(prompts)]

    rules = SimilarRules(most_overlap=0.99, convincing=9)
    assert len(search(decode, rules)) == 1
    assert len(search(decode, SimilarRules(most_overlap=0.99, most_inside=1.0, convincing=9))) == 2


def test_nothing_is_decoded_where_nothing_is_like_the_exemplars() -> None:
    features = world()
    pattern = pattern_of([Shown(world((0, 4, 4)), cover(4, 4))])

    def decode(prompts: Sequence[Prompts]) -> list[Masks]:
        raise AssertionError("nothing is to be decoded")

    assert find_similar(decode, features, (64, 64), pattern, SIZES) == []


def test_places_farther_out_than_the_core_are_left_to_other_tiles() -> None:
    features = world((0, 4, 4), (0, 11, 11))
    pattern = pattern_of([Shown(features, cover(4, 4))])
    asked: list[Prompts] = []

    def decode(prompts: Sequence[Prompts]) -> list[Masks]:
        asked.extend(prompts)
        return [masks(disc(18, 18, 6)) for _ in prompts]

    core = WindowXY(np.array([[-np.inf, 16.0], [32.0, 32.0]]))
    assert len(find_similar(decode, features, (64, 64), pattern, SIZES, core=core)) == 1
    middles = np.array([prompt.box.mean(axis=0) for prompt in asked])
    assert (middles < 32).all()
    beyond = WindowXY(np.array([[-np.inf, -np.inf], [11.0, np.inf]]))
    assert find_similar(decode, features, (64, 64), pattern, SIZES, SimilarRules(beyond=0), beyond) == []
    assert find_similar(decode, features, (64, 64), pattern, SIZES, SimilarRules(beyond=1), beyond)


def test_each_sign_makes_a_mask_worth_more() -> None:
    usual = worth(Signs(0.7, 0.4, 0.9, 1.0), 0.7)
    assert worth(Signs(0.8, 0.4, 0.9, 1.0), 0.7) > usual
    assert worth(Signs(0.7, 0.5, 0.9, 1.0), 0.7) > usual
    assert worth(Signs(0.7, 0.4, 0.9, 1.0), 0.8) > usual
    assert worth(Signs(0.7, 0.4, 0.9, 1.0), 9.0) == worth(Signs(0.7, 0.4, 0.9, 1.0), 1.2)
