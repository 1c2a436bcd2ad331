"""The image encoder on torch itself: the reference for every other engine, and the only one on a GPU."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Encoder(Protocol):
    """Windows to features. Safe to call from several threads."""

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode normalised images, (n, 3, s, s) float32; gives the features, float32, finest first, coarsest last."""
        ...


class TorchEncoder:
    """The encoder of a SAM 2.1 model.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode, on its device.
    precision : torch.dtype
        float32, or bfloat16 for products of matrices; the rest stays as it is.
    """

    def __init__(self, model: Any, precision: torch.dtype = torch.float32) -> None:
        self._model = model
        self._precision = precision

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._precision == torch.bfloat16):
            return tuple(level.float() for level in features(self._model, images))


def features(model: Any, images: Tensor) -> tuple[Tensor, ...]:
    """Run the encoder and its neck as the package's image predictor does.

    Returns
    -------
    tuple of Tensor
        (n, c/8, s/4, s/4), (n, c/4, s/8, s/8) and (n, c, s/16, s/16), the last
        with the embedding for "no memory" added.
    """
    *finer, coarsest = model.forward_image(images)["backbone_fpn"][-model.num_feature_levels :]
    if model.directly_add_no_mem_embed:
        coarsest = coarsest + model.no_mem_embed.view(1, -1, 1, 1)
    return (*finer, coarsest)


class EncoderModule(nn.Module):
    """The same as a module, for tools that trace one.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode."""
        return features(self.model, images)
