"""First prompts, on the device and for a batch at once: boxes, points, and masks in place of either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

from training.clicks import NO_CLICK, SEARCH_SIDE, depth_of, drawn_cells
from training.embedded.pool import Rng
from training.embedded.recipe import Recipe
from training.models import PromptBatch

_POINTS = (0.5, 0.25, 0.15, 0.1)
"""How often a batch begins with none, one, two or three points."""
_ON_THE_OBJECT = 0.75
_DEPTH_POWER = 4
"""Points on the object are drawn by their depth to this power; source: the thesis, section 3.1.3."""
_MOST_LOOSE = 9
"""Pixels by which a mask prompt is larger than its object, less than; a window has 64 of them along a side."""


def first_prompts(rng: Rng, truth: Tensor, boxes: Tensor, recipe: Recipe, *, plain: bool = False) -> PromptBatch:
    """Prompt for objects as people begin.

    Parameters
    ----------
    truth : (b, 1, s, s)
        What is asked for; nothing but zeros where the box holds nothing.
    boxes : (b, 4)
        Pixels of the window.
    plain : bool
        Boxes alone, as validation has them.
    """
    count, device = len(boxes), boxes.device
    none = torch.zeros((count, 0, 2), device=device), torch.zeros((count, 0), dtype=torch.int32, device=device)
    prompts = PromptBatch(boxes, torch.ones(count, dtype=torch.bool, device=device), *none)
    if plain:
        return prompts
    prompts = _with_points(rng, truth, prompts, int(rng.choice(4, p=_POINTS)), recipe)
    return _with_masks(rng, truth, prompts, recipe.side // 4) if rng.random() < recipe.masks else prompts


def _with_points(rng: Rng, truth: Tensor, prompts: PromptBatch, most: int, recipe: Recipe) -> PromptBatch:
    """Add points: on the object, deep ones more likely, or beside it inside the box; some places stay empty."""
    if not most:
        return prompts
    count, device = len(truth), truth.device
    mine = adaptive_avg_pool2d(truth, SEARCH_SIDE)[:, 0] > 0.5
    deep = depth_of(mine) ** _DEPTH_POWER
    beside = _inside(prompts.boxes, recipe.side) & ~mine
    places, labels = [], []
    for turn in range(most):
        on = torch.from_numpy(rng.random(count) < _ON_THE_OBJECT).to(device)
        there = torch.from_numpy(rng.random(count) < (1.0 if turn == 0 else 0.7)).to(device)
        weights = torch.where(on[:, None, None], deep, beside.float()) * there[:, None, None]
        place, found = drawn_cells(weights, recipe.side, rng)
        places.append(place)
        labels.append(torch.where(found, on.int(), NO_CLICK))
    known = torch.stack(labels, 1).to(torch.int32)
    alone = torch.from_numpy(rng.random(count) < recipe.boxless).to(device) & (known == 1).any(1)
    return replace(prompts, points=torch.stack(places, 1), labels=known, boxed=~alone)


def _inside(boxes: Tensor, side: int) -> Tensor:
    """Give the cells whose centres lie in a box, (b, 64, 64)."""
    centres = (torch.arange(SEARCH_SIDE, device=boxes.device) + 0.5) * (side / SEARCH_SIDE)
    columns = (centres >= boxes[:, :1]) & (centres <= boxes[:, 2:3])
    rows = (centres >= boxes[:, 1:2]) & (centres <= boxes[:, 3:])
    return rows[:, :, None] & columns[:, None, :]


def _with_masks(rng: Rng, truth: Tensor, prompts: PromptBatch, side: int) -> PromptBatch:
    """Add masks: exact, loose as a lasso, or the core alone; half of them stand without their box."""
    count, device = len(truth), truth.device
    mask = adaptive_avg_pool2d(truth, side)
    wanted = torch.from_numpy(rng.integers(-2, _MOST_LOOSE, count)).to(device)[:, None, None, None]
    given = mask
    for turn in range(1, _MOST_LOOSE):
        mask = max_pool2d(mask, 3, 1, 1)
        given = torch.where(wanted >= turn, mask, given)
    core = -max_pool2d(-given, 3, 1, 1)
    given = torch.where((wanted < 0) & (core.amax((2, 3), keepdim=True) > 0), core, given)
    alone = torch.from_numpy(rng.random(count) < 0.5).to(device) & (truth.amax((1, 2, 3)) > 0)
    return replace(prompts, masks=given, boxed=prompts.boxed & ~alone)


def boxes_on(device: torch.device, boxes: np.ndarray, side: int) -> Tensor:
    """Bring (n, t, 4) shares of windows to the device as (n * t, 4) pixels."""
    return torch.from_numpy(boxes.reshape(-1, 4)).to(device) * side
