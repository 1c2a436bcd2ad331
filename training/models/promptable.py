"""What training and evaluation ask of a model: windows to embeddings, embeddings and prompts of any kind to masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from training.mask_prompts import MaskPrompts

PADDING = -1
"""Label of a place among the points that holds none; the prompt encoders of both SAMs know it."""

Tuned = Literal["decoder", "lora", "all"]
"""What learns: everything but the image encoders, that and LoRA on SAM's image encoder, or everything."""

ScoreError = Literal["absolute", "squared"]
"""How a model's own training weighs the error of its predicted IoU."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What a model knows of n windows before it is prompted."""

    image: Tensor
    """(n, c, h, w)."""
    further: tuple[Tensor, ...] = ()
    """What the model needs beside it, each (n, ...), in an order that is its own."""

    def repeated(self, times: int) -> Embeddings:
        """Give every window `times` places, one after the other, for as many prompts."""
        return Embeddings(
            self.image.repeat_interleave(times, 0), tuple(each.repeat_interleave(times, 0) for each in self.further)
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
    """(b, p) int32: 1 object, 0 background, `PADDING`."""
    masks: Tensor | None = None
    """(b, 1, s/4, s/4): share of each pixel that is object, 0 to 1; or none for the whole batch."""

    def to(self, device: torch.device) -> PromptBatch:
        """Bring it to a device."""
        return PromptBatch(
            self.boxes.to(device),
            self.boxed.to(device),
            self.points.to(device),
            self.labels.to(device),
            None if self.masks is None else self.masks.to(device),
        )


class Promptable(Protocol):
    """A model that outlines what prompts point at; one contract suite runs on every one of them.

    A batch goes `encode`, `prepare`, `decode`. What `encode` gives depends on frozen weights alone unless the image
    encoder learns, so it can be kept on the disk; what learns between encoder and decoder runs in `prepare`, once for a
    window; `decode` runs for every prompt.
    """

    mask_prompts: MaskPrompts
    """How mask prompts enter; as the checkpoint learned them, or as the training that is at work teaches them."""

    @property
    def network(self) -> nn.Module:
        """All of its parameters, those that never learn too."""

    @property
    def side(self) -> int:
        """Of the input that prompts are measured in, pixels."""

    @property
    def score_error(self) -> ScoreError:
        """How its own training weighs the error of its score."""

    @property
    def tunes(self) -> tuple[Tuned, ...]:
        """What of it can learn."""

    @property
    def window_bytes(self) -> int:
        """Of what `encode` gives of a window, in half precision."""

    def encode(self, images: Tensor) -> Embeddings:
        """Encode (n, 3, h, w) images of values 0 to 255."""

    def prepare(self, embeddings: Embeddings) -> Embeddings:
        """Bring what `encode` gave to what `decode` takes."""

    def decode(self, embeddings: Embeddings, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
        """Decode one prompt for each window.

        Returns
        -------
        logits : (b, 4, s/4, s/4)
            Raw values of the single-mask token, then of the three proposals.
        scores : (b, 4)
            Predicted IoU.
        """

    def freeze(self, tune: Tuned, lora_rank: int) -> None:
        """Let nothing learn but what is asked for.

        Raises
        ------
        InvalidSettings
            This model cannot learn that way.
        """

    def own_state(self) -> dict[str, Tensor]:
        """Give the weights that a checkpoint holds, as they lie in the network."""

    def checkpoint(self) -> dict[str, Any]:
        """Give what a checkpoint holds, for ``torch.save``; `open_model` reads it."""


def chosen(logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Give what the service would keep: of the three masks the one with the best predicted IoU, (b, h, w) and (b,)."""
    best = scores[:, 1:].argmax(1) + 1
    rows = torch.arange(len(logits), device=logits.device)
    return logits[rows, best], scores[rows, best]
