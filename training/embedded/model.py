"""The small SAM 2.1 with random weights, and what makes its training bearable on a CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn

from app.segmenter.attention import Attention, attention_by
from app.segmenter.checkpoint import build_model


def fresh_model(config: str) -> nn.Module:
    """Build the model with random weights; position embeddings begin small instead of at zero."""
    model = cast(Any, build_model(config))
    for embedding in (model.image_encoder.trunk.pos_embed, model.image_encoder.trunk.pos_embed_window):
        nn.init.trunc_normal_(embedding, std=0.02)
    return cast(nn.Module, model.to(memory_format=torch.channels_last))  # a tenth faster on CPUs


def plain_attention() -> AbstractContextManager[None]:
    """Use matrix products for attention: torch's fused one is slow backward on CPUs at these sizes.

    Attention of another form, with a mask for example, stays fused; so does that of ``nn.MultiheadAttention``.
    """
    return attention_by(_by_products)


def _by_products(fused: Attention) -> Attention:
    def attention(query: Tensor, key: Tensor, value: Tensor, *more: Any, **options: Any) -> Tensor:
        if more or not all(
            option is None or (isinstance(option, float | bool) and not option) for option in options.values()
        ):
            return fused(query, key, value, *more, **options)
        weights = (query @ key.transpose(-2, -1)) * query.shape[-1] ** -0.5
        return cast(Tensor, weights.softmax(-1) @ value)

    return attention
