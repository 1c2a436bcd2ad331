"""Batches: items in a seeded order, their masks and prompts, prepared while the model is busy with the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from app.geometry.masks import BoolMask
from training import prompts
from training.dataset import Dataset, Item
from training.finetune.recipe import MOST_POINTS, Recipe, recipe_of, subsets
from training.models import PromptBatch, gathered

LOSS_SIDE = 256
"""Side of the masks that the loss compares, pixels."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items, their masks, and several kinds of prompts for them."""

    items: list[Item]
    truth: Tensor
    """(b, 1, LOSS_SIDE, LOSS_SIDE): share of each pixel that is object."""
    prompts: list[PromptBatch]


class Batches:
    """The batches of a training.

    Parameters
    ----------
    side : int
        Of the model's input, pixels.
    """

    def __init__(self, dataset: Dataset, items: list[Item], recipe: Recipe, side: int) -> None:
        self._dataset, self._items, self._recipe, self._side = dataset, items, recipe, side
        self._subsets = subsets(recipe.prompt_types)

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return -(-len(self._items) // self._recipe.batch)

    def of_epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Go through an epoch from its batch `first` on; the same batches at every call."""
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self._items))
        size = self._recipe.batch
        chunks = [[self._items[index] for index in order[start : start + size]] for start in range(0, len(order), size)]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            waiting: list[list[Future[tuple[BoolMask, list[prompts.Given]]]]] = []
            for number in range(first, len(chunks) + 1):
                if number < len(chunks):
                    waiting.append([pool.submit(self._given, item, epoch, number) for item in chunks[number]])
                if len(waiting) > 1 or number == len(chunks):
                    if not waiting:
                        return
                    done = [future.result() for future in waiting.pop(0)]
                    yield self._batch(chunks[number - 1], done)

    def _chosen_subsets(self, epoch: int, number: int) -> list[prompts.Recipe]:
        """Take the next subsets in turn, each time with another number of points."""
        count = min(self._recipe.subsets_per_batch, len(self._subsets))
        start = (epoch * len(self) + number) * count
        points = np.random.default_rng([self._recipe.seed, epoch, number]).integers(1, MOST_POINTS + 1, count)
        return [
            recipe_of(self._subsets[(start + place) % len(self._subsets)], int(points[place])) for place in range(count)
        ]

    def _given(self, item: Item, epoch: int, number: int) -> tuple[BoolMask, list[prompts.Given]]:
        mask = self._dataset.mask(item)
        rng = item_rng(self._recipe.seed, item, epoch)
        return mask, [prompts.draw(rng, recipe, mask, item.box) for recipe in self._chosen_subsets(epoch, number)]

    def _batch(self, items: list[Item], done: list[tuple[BoolMask, list[prompts.Given]]]) -> Batch:
        truth = truth_of([mask for mask, _ in done])
        kinds = zip(*(given for _, given in done), strict=True)
        return Batch(items, truth, [gathered(given, self._side) for given in kinds])


def truth_of(masks: list[BoolMask]) -> Tensor:
    """Reduce masks of the model frame to those that the loss compares, (b, 1, LOSS_SIDE, LOSS_SIDE)."""
    size = (LOSS_SIDE, LOSS_SIDE)
    reduced = [cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in masks]
    return torch.from_numpy(np.stack(reduced)[:, None])


def item_rng(seed: int, item: Item, turn: int) -> np.random.Generator:
    """Give the random numbers of an item, the same ones at every call and on every machine."""
    return np.random.default_rng([seed, turn, int(item.sha256[:12], 16)])
