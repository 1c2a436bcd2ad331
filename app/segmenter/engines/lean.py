"""A model without the work that changes nothing: what is read by nobody, and what is the same for every window."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

_MATRIX_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
"""What autocast runs in half precision with weights cast anew at each call."""


class _Unread(nn.Module):
    """Stands for position encodings of the encoder's levels, of which only the shape is read where nobody tracks."""

    def forward(self, level: Tensor) -> Tensor:
        return level


def leaned(model: nn.Module, precision: torch.dtype) -> nn.Module:
    """Change a model in place so that it gives the same features and masks with less work.

    Its weights of matrices are kept in the encoder's precision, to which autocast would bring them for each window; the
    embeddings of position are kept as they are for the model's side; position encodings that are not read are left out.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode, where it is to run. It cannot be trained afterwards.
    precision : torch.dtype
        Of the encoder's products.
    """
    encoder, masks = cast(Any, model).image_encoder, cast(Any, model).sam_mask_decoder
    with torch.no_grad():
        _keep_positions(model)
    encoder.neck.position_encoding = _Unread()
    finer = [getattr(masks, name) for name in ("conv_s0", "conv_s1") if hasattr(masks, name)]  # the encoder runs them
    for module in (layer for part in (encoder, *finer) for layer in part.modules()):
        if isinstance(module, _MATRIX_LAYERS):
            module.to(precision)
    return model


def _keep_positions(model: Any) -> None:
    trunk, prompts = model.image_encoder.trunk, model.sam_prompt_encoder
    stride = trunk.patch_embed.proj.stride
    side = model.image_size
    hw = (-(-side // stride[0]), -(-side // stride[1]))
    kept, dense = trunk._get_pos_embed(hw).clone(), prompts.get_dense_pe().clone()
    trunk._get_pos_embed = lambda _: kept
    prompts.get_dense_pe = lambda: dense
