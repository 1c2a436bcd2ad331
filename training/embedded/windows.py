"""Windows of scenes, cut on the device: each axis is a matrix, so that any scale is sampled without aliasing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training.embedded.asked import Asked
from training.embedded.pool import Pool, Rng

_REPEATED, _MIRRORED, _WHITE = 0, 1, 2
_BORDERS = (0.6, 0.2, 0.2)
"""How often what lies past a scene repeats its edge, mirrors it, or is white."""
_GLASS = 245.0
_NEAR_PX = 200
"""Smaller windows are cut apart from the others."""
_MARGIN_PX = 4


def cut(rng: Rng, pool: Pool, asked: Asked, side: int) -> tuple[Tensor, Tensor]:
    """Cut windows and masks out of scenes.

    Parameters
    ----------
    side : int
        Of the windows, pixels.

    Returns
    -------
    images : (n, 3, side, side) float32
        0 to 255.
    truth : (n * t, 1, side / 2, side / 2) float32
        Share of each pixel that is what a prompt asks for.
    """
    near = asked.sides <= _NEAR_PX
    border = rng.choice(3, len(asked.places), p=_BORDERS)
    device = pool.device
    pixels = torch.empty((len(near), 3, side, side), device=device)
    truth = torch.empty((*asked.numbers.shape, side // 2, side // 2), device=device)
    for rows in (np.flatnonzero(near), np.flatnonzero(~near)):  # few scenes are read whole
        if len(rows):
            at = torch.from_numpy(rows).to(device)
            pixels[at], truth[at] = _cut(pool, asked.only(rows), side, border[rows])
    if asked.glass.any():
        bare = np.flatnonzero(asked.glass)
        pixels[torch.from_numpy(bare).to(device)] = glass(rng, len(bare), side).to(device)
    return pixels.clamp(0, 255), truth.flatten(0, 1).unsqueeze(1)


def _cut(pool: Pool, asked: Asked, side: int, border: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Cut windows of about the same size on their scenes, and what is asked for in them, (n, t, side / 2, side / 2)."""
    device, length = pool.device, min(pool.side, int(asked.sides.max()) + 2 * _MARGIN_PX)
    first = np.minimum(
        np.floor(asked.starts) - _MARGIN_PX, asked.extents + _MARGIN_PX - length
    )  # mirrored ones look back
    corners = np.clip(first.astype(np.int64), 0, pool.side - length)
    images, labels = pool.pixels(asked.places, corners, length)
    mirrored, white = (torch.from_numpy(border == kind).to(device) for kind in (_MIRRORED, _WHITE))
    (across, in_columns), (down, in_rows) = (
        _axis(asked, axis, side, corners[:, axis], length, mirrored, device) for axis in (0, 1)
    )
    pixels = down[:, None] @ images.float() @ across[:, None].transpose(-1, -2)
    seen = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
    pixels = torch.where(white[:, None, None, None] & ~seen, torch.full_like(pixels, _GLASS), pixels)
    numbers = torch.from_numpy(asked.numbers).to(device, torch.int16)[:, :, None, None]
    mine = (labels[:, None] == numbers) & (numbers > 0)
    (across, in_columns), (down, in_rows) = (
        _axis(asked, axis, side // 2, corners[:, axis], length, torch.zeros_like(mirrored), device) for axis in (0, 1)
    )
    truth = down[:, None] @ mine.float() @ across[:, None].transpose(-1, -2)
    return pixels, truth * (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def _axis(
    asked: Asked, axis: int, samples: int, corners: npt.NDArray[np.int64], length: int, mirrored: Tensor,
    device: torch.device,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Give how samples along one axis of the windows see the pixels of scenes from `corners` on.

    Returns
    -------
    weights : (n, samples, length) float32
        Triangles over the pixels, as wide as a sample, at least a pixel; they sum up to 1.
    inside : (n, samples) bool
        Whether a sample lies on the scene.
    """
    starts, steps, extents, first = (
        torch.from_numpy(values.astype(np.float32)).to(device)[:, None]
        for values in (asked.starts[:, axis], asked.sides / samples, asked.extents[:, axis], corners)
    )
    places = starts + (torch.arange(samples, device=device) + 0.5) * steps
    inside = (places >= 0) & (places <= extents)
    folded = extents - ((places % (2 * extents)) - extents).abs()
    places = torch.where(mirrored[:, None], folded, places)
    places = torch.minimum(places.clamp(min=0.5), extents - 0.5)
    centres = first + torch.arange(length, device=device) + 0.5
    weights = 1 - (places[:, :, None] - centres[:, None, :]).abs() / steps.clamp(min=1)[:, :, None]
    weights = weights.clamp(min=0) * (centres < extents)[:, None, :]
    return weights / weights.sum(-1, keepdim=True), inside


def glass(rng: Rng, count: int, side: int) -> Tensor:
    """Draw slides without tissue, (count, 3, side, side): nearly white, uneven, sometimes with a smear."""
    light = rng.uniform(205, 252, (count, 1)) + rng.normal(0, 3, (count, 3))
    uneven = _smooth(rng, count, 4, side) * float(rng.uniform(0, 4))
    smear = (_smooth(rng, count, int(rng.integers(6, 40)), side) - 0.6).clamp(0, 2)
    depth = rng.uniform(2, 16, (count, 1, 1, 1)) * (rng.random((count, 1, 1, 1)) < 0.4)
    grain = rng.normal(0, 1.5, (count, 3, side, side)).astype(np.float32)
    ground, deep = (torch.from_numpy(values.astype(np.float32)) for values in (light[:, :, None, None], depth))
    return ground + uneven + torch.from_numpy(grain) - deep * smear


def _smooth(rng: Rng, count: int, cells: int, side: int) -> Tensor:
    field = torch.from_numpy(rng.normal(0, 1, (count, 1, cells, cells)).astype(np.float32))
    return interpolate(field, (side, side), mode="bicubic", align_corners=False)
