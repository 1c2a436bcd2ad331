"""What the embedded model learns from: windows, boxes and prompts as people and the service make them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from training.embedded.asked import Asked, Habits, ask, hand_drawn
from training.embedded.pool import REAL, Pool
from training.embedded.prompted import boxes_on, first_prompts
from training.embedded.recipe import SHARES, Recipe
from training.embedded.scenes import drawn, kind_of
from training.embedded.task import numbers_of
from training.embedded.windows import cut, glass
from training.tissue import Scene
from training.tissue.scenes import DrawnObject, objects_of

SIDE = 128
EXACT = Habits(exact=1.0, far_off=0.0)
RECIPE = Recipe(side=SIDE, boxless=0.3, masks=0.0)


def disc_scene(kind: str = "blobs", radius: int = 60, side: int = 512) -> Scene:
    """One dark disc on pink ground."""
    image = np.full((side, side, 3), (230, 190, 210), np.uint8)
    labels = np.zeros((side, side), np.int32)
    centre = (side // 2, side // 2)
    cv2.circle(image, centre, radius, (90, 60, 140), -1)
    cv2.circle(labels, centre, radius, 1, -1)
    return Scene(image, labels, tuple(objects_of(labels, kind)))


def pool_of(*scenes: Scene) -> Pool:
    pool = Pool(len(scenes), max(max(scene.labels.shape) for scene in scenes), torch.device("cpu"))
    for place, scene in enumerate(scenes):
        pool.put(place, scene)
    return pool


@pytest.fixture(scope="module")
def pool() -> Pool:
    return pool_of(disc_scene(), disc_scene(radius=9), disc_scene(radius=110), disc_scene(radius=40, side=224))


@pytest.fixture(scope="module")
def asked(pool: Pool) -> Asked:
    return ask(np.random.default_rng(0), pool, 120, 2, Habits(0.5, 0.1), real=0.5, empty=0.0)


@pytest.fixture(scope="module")
def seen(pool: Pool, asked: Asked) -> tuple[Tensor, Tensor]:
    return cut(np.random.default_rng(1), pool, asked, SIDE)


def test_the_mask_lies_on_the_pixels(asked: Asked, seen: tuple[Tensor, Tensor]) -> None:
    images, truth = seen
    assert images.shape == (120, 3, SIDE, SIDE)
    assert truth.shape == (240, 1, SIDE // 2, SIDE // 2)
    dark = torch.nn.functional.avg_pool2d((images[:, 1:2] < 125).float(), 2) > 0.5
    for shown, mask, boxes in zip(dark, truth[::2] > 0.5, asked.boxes, strict=True):
        x0, y0, x1, y1 = (boxes[0] * SIDE / 2).round().astype(int).clip(0, SIDE // 2)
        seen_in_box, wanted = shown[0, y0:y1, x0:x1], mask[0, y0:y1, x0:x1]
        assert float((seen_in_box & wanted).sum() / (seen_in_box | wanted).sum()) > 0.9


def test_the_window_is_twice_the_box(asked: Asked) -> None:
    first = asked.boxes[:, 0]
    assert np.allclose((first[:, 2:] - first[:, :2]).max(1), 0.5, atol=1e-5)
    assert first.min() > -0.08
    assert first.max() < 1.08
    centred = np.abs((first[:, :2] + first[:, 2:]) / 2 - 0.5) < 0.04
    assert 0.5 < centred.mean() < 0.85  # the others lie as at a slide's border


def test_boxes_fit_objects_as_hands_draw_them() -> None:
    rng, tight = np.random.default_rng(0), np.array([100.0, 50.0, 200.0, 250.0])
    extent = np.array([100, 200, 100, 200])
    moved = {
        name: np.array([(hand_drawn(rng, tight, habits) - tight) / extent * (-1, -1, 1, 1) for _ in range(400)])
        for name, habits in (("exact", EXACT), ("loose", Habits(0.0, 0.0)), ("far off", Habits(0.0, 1.0)))
    }
    assert -0.02 <= moved["exact"].min() < moved["exact"].max() <= 0.03
    assert -0.04 <= moved["loose"].min() < moved["loose"].max() <= 0.3
    assert moved["loose"].mean() > 0.08
    assert -0.1 <= moved["far off"].min() < -0.05
    assert 0.4 < moved["far off"].max() <= 0.45


def test_neighbours_are_asked_for_and_masks_are_their_own() -> None:
    labels = np.zeros((300, 300), np.int32)
    for number, x in enumerate((90, 150, 210), start=1):
        cv2.circle(labels, (x, 150), 24, number, -1)
    image = np.repeat((40 * labels + 20)[..., None], 3, 2).astype(np.uint8)
    pool = pool_of(Scene(image, labels, tuple(objects_of(labels, "nuclei"))))
    asked = ask(np.random.default_rng(0), pool, 60, 3, Habits(0.0, 1.0), real=0.0, empty=0.0)
    assert (asked.numbers[:, 0] != asked.numbers[:, 1]).any()
    assert (asked.numbers[:, 0] == asked.numbers[:, 1]).any()
    images, truth = cut(np.random.default_rng(0), pool, asked, SIDE)
    shown = torch.nn.functional.avg_pool2d(images[:, :1], 2).repeat_interleave(3, 0)
    for value, mask, number in zip(shown, truth, asked.numbers.ravel(), strict=True):
        assert float(value[mask > 0.99].median()) == pytest.approx(40 * number + 20, abs=1)


def test_past_a_scene_pixels_repeat_mirror_or_are_white_and_nothing_is_asked_for_there() -> None:
    scene = disc_scene(radius=40, side=224)
    pool = pool_of(scene, disc_scene())  # the smaller scene does not fill its place
    one = Asked(
        np.zeros(60, np.int64), np.tile([224.0, 224.0], (60, 1)), np.tile([100.0, 140.0], (60, 1)), np.full(60, 160.0),
        np.ones((60, 1), np.int64), np.zeros((60, 1, 4), np.float32), np.zeros(60, np.bool_),
    )  # fmt: skip
    images, truth = cut(np.random.default_rng(0), pool, one, SIDE)
    corner = images[:, 1, -8:, -8:].mean((1, 2))
    kinds = {round(float(value)) for value in corner}
    assert kinds == {190, 245}
    assert not truth[..., -20:, :].any()
    assert truth.any()


def test_wherever_a_window_lies_it_holds_pixels_of_its_scene() -> None:
    pool = pool_of(disc_scene(radius=40, side=224), disc_scene())
    for side in (30.0, 150.0, 190.0, 400.0, 700.0):
        starts = np.array([[x, y] for x in np.linspace(-0.9 * side, 220, 9) for y in (-5.0, 150.0)])
        count = len(starts)
        asked = Asked(
            np.zeros(count, np.int64), np.tile([224.0, 224.0], (count, 1)), starts, np.full(count, side),
            np.ones((count, 1), np.int64), np.zeros((count, 1, 4), np.float32), np.zeros(count, np.bool_),
        )  # fmt: skip
        images, truth = cut(np.random.default_rng(2), pool, asked, SIDE)
        assert float(images.min()) > 50  # past its edge, the place in the pool is black
        assert torch.isfinite(truth).all()


def test_an_empty_box_holds_nothing() -> None:
    pool = pool_of(disc_scene(), disc_scene("glands"))
    asked = ask(np.random.default_rng(0), pool, 80, 2, EXACT, real=0.0, empty=1.0)
    images, truth = cut(np.random.default_rng(0), pool, asked, SIDE)
    assert not truth.any()
    assert asked.glass[asked.places == 1].all()  # between glands lie nuclei that somebody might ask for
    tissue = asked.glass[asked.places == 0]
    assert tissue.mean() < 0.2
    for image, boxes in zip(images, asked.boxes, strict=True):
        x0, y0, x1, y1 = (boxes[0] * SIDE).astype(int).clip(0, SIDE)
        assert float(image[1, y0:y1, x0:x1].min()) > 120  # the dark disc does not lie in it
    assert float(glass(np.random.default_rng(0), 20, SIDE).mean()) > 200


def test_first_points_lie_on_the_object_or_beside_it_in_the_box(asked: Asked, seen: tuple[Tensor, Tensor]) -> None:
    boxes, found = boxes_on(torch.device("cpu"), asked.boxes, SIDE), {0: 0, 1: 0}
    assert (first_prompts(np.random.default_rng(0), seen[1], boxes, RECIPE, plain=True).points.shape[1]) == 0
    counts = set()
    for seed in range(12):
        prompts = first_prompts(np.random.default_rng(seed), seen[1], boxes, RECIPE)
        counts.add(prompts.points.shape[1])
        assert prompts.boxed[~(prompts.labels == 1).any(1)].all()
        for label in (0, 1):
            rows, slots = torch.nonzero(prompts.labels == label, as_tuple=True)
            places = prompts.points[rows, slots]
            values = seen[1][rows, 0, (places[:, 1] / 2).long(), (places[:, 0] / 2).long()]
            assert float(((values > 0.5) == bool(label)).float().mean()) > 0.97 if len(rows) else True
            found[label] += len(rows)
    assert {0, 1} < counts
    assert found[1] > 2 * found[0] > 0


def test_mask_prompts_are_exact_loose_or_scanty(asked: Asked, seen: tuple[Tensor, Tensor]) -> None:
    boxes = boxes_on(torch.device("cpu"), asked.boxes, SIDE)
    prompts = first_prompts(np.random.default_rng(1), seen[1], boxes, replace(RECIPE, masks=1.0))
    assert prompts.masks is not None
    assert prompts.masks.shape == (240, 1, SIDE // 4, SIDE // 4)
    truth = torch.nn.functional.avg_pool2d(seen[1], 2)
    share = prompts.masks.sum((1, 2, 3)) / truth.sum((1, 2, 3))
    assert 0.05 < float((share < 0.95).float().mean()) < 0.35  # two of eleven
    assert float((share > 1.3).float().mean()) > 0.4
    assert 0.3 < float(prompts.boxed.float().mean()) < 0.7
    nothing = first_prompts(np.random.default_rng(1), 0 * seen[1], boxes, replace(RECIPE, masks=1.0))
    assert nothing.boxed.all()


def test_any_run_of_scenes_holds_the_kinds_in_their_shares() -> None:
    for first in (0, 37, 1000):
        kinds = [kind_of(number) for number in range(first, first + 100)]
        assert {kind: pytest.approx(100 * share, abs=4) for kind, share in SHARES.items()} == {
            kind: kinds.count(kind) for kind in SHARES
        }


def test_a_scene_is_the_same_whenever_it_is_drawn() -> None:
    number = next(number for number in range(40) if kind_of(number) == "blobs")
    once, again = drawn(3, number), drawn(3, number)
    assert (once.image == again.image).all()
    assert (once.labels == again.labels).all()


def test_an_epoch_keeps_most_scenes_where_they_are() -> None:
    recipe = Recipe(scenes=20, fresh=0.2)
    first, second = (numbers_of(recipe, epoch) for epoch in (0, 1))
    assert sorted(second) == list(range(4, 24))
    assert sum(a == b for a, b in zip(first, second, strict=True)) == 16


def test_real_windows_are_as_many_as_asked_for() -> None:
    pool = pool_of(disc_scene(), disc_scene(REAL))
    asked = ask(np.random.default_rng(0), pool, 200, 1, EXACT, real=0.7, empty=0.0)
    assert 0.6 < (asked.places == 1).mean() < 0.8
    only = pool_of(Scene(disc_scene().image, disc_scene().labels, (DrawnObject(1, REAL, 196, 196, 317, 317),)))
    assert not ask(np.random.default_rng(0), only, 5, 1, EXACT, real=0.0, empty=0.0).places.any()
