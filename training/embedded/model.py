"""The small SAM 2.1 as training needs it: batches in, all four mask tokens out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from app.segmenter.checkpoint import build_model

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def fresh_model(config: str) -> nn.Module:
    """Build the model with random weights; position embeddings begin small instead of at zero."""
    model = cast(Any, build_model(config))
    for embedding in (model.image_encoder.trunk.pos_embed, model.image_encoder.trunk.pos_embed_window):
        nn.init.trunc_normal_(embedding, std=0.02)
    return cast(nn.Module, model)


def encode(model: nn.Module, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Encode (b, 3, s, s) images of values 0 to 255."""
    net = cast(Any, model)
    *finer, coarsest = net.forward_image((images.float() / 255 - _MEAN) / _STD)["backbone_fpn"]
    return coarsest + net.no_mem_embed.view(1, -1, 1, 1), finer


def decode(
    model: nn.Module, embedding: tuple[Tensor, list[Tensor]], boxes: Tensor, points: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Decode prompts as the service does: the box' corners first, half a pixel taken away before the encoder adds it.

    Parameters
    ----------
    boxes : (b, 4)
        Continuous pixels of the model's input.
    points, labels : (b, n, 2), (b, n)
        Label -1 is padding.

    Returns
    -------
    logits : (b, 4, s/4, s/4)
    scores : (b, 4)
    """
    net = cast(Any, model)
    coordinates = torch.cat([boxes.view(-1, 2, 2), points], 1) - 0.5
    corners = torch.tensor([[2, 3]], dtype=labels.dtype).expand(len(boxes), 2)
    sparse, dense = net.sam_prompt_encoder(
        points=(coordinates, torch.cat([corners, labels], 1)), boxes=None, masks=None
    )
    logits, scores, _, _ = net.sam_mask_decoder.predict_masks(
        image_embeddings=embedding[0],
        image_pe=net.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=embedding[1],
    )
    return logits, scores


@contextmanager
def plain_attention() -> Iterator[None]:
    """Use matrix products for attention: torch's fused one is slow backward on CPUs at these sizes."""

    def attention(query: Tensor, key: Tensor, value: Tensor, **_: object) -> Tensor:
        weights = (query @ key.transpose(-2, -1)) * query.shape[-1] ** -0.5
        return cast(Tensor, weights.softmax(-1) @ value)

    functional = cast(Any, torch.nn.functional)
    fused = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = fused
