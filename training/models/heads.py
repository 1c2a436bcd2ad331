"""What learns between a histology encoder and SAM's decoder.

Source: the thesis, sections 6.2 to 6.4; kernel sizes and the residual of the cross-attention, which the text leaves
open, are those of its author's public code (HistoSAM).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Literal, cast

import torch
from sam2.modeling.sam2_utils import LayerNorm2d
from torch import Tensor, nn

Upsampling = Literal["deconvolution", "interpolation"]

ATTENTION_CHANNELS, ATTENTION_HEADS = 256, 8
MASKS = 3
"""Proposals that are refined."""


class Deconvolution(nn.Sequential):
    """Enlarge a grid by transposed convolutions: to the next side that divides the target, then in one stride.

    Of H-optimus-0 it has 37.75 million parameters.

    Parameters
    ----------
    channels : int
        Of the tokens, before and after.
    grid, target : int
        Sides; the target is the larger one.
    """

    def __init__(self, channels: int, grid: int, target: int) -> None:
        between = next(side for side in count(grid) if target % side == 0)
        layers = [nn.ConvTranspose2d(channels, channels, between - grid + 1)] if between > grid else []
        stride = target // between
        super().__init__(*layers, nn.ConvTranspose2d(channels, channels, stride, stride))


class Interpolation(nn.Sequential):
    """Enlarge a grid bilinearly, then convolve each channel by itself and each pixel across the channels.

    Of H-optimus-0 it has 2.38 million parameters. Parameters are those of `Deconvolution`.
    """

    def __init__(self, channels: int, grid: int, target: int) -> None:
        super().__init__(
            nn.Upsample((target, target), mode="bilinear", align_corners=False),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Conv2d(channels, channels, 1),
        )


UPSAMPLINGS: dict[Upsampling, Callable[[int, int, int], nn.Sequential]] = {
    "deconvolution": Deconvolution,
    "interpolation": Interpolation,
}


def neck(channels: int, width: int) -> nn.Sequential:
    """Build SAM's neck: from tokens of so many channels to the mask decoder's width."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 1, bias=False),
        LayerNorm2d(width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        LayerNorm2d(width),
    )


class Alone(nn.Module):
    """Tokens of a histology encoder in place of SAM's own features; source: section 6.2.

    Parameters
    ----------
    channels, grid : int
        Of the tokens.
    width, target : int
        Channels and side of what the mask decoder takes.
    """

    def __init__(self, upsampling: Upsampling, channels: int, grid: int, width: int, target: int) -> None:
        super().__init__()
        self.upsampling = UPSAMPLINGS[upsampling](channels, grid, target)
        self.neck = neck(channels, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Bring (n, channels, grid, grid) to (n, width, target, target)."""
        return cast(Tensor, self.neck(self.upsampling(tokens)))


class Concatenation(nn.Module):
    """Both encoders' features side by side, then one neck; source: section 6.3.

    Parameters
    ----------
    features : int
        Channels of SAM's features; the others are those of `Alone`.
    """

    def __init__(
        self, upsampling: Upsampling, features: int, channels: int, grid: int, width: int, target: int
    ) -> None:
        super().__init__()
        self.upsampling = UPSAMPLINGS[upsampling](channels, grid, target)
        self.neck = neck(features + channels, width)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Bring (n, features, target, target) and (n, channels, grid, grid) to (n, width, target, target)."""
        return cast(Tensor, self.neck(torch.cat([features, self.upsampling(tokens)], 1)))


class CrossAttention(nn.Module):
    """SAM's features ask those of a histology encoder, and keep what they were; source: section 6.4.

    Parameters
    ----------
    features, channels : int
        Of SAM's features and of the tokens.
    width : int
        Of the result, and of the attention; eight heads.
    """

    def __init__(self, features: int, channels: int, width: int = ATTENTION_CHANNELS) -> None:
        super().__init__()
        self.queries = nn.Linear(features, width)
        self.context = nn.Linear(channels, width)
        self.attention = nn.MultiheadAttention(width, ATTENTION_HEADS, batch_first=True)
        self.out = nn.Linear(width, width)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Bring (n, features, h, w) and (n, channels, g, g) to (n, width, h, w)."""
        queries, context = self.queries(_sequence(features)), self.context(_sequence(tokens))
        found, _ = self.attention(queries, context, context, need_weights=False)
        return _grid(self.out(found + queries), features)


class AttentionRefinement(nn.Module):
    """A small correction of the proposals, which ask the features of a histology encoder; source: section 6.4.

    Parameters
    ----------
    channels : int
        Of the tokens.
    """

    def __init__(self, channels: int, width: int = ATTENTION_CHANNELS) -> None:
        super().__init__()
        self.queries = nn.Conv2d(MASKS, width, 1)
        self.context = nn.Linear(channels, width)
        self.attention = nn.MultiheadAttention(width, ATTENTION_HEADS, batch_first=True)
        self.correction = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, MASKS, 1))

    def forward(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Correct (b, 3, h, w) raw values with (b, channels, g, g) tokens."""
        context = self.context(_sequence(tokens))
        found, _ = self.attention(_sequence(self.queries(logits)), context, context, need_weights=False)
        return logits + cast(Tensor, self.correction(_grid(found, logits)))


def _sequence(grid: Tensor) -> Tensor:
    """Bring (n, c, h, w) to (n, h w, c)."""
    return grid.flatten(2).transpose(1, 2)


def _grid(sequence: Tensor, like: Tensor) -> Tensor:
    """Bring (n, h w, c) to (n, c, h, w), h and w as another's."""
    return sequence.transpose(1, 2).reshape(len(sequence), -1, *like.shape[-2:])
