import numpy as np
import pytest

from app.geometry.automatic import Candidate, Rules, candidates, find_automatically, grid, suppressed
from app.geometry.masks import Mask, Masks
from app.geometry.signs import Signs

ROWS, COLUMNS = np.indices((64, 64)) + 0.5


def disc(x: float, y: float, radius: float, steep: float = 20.0) -> np.ndarray:
    return (np.clip((radius - np.hypot(COLUMNS - x, ROWS - y)) * steep, -20, 20)).astype(np.float32)


def masks(*logits: np.ndarray, scores: tuple[float, ...] = (0.9, 0.2, 0.2)) -> Masks:
    given = [*logits, *[np.full((64, 64), -9, np.float32)] * (3 - len(logits))]
    return Masks(np.stack(given), np.array(scores, np.float32))


def test_a_grid_lies_evenly_in_the_window() -> None:
    places = np.concatenate([prompt.points for prompt in grid(16, (100, 200))])
    assert places.shape == (256, 2)
    assert places[0] == pytest.approx([200 / 32, 100 / 32])
    assert places.mean(0) == pytest.approx([100, 50])
    assert all(len(prompt.box) == 0 for prompt in grid(2, (10, 10)))


def test_many_prompts_on_two_discs_give_two_objects() -> None:
    def decode(prompts):  # type: ignore[no-untyped-def]
        return [
            masks(disc(16, 32, 9) if prompt.points[0, 0] < 32 else disc(48, 32, 9), scores=(0.7 + at / 1000, 0, 0))
            for at, prompt in enumerate(prompts)
        ]

    found = find_automatically(decode, grid(16, (64, 64)))
    assert len(found) == 2
    assert found[0].rank > found[1].rank
    assert found[0].signs.score == pytest.approx(0.7 + 0.255, abs=1e-3)


@pytest.mark.parametrize(
    "bad",
    [
        masks(disc(32, 32, 9), scores=(0.5, 0, 0)),
        masks(disc(32, 32, 9, steep=0.5)),
        masks(disc(32, 32, 60)),
        masks(disc(32, 32, -5)),
    ],
    ids=["not trusted", "unstable", "background", "empty"],
)
def test_what_the_rules_do_not_let_pass_is_left_out(bad: Masks) -> None:
    assert candidates([bad], Rules()) == []
    assert len(candidates([masks(disc(32, 32, 9))], Rules())) == 1


def test_of_large_masks_doubles_are_found_too() -> None:
    large = np.kron(disc(16, 32, 9), np.ones((4, 4), np.float32))
    other = np.kron(disc(48, 32, 9), np.ones((4, 4), np.float32))
    found = candidates([Masks(each[None], np.array([0.9])) for each in (large, large, other)], Rules())
    assert len(suppressed(found, 0.5)) == 2
    assert suppressed([], 0.5) == []


def test_a_mask_inside_a_better_one_is_a_double_if_the_rules_say_so() -> None:
    found = [
        Candidate(Mask(disc(32, 32, radius), 0.9), 0, Signs(0.9, 1, 1, 1), rank)
        for radius, rank in ((20, 0.9), (9, 0.8))
    ]
    assert len(suppressed(found, 0.5)) == 2
    assert [each.rank for each in suppressed(found, 0.5, 0.6)] == [0.9]
