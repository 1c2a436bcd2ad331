"""A SAM 2.1 in batches: windows to embeddings, embeddings and prompts of any kind to masks.

The service's segmenter does the same for one window at a time and prompts of box and points; a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from app.geometry.windows import MODEL_SIDE_PX
from training.mask_prompts import UNTOLD, MaskPrompts
from training.prompts import Given

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
_PADDING = -1
_CORNERS = (2, 3)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The encoder's output for n windows."""

    image: Tensor
    """(n, c, s/16, s/16)."""
    finer: tuple[Tensor, ...]
    """(n, c/8, s/4, s/4) and (n, c/4, s/8, s/8), as the mask decoder takes them in."""

    def repeated(self, times: int) -> Embeddings:
        """Give every window `times` places, one after the other, for as many prompts."""
        return Embeddings(
            self.image.repeat_interleave(times, 0), tuple(each.repeat_interleave(times, 0) for each in self.finer)
        )


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Prompts for b windows, in pixels of the model's input."""

    boxes: Tensor
    """(b, 4), continuous."""
    boxed: Tensor
    """(b,) bool: where the box counts."""
    points: Tensor
    """(b, p, 2), continuous."""
    labels: Tensor
    """(b, p) int32: 1 object, 0 background, -1 padding."""
    masks: Tensor | None = None
    """(b, 1, s/4, s/4) raw values, or none for the whole batch."""

    def to(self, device: torch.device) -> PromptBatch:
        """Bring it to a device."""
        return PromptBatch(
            self.boxes.to(device),
            self.boxed.to(device),
            self.points.to(device),
            self.labels.to(device),
            None if self.masks is None else self.masks.to(device),
        )


def normalised(images: Tensor, side: int) -> Tensor:
    """Bring (n, 3, h, w) values of 0 to 255 to what the encoder takes, (n, 3, s, s); as the service does it."""
    pixels = images.float() / 255
    if pixels.shape[-2:] != (side, side):
        pixels = interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return (pixels - _MEAN.to(pixels.device)) / _STD.to(pixels.device)


def encode(model: nn.Module, images: Tensor) -> Embeddings:
    """Encode (n, 3, h, w) images of values 0 to 255."""
    net = cast(Any, model)
    pixels = normalised(images, int(net.image_size)).contiguous(memory_format=torch.channels_last)
    *finer, coarsest = net.forward_image(pixels)["backbone_fpn"][-net.num_feature_levels :]
    if net.directly_add_no_mem_embed:
        coarsest = coarsest + net.no_mem_embed.view(1, -1, 1, 1)
    return Embeddings(coarsest, tuple(finer))


def decode(model: nn.Module, embeddings: Embeddings, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
    """Decode a prompt for each embedding: the box' corners first, half a pixel away, as the service gives them.

    Returns
    -------
    logits : (b, 4, s/4, s/4)
        Raw values of the single-mask token, then of the three that the service chooses from.
    scores : (b, 4)
        Predicted IoU.
    """
    net = cast(Any, model)
    coordinates = torch.cat([prompts.boxes.view(-1, 2, 2), prompts.points], 1) - 0.5
    corners = torch.tensor([_CORNERS], dtype=prompts.labels.dtype, device=prompts.labels.device)
    corners = torch.where(prompts.boxed[:, None], corners, _PADDING)
    sparse, dense = net.sam_prompt_encoder(
        points=(coordinates, torch.cat([corners, prompts.labels], 1)), boxes=None, masks=prompts.masks
    )
    logits, scores, _, _ = net.sam_mask_decoder.predict_masks(
        image_embeddings=embeddings.image,
        image_pe=net.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=list(embeddings.finer),
    )
    return logits, scores


def chosen(logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Give what the service would keep: of the three masks the one with the best predicted IoU, (b, h, w) and (b,)."""
    best = scores[:, 1:].argmax(1) + 1
    rows = torch.arange(len(logits), device=logits.device)
    return logits[rows, best], scores[rows, best]


def gathered(given: Sequence[Given], side: int, mask_prompts: MaskPrompts = UNTOLD) -> PromptBatch:
    """Gather the prompts of several objects, from the model frame to the pixels of a model's input.

    Parameters
    ----------
    given : sequence of Given
        Either all with a mask or all without.
    side : int
        Of the model's input.
    mask_prompts : MaskPrompts
        Which values the checkpoint knows masks by.
    """
    scale = side / MODEL_SIDE_PX
    most = max((len(each.points) for each in given), default=0)
    points = np.zeros((len(given), most, 2), np.float32)
    labels = np.full((len(given), most), _PADDING, np.int32)
    boxes = np.zeros((len(given), 4), np.float32)
    for index, each in enumerate(given):
        points[index, : len(each.points)] = each.points * scale
        labels[index, : len(each.points)] = each.labels
        if each.box is not None:
            boxes[index] = each.box * scale
    shown = [mask_prompts.values(each.mask, side // 4) for each in given if each.mask is not None]
    if shown and len(shown) < len(given):
        raise ValueError("mask prompts are given to all objects of a batch or to none")
    return PromptBatch(
        torch.from_numpy(boxes),
        torch.tensor([each.box is not None for each in given]),
        torch.from_numpy(points),
        torch.from_numpy(labels),
        torch.from_numpy(np.stack(shown)[:, None]) if shown else None,
    )
