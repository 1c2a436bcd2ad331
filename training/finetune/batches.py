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
from training.finetune.recipe import MOST_POINTS, Recipe, combinations_of, recipe_of
from training.models import PromptBatch, gathered

LOSS_SIDE = 256
"""Side of the masks that validation compares, pixels."""

BOX_ALONE = ("box",)

Prepared = tuple[BoolMask, list[prompts.Given]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items, their masks, and one or several kinds of prompts for them."""

    items: list[Item]
    truth: Tensor
    """(b, 1, s, s): share of each pixel that is object; s is the recipe's `loss_side`."""
    prompts: list[PromptBatch]


@dataclass(frozen=True, slots=True)
class _Sample:
    item: Item
    asked: tuple[prompts.Recipe, ...]


class Batches:
    """The batches of a training: lists of `Batch`, whose items together are one batch of the recipe.

    In subsets, a batch is one `Batch` with several kinds of prompts. In the thesis' combinations, each item with each
    of them is a sample, and the samples with masks lie in a `Batch` of their own, since a decoder takes masks for all
    objects or for none.

    Parameters
    ----------
    side : int
        Of the model's input, pixels.
    """

    def __init__(self, dataset: Dataset, items: list[Item], recipe: Recipe, side: int) -> None:
        self._dataset, self._items, self._recipe, self._side = dataset, items, recipe, side
        self._combinations = combinations_of(recipe)

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return -(-len(self._items) * self._times // self._recipe.batch)

    @property
    def _times(self) -> int:
        return len(self._combinations) if self._recipe.combinations == "thesis" else 1

    def of_epoch(self, epoch: int, first: int = 0) -> Iterator[list[Batch]]:
        """Go through an epoch from its batch `first` on; the same batches at every call."""
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self._items) * self._times)
        return self._through([int(place) for place in order], epoch, first)

    def in_order(self) -> Iterator[list[Batch]]:
        """Go through all samples as they come, with the prompts of the first epoch."""
        return self._through(list(range(len(self._items) * self._times)), 0, 0)

    def _through(self, order: list[int], epoch: int, first: int) -> Iterator[list[Batch]]:
        size = self._recipe.batch
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            waiting: list[tuple[list[_Sample], list[Future[Prepared]]]] = []
            for number in range(first, len(self)):
                samples = [self._sample(place, epoch, number) for place in order[number * size : (number + 1) * size]]
                waiting.append((samples, [pool.submit(self._prepared, sample, epoch) for sample in samples]))
                if len(waiting) > 1:
                    yield self._batched(*waiting.pop(0))
            for last in waiting:
                yield self._batched(*last)

    def _sample(self, place: int, epoch: int, number: int) -> _Sample:
        item = self._items[place % len(self._items)]
        if self._recipe.combinations == "subsets":
            return _Sample(item, tuple(self._chosen_subsets(epoch, number)))
        combination = self._combinations[place // len(self._items)]
        return _Sample(item, (recipe_of(combination, self._points(epoch, number)[0]),))

    def _chosen_subsets(self, epoch: int, number: int) -> list[prompts.Recipe]:
        """Take the next subsets in turn; where corrections are learned, also the box alone that people begin with."""
        count = min(self._recipe.subsets_per_batch, len(self._combinations))
        start = (epoch * len(self) + number) * count
        points = self._points(epoch, number, count)
        chosen = [self._combinations[(start + place) % len(self._combinations)] for place in range(count)]
        asked = [recipe_of(subset, number) for subset, number in zip(chosen, points, strict=True)]
        if self._recipe.rounds and BOX_ALONE in self._combinations and BOX_ALONE not in chosen:
            asked.insert(0, recipe_of(BOX_ALONE, 0))
        return asked

    def _points(self, epoch: int, number: int, count: int = 1) -> list[int]:
        if self._recipe.points:
            return [self._recipe.points] * count
        rng = np.random.default_rng([self._recipe.seed, epoch, number])
        return [int(each) for each in rng.integers(1, MOST_POINTS + 1, count)]

    def _prepared(self, sample: _Sample, epoch: int) -> Prepared:
        mask = self._dataset.mask(sample.item)
        rng = item_rng(self._recipe.seed, sample.item, epoch if self._recipe.redrawn else 0)
        return mask, [prompts.draw(rng, recipe, mask, sample.item.box) for recipe in sample.asked]

    def _batched(self, samples: list[_Sample], waiting: list[Future[Prepared]]) -> list[Batch]:
        done = [future.result() for future in waiting]
        if self._recipe.combinations == "subsets":
            return [self._batch(samples, done)]
        bare = [given[0].mask is None for _, given in done]
        parts = ([n for n, each in enumerate(bare) if each is kind] for kind in (True, False))
        return [self._batch([samples[n] for n in part], [done[n] for n in part]) for part in parts if part]

    def _batch(self, samples: list[_Sample], done: list[Prepared]) -> Batch:
        truth = truth_of([mask for mask, _ in done], self._recipe.loss_side)
        kinds = zip(*(given for _, given in done), strict=True)
        gathered_kinds = [gathered(given, self._side) for given in kinds]
        return Batch([sample.item for sample in samples], truth, gathered_kinds)


def truth_of(masks: list[BoolMask], side: int = LOSS_SIDE) -> Tensor:
    """Reduce masks of the model frame to those that a loss compares, (b, 1, side, side)."""
    size = (side, side)
    reduced = [cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in masks]
    return torch.from_numpy(np.stack(reduced)[:, None])


def item_rng(seed: int, item: Item, turn: int) -> np.random.Generator:
    """Give the random numbers of an item, the same ones at every call and on every machine."""
    return np.random.default_rng([seed, turn, int(item.sha256[:12], 16)])
