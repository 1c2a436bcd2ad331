"""Real images to learn from: what may be asked for in them, how often each folder is shown, and how they are bent."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.training.conftest import write_tile
from training.embedded.asked import Habits, ask
from training.embedded.bent import bent
from training.embedded.pool import REAL, Pool
from training.embedded.real import real_scenes
from training.embedded.recipe import Recipe
from training.embedded.task import versions_of
from training.tissue import Scene
from training.tissue.scenes import objects_of

GROUND, INK = (230, 190, 210), (90, 60, 140)
EXACT = Habits(exact=1.0, far_off=0.0)


def scene_of(shape: tuple[int, int], *discs: tuple[int, int, int]) -> Scene:
    """Dark discs, x, y and radius, on pink ground."""
    image, labels = np.full((*shape, 3), GROUND, np.uint8), np.zeros(shape, np.int32)
    for number, (x, y, radius) in enumerate(discs, 1):
        cv2.circle(image, (x, y), radius, INK, -1)
        cv2.circle(labels, (x, y), radius, number, -1)
    return Scene(image, labels, tuple(objects_of(labels, REAL, cut=True)))


def read(folder: Path, shape: tuple[int, int], *discs: tuple[int, int, int]) -> list[Scene]:
    scene = scene_of(shape, *discs)
    folder.mkdir(exist_ok=True)
    write_tile(folder, "tile", scene.image, scene.labels)
    return real_scenes([folder])


def asked_for(scenes: list[Scene]) -> set[int]:
    return {each.label for scene in scenes for each in scene.objects}


def pool_of(scenes: list[Scene]) -> Pool:
    pool = Pool(len(scenes), max(max(scene.labels.shape) for scene in scenes), torch.device("cpu"))
    for place, scene in enumerate(scenes):
        pool.put(place, scene)
    return pool


@pytest.mark.parametrize("shape", [(200, 600), (600, 200)])
def test_every_part_of_an_image_that_is_not_square_is_asked_for(tmp_path: Path, shape: tuple[int, int]) -> None:
    far = (max(shape) - 60, 100) if shape[1] > shape[0] else (100, max(shape) - 60)
    assert asked_for(read(tmp_path, shape, (100, 100, 30), (*far, 30))) == {1, 2}


def test_what_the_edge_of_an_image_cuts_is_asked_for(tmp_path: Path) -> None:
    assert asked_for(read(tmp_path, (200, 200), (5, 100, 30), (100, 100, 20))) == {1, 2}


def test_what_only_the_edge_of_a_part_cuts_is_not(tmp_path: Path) -> None:
    scenes = read(tmp_path, (640, 1000), (640, 320, 300))  # wider than any of the parts that overlap shows
    assert not asked_for(scenes)


def test_folders_are_shown_alike_however_many_images_they_have(tmp_path: Path) -> None:
    read(tmp_path / "few", (200, 200), (100, 100, 30))
    many = scene_of((200, 200), (100, 100, 30))
    (tmp_path / "many").mkdir()
    for number in range(9):
        write_tile(tmp_path / "many", f"tile_{number}", many.image, many.labels)
    pool = pool_of(real_scenes([tmp_path / "few", tmp_path / "many"]))
    asked = ask(np.random.default_rng(0), pool, 300, 1, EXACT, real=1.0, empty=0.0)
    assert 0.4 < (asked.places == 0).mean() < 0.6
    assert set(asked.places) == set(range(10))


def test_a_box_at_an_edge_ends_there_and_half_of_the_windows_lie_on_the_scene() -> None:
    pool = pool_of([scene_of((400, 400), (8, 200, 40))])
    asked = ask(np.random.default_rng(0), pool, 200, 1, Habits(exact=0.0, far_off=0.0), real=1.0, empty=0.0)
    left = asked.boxes[:, 0, 0] * asked.sides + asked.starts[:, 0]
    assert left.min() >= -1e-3
    on = (asked.starts >= -1e-9).all(1) & (asked.starts + asked.sides[:, None] <= 400 + 1e-9).all(1)
    assert 0.4 < on.mean() < 0.85  # some of those that are not moved lie there, too


def test_a_bent_scene_has_the_masks_on_the_pixels_and_nothing_cut_or_mirrored() -> None:
    scene = scene_of((200, 300), (150, 100, 25), (40, 60, 15), (298, 100, 30))
    areas = {each.label: (scene.labels == each.label).sum() for each in scene.objects}
    seen = set()
    for seed in range(30):
        found = bent(np.random.default_rng(seed), scene)
        if found is scene:  # nothing was left whole
            continue
        assert found.labels.shape == scene.labels.shape
        for each in found.objects:
            seen.add(each.label)
            mask = found.labels == each.label
            assert 0.3 < mask.sum() / areas[each.label] < 1.9
            assert each.x0 == np.flatnonzero(mask.any(0))[0]
            core = cv2.erode(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
            around = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))).astype(bool) & ~mask
            assert found.image[core].mean() < found.image[around].mean() - 20
    assert seen == {1, 2}  # the third is cut by the edge


def test_a_bent_scene_differs_by_seed_only() -> None:
    scene = scene_of((200, 200), (100, 100, 30))
    once, again, other = (bent(np.random.default_rng(seed), scene) for seed in (5, 5, 6))
    assert (once.image == again.image).all()
    assert (once.labels == again.labels).all()
    assert (once.labels != other.labels).any()


def test_a_scene_of_which_nothing_would_be_left_stays_as_it_is() -> None:
    scene = scene_of((120, 120), (2, 60, 30))
    assert bent(np.random.default_rng(0), scene) is scene


def test_a_fifth_of_the_real_scenes_is_bent_anew_in_each_epoch() -> None:
    recipe = Recipe(fresh=0.2)
    epochs = [versions_of(recipe, epoch, 100) for epoch in range(8)]
    changed = [sum(a != b for a, b in zip(before, after, strict=True)) for before, after in pairwise(epochs)]
    assert changed == [20] * 7
    assert len({version[0] for version in epochs}) == 2
