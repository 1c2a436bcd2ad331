"""Windows seen otherwise: turned by quarters, mirrored, and in the colours of another laboratory; on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from training.models import PromptBatch

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class View:
    """One of the eight ways to lay a square: transposed first, then mirrored."""

    transposed: bool = False
    mirrored: bool = False
    """Left and right change places."""
    upside_down: bool = False
    side: float = 0.0
    """Of the square that prompts lie in, pixels."""

    def of_maps(self, maps: Tensor) -> Tensor:
        """Lay (..., h, w) values; h and w are the same."""
        maps = maps.transpose(-1, -2) if self.transposed else maps
        dims = [dim for dim, flipped in ((-1, self.mirrored), (-2, self.upside_down)) if flipped]
        return maps.flip(dims) if dims else maps

    def of_places(self, places: Tensor) -> Tensor:
        """Lay (..., 2) places, x and y."""
        x, y = (places[..., 1], places[..., 0]) if self.transposed else (places[..., 0], places[..., 1])
        return torch.stack([self.side - x if self.mirrored else x, self.side - y if self.upside_down else y], -1)

    def of_boxes(self, boxes: Tensor) -> Tensor:
        """Lay (..., 4) boxes."""
        corners = self.of_places(boxes.reshape(*boxes.shape[:-1], 2, 2))
        return torch.cat([corners.amin(-2), corners.amax(-2)], -1)

    def of_prompts(self, prompts: PromptBatch) -> PromptBatch:
        """Lay the prompts of a batch."""
        return replace(
            prompts,
            boxes=self.of_boxes(prompts.boxes),
            points=self.of_places(prompts.points),
            masks=None if prompts.masks is None else self.of_maps(prompts.masks),
        )


UPRIGHT = View()


def view_of(rng: Rng, side: float) -> View:
    """Choose one of the eight: tissue has no up."""
    transposed, mirrored, upside_down = (bool(each) for each in rng.integers(0, 2, 3))
    return View(transposed, mirrored, upside_down, side)


def recoloured(images: Tensor, rng: Rng) -> Tensor:
    """Change what scanners and laboratories change: stain, contrast, gamma, focus, grain; now and then oddly.

    Parameters
    ----------
    images : (n, 3, h, w)
        Values of 0 to 255.

    Returns
    -------
    (n, 3, h, w) float32
        Values of 0 to 255; every image is changed in its own way.
    """
    pixels = images.float()
    for share, change in _CHANGES:
        rows = np.flatnonzero(rng.random(len(images)) < share)
        if len(rows):  # only what is changed is computed; which rows, the host knows without asking the device
            at = torch.from_numpy(rows).to(pixels.device)
            pixels = pixels.index_copy(0, at, change(pixels[at], rng))
    return pixels.clamp(0, 255)


def _drawn(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).to(like.device).view(-1, 1, 1, 1)


def _relit(pixels: Tensor, rng: Rng) -> Tensor:
    """Change gamma, contrast and brightness."""
    count = len(pixels)
    gamma, gain = np.exp(rng.uniform(-0.5, 0.5, count)), rng.uniform(0.6, 1.25, count)
    lit = 255 * (pixels.clamp(0, 255) / 255) ** _drawn(gamma, pixels)
    return (lit - 128) * _drawn(gain, pixels) + 128 + _drawn(rng.uniform(-25, 25, count), pixels)


def _swapped(pixels: Tensor, rng: Rng) -> Tensor:
    """Let the colours change places."""
    return pixels[:, torch.from_numpy(rng.permutation(3)).to(pixels.device)]


def _grey(pixels: Tensor, _: Rng) -> Tensor:
    return pixels.mean(1, keepdim=True).expand_as(pixels)


def _inverted(pixels: Tensor, _: Rng) -> Tensor:
    """As fluorescence looks, with grey."""
    return 255 - pixels


def _grained(pixels: Tensor, rng: Rng) -> Tensor:
    grain = torch.randn(pixels.shape, device=pixels.device, generator=_generator(rng, pixels.device))
    return pixels + _drawn(rng.uniform(1, 9, len(pixels)), pixels) * grain


def _restained(pixels: Tensor, rng: Rng) -> Tensor:
    """Change strength and hue of the stains, in optical density."""
    count = len(pixels)
    mixing = np.eye(3) * rng.uniform(0.7, 1.35, (count, 1, 3)) + rng.normal(0, 0.06, (count, 3, 3))
    density = -torch.log(pixels.clamp(min=6) / 255)
    mixed = torch.einsum("ncd,ndhw->nchw", torch.from_numpy(mixing.astype(np.float32)).to(pixels.device), density)
    return 255 * torch.exp(-mixed.clamp(0, 4))


def _blurred(pixels: Tensor, rng: Rng) -> Tensor:
    """Blur by shrinking and enlarging again."""
    small = avg_pool2d(pixels, 1 + int(rng.integers(1, 3)), ceil_mode=True)
    return interpolate(small, pixels.shape[-2:], mode="bilinear", align_corners=False)


def _generator(rng: Rng, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(int(rng.integers(1 << 31)))


_CHANGES: tuple[tuple[float, Callable[[Tensor, Rng], Tensor]], ...] = (
    (0.6, _restained),
    (0.5, _relit),
    (0.03, _swapped),
    (0.07, _grey),
    (0.06, _inverted),
    (0.3, _blurred),
    (0.3, _grained),
)
"""What is changed, in this order, and in how many of the images."""
