"""Simulated people, a batch at a time: a click where a mask is most wrong, and a box that lies far off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from training.models import PromptBatch

Rng = np.random.Generator

SEARCH_SIDE = 128
"""Side of the grid on which errors are looked for: on a coarser one, the rim of a nucleus is too thin to be seen."""
_DEEPEST = 16
"""Errors wider than twice so many cells of the grid count as equally wide."""
_MIDDLE = 0.7
"""Share of the clicks in the middle of the largest error; the others lie anywhere in one."""
NO_CLICK = -1
FAR_OFF = (-0.1, 0.45)


def click_on_error(
    logits: Tensor, truth: Tensor, side: float, rng: Rng, middle: float = _MIDDLE
) -> tuple[Tensor, Tensor]:
    """Click where masks are most wrong: object that they miss, or background that they take.

    Parameters
    ----------
    logits : (b, h, w)
        Raw values of the masks.
    truth : (b, 1, s, s)
        0 to 1.
    side : float
        Of the window, pixels.

    Returns
    -------
    places : (b, 2) float32
        x and y, continuous pixels of the window.
    labels : (b,) int32
        1 object, 0 background, `NO_CLICK` where nothing is wrong.
    """
    size = (SEARCH_SIDE, SEARCH_SIDE)
    found = interpolate(logits.float().unsqueeze(1), size, mode="bilinear", align_corners=False)[:, 0] > 0
    wanted = adaptive_avg_pool2d(truth.float(), SEARCH_SIDE)[:, 0] > 0.5
    missed, taken = wanted & ~found, found & ~wanted
    depth = torch.maximum(depth_of(missed), depth_of(taken))
    generator = torch.Generator(depth.device).manual_seed(int(rng.integers(1 << 31)))
    chance = torch.rand(depth.shape, device=depth.device, generator=generator)
    aimed = torch.from_numpy(rng.random(len(depth)) < middle).to(depth.device)[:, None, None]
    wrong = missed | taken
    worth = torch.where(aimed, depth + 0.5 * chance, chance + 0.01) * wrong
    best = worth.flatten(1).argmax(1)
    jitter = torch.rand((len(depth), 2), device=depth.device, generator=generator)
    cells = torch.stack([best % SEARCH_SIDE, best // SEARCH_SIDE], 1)
    labels = torch.where(missed.flatten(1).gather(1, best[:, None])[:, 0], 1, 0)
    labels = torch.where(wrong.flatten(1).any(1), labels, NO_CLICK)
    return (cells + jitter) * (side / SEARCH_SIDE), labels.to(torch.int32)


def depth_of(places: Tensor) -> Tensor:
    """Give how many cells lie between each place of (b, h, w) and the nearest other; chessboard distance."""
    left = pad(places.to(torch.uint8), (1, 1, 1, 1))
    depth = left.clone()
    for _ in range(_DEEPEST):  # least of three and three: a pooling of 3 by 3 takes a CPU 40 times as long
        rows = torch.minimum(torch.minimum(left[:, :-2], left[:, 1:-1]), left[:, 2:])
        left = pad(torch.minimum(torch.minimum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:]), (1, 1, 1, 1))
        depth += left
    return depth[:, 1:-1, 1:-1].float()


def drawn_cells(weights: Tensor, side: float, rng: Rng) -> tuple[Tensor, Tensor]:
    """Draw a place for each of (b, n, n) weights, with probability proportional to them.

    Parameters
    ----------
    side : float
        Of the window, pixels.

    Returns
    -------
    places : (b, 2) float32
        x and y, continuous pixels of the window.
    found : (b,) bool
        Whether there was any weight.
    """
    cells, flat = weights.shape[-1], weights.flatten(1)
    found = flat.sum(1) > 0
    generator = torch.Generator(flat.device).manual_seed(int(rng.integers(1 << 31)))
    pick = torch.multinomial(flat + (~found)[:, None].float(), 1, generator=generator)[:, 0]
    jitter = torch.rand((len(flat), 2), device=flat.device, generator=generator)
    return (torch.stack([pick % cells, pick // cells], 1) + jitter) * (side / cells), found


def with_click(prompts: PromptBatch, places: Tensor, labels: Tensor, rng: Rng, box_kept: float) -> PromptBatch:
    """Add a click to each prompt; now and then the box goes where a click says what is object.

    Parameters
    ----------
    box_kept : float
        How often the box stays.
    """
    labels = torch.cat([prompts.labels, labels[:, None].to(prompts.labels.dtype)], 1)
    kept = torch.from_numpy(rng.random(len(labels)) < box_kept).to(labels.device)
    return replace(
        prompts,
        points=torch.cat([prompts.points, places[:, None].to(prompts.points.dtype)], 1),
        labels=labels,
        boxed=prompts.boxed & (kept | ~(labels == 1).any(1)),
    )


def redrawn(boxes: Tensor, share: float, reach: tuple[float, float], rng: Rng) -> Tensor:
    """Draw some boxes as another hand does: each side moves outwards by its own share of the extent.

    Parameters
    ----------
    boxes : (b, 4)
    share : float
        Of the boxes.
    reach : (float, float)
        Least and largest share of the extent; a negative one cuts in. `FAR_OFF` is a hurried hand's.
    """
    outwards = rng.uniform(*reach, (len(boxes), 4)) * (rng.random((len(boxes), 1)) < share)
    extent = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    signed = torch.from_numpy((outwards * np.array([-1, -1, 1, 1])).astype(np.float32)).to(boxes.device)
    return boxes + extent * signed
