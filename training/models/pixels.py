"""Pixels as an image encoder takes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and spread of each channel in an encoder's own training, for values of 0 to 1."""

    mean: Colour
    std: Colour

    def __call__(self, images: Tensor, side: int) -> Tensor:
        """Bring (n, 3, h, w) values of 0 to 255 to (n, 3, side, side), as the service does it."""
        pixels = images.float() / 255
        if pixels.shape[-2:] != (side, side):
            pixels = interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
        mean, std = (torch.tensor(each, device=pixels.device).view(1, 3, 1, 1) for each in (self.mean, self.std))
        return (pixels - mean) / std


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
