"""LoRA: low-rank changes to the image encoder's attention, merged into its weights before anybody loads them.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

_ADAPTED = ("qkv", "proj")
"""The linear layers of an attention block of Hiera and ViT; the first blocks of Hiera's stages have another layer named
proj."""


class LoraLinear(nn.Module):
    """A frozen linear layer and a change of low rank, which begins as none.

    Parameters
    ----------
    base : nn.Linear
        What is changed.
    rank : int
        Of the change.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / rank)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, values: Tensor) -> Tensor:
        """Apply the layer and its change."""
        return cast(Tensor, self.base(values)) + values @ self.down.T @ self.up.T

    def merged(self) -> nn.Linear:
        """Give the one layer that does the same."""
        merged = nn.Linear(self.base.in_features, self.base.out_features, bias=self.base.bias is not None)
        with torch.no_grad():
            merged.weight.copy_(self.base.weight + self.up @ self.down)
            if self.base.bias is not None:
                merged.bias.copy_(self.base.bias)
        return merged


def add_lora(blocks: Iterable[Any], rank: int) -> int:
    """Adapt the attention of an image encoder's blocks; gives the number of adapted layers."""
    count = 0
    for block in blocks:
        for name in _ADAPTED:
            setattr(block.attn, name, LoraLinear(getattr(block.attn, name), rank))
            count += 1
    return count


def merge_lora(blocks: Iterable[Any]) -> None:
    """Put every change into its layer, in place; the blocks have their usual parameters again."""
    for block in blocks:
        for name in _ADAPTED:
            layer = getattr(block.attn, name)
            if isinstance(layer, LoraLinear):
                setattr(block.attn, name, layer.merged())
