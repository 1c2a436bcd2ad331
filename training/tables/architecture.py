"""The parts of a model and how many parameters each has: what the thesis draws in figures 6.1 to 6.5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from training.models import Loaded


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model."""

    name: str
    kind: str
    parameters: int
    learning: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model, part by part."""

    model: str
    parts: tuple[Part, ...]
    shapes: str
    """What one window becomes before it is prompted."""


def architecture_of(name: str, loaded: Loaded) -> Architecture:
    """List the parts of a model as it learns in the thesis, with frozen image encoders."""
    model = loaded.model
    model.freeze("decoder", 1)
    parts = [
        Part(
            part, type(module).__name__, sum(each.numel() for each in module.parameters()),
            sum(each.numel() for each in module.parameters() if each.requires_grad),
        )
        for part, module in _parts(model.network)
    ]  # fmt: skip
    with torch.inference_mode():
        found = model.encode(torch.zeros(1, 3, model.side, model.side))
    shapes = ", ".join(" x ".join(map(str, tensor.shape[1:])) for tensor in (found.image, *found.further))
    return Architecture(name, tuple(part for part in parts if part.parameters), shapes)


def _parts(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Give the children of a network, and those of a child that is a whole model itself."""
    found = []
    for name, child in network.named_children():
        inner = list(child.named_children())
        whole = {"mask_decoder", "sam_mask_decoder", "image_encoder"} & {each for each, _ in inner}
        found += [(f"{name}.{each}", module) for each, module in inner] if whole else [(name, child)]
    return found
