"""SAM with a histology encoder: alone in SAM's place, fused with SAM's own, or correcting SAM's masks.

Neither image encoder learns, and no checkpoint holds one: it holds what has learned, and the digests of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from app.errors import InvalidSettings
from training.mask_prompts import CARD_MEMBER, MaskPrompts
from training.models.architecture import Architecture
from training.models.heads import Alone, AttentionRefinement, Concatenation, CrossAttention
from training.models.promptable import Embeddings, PromptBatch, ScoreError, Tuned
from training.models.sam1 import Sam1
from training.models.sam2 import Sam2
from training.models.tissue_encoders import ENCODERS, tokens_of

PARTS, CONFIG = "parts", "config"
"""Members of a checkpoint: where the frozen weights come from, and the architecture."""
_SAM_ENCODER = ("sam.image_encoder.", "sam.no_mem_embed", "sam.sam_mask_decoder.conv_s")
"""What of a SAM gives its features."""
_VIDEO = ("memory_", "maskmem_", "obj_ptr_", "no_obj_", "no_mem_pos_enc", "mask_downsample")


@dataclass(frozen=True, slots=True)
class Part:
    """Frozen weights that a checkpoint does not hold."""

    source: str
    """A name, a file or a folder, as it was given."""
    sha256: str


class Joined(nn.Module):
    """The networks of a histology model under one root.

    Parameters
    ----------
    sam : nn.Module
        The one that decodes.
    tissue : nn.Module
        The histology encoder.
    head : nn.Module
        What joins them.
    """

    def __init__(self, sam: nn.Module, tissue: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.sam, self.tissue, self.head = sam, tissue, head

    def train(self, mode: bool = True) -> Joined:
        """Leave the histology encoder as it is used: it never learns."""
        super().train(mode)
        self.tissue.eval()
        return self


class Histology:
    """A SAM with a histology encoder, as a `Promptable`.

    Parameters
    ----------
    sam : Sam1 or Sam2
        Whose decoder, and unless the encoder stands alone, whose features are used.
    tissue : nn.Module
        The encoder that `architecture` names.
    parts : dict
        Where the frozen weights come from: ``sam`` and ``encoder``.
    """

    score_error: ScoreError
    tunes: tuple[Tuned, ...] = ("decoder",)

    def __init__(self, architecture: Architecture, sam: Sam1 | Sam2, tissue: nn.Module, parts: dict[str, Part]) -> None:
        self.architecture, self.parts, self._sam = architecture, parts, sam
        self._spec = ENCODERS[architecture.encoder or ""]
        self.score_error = sam.score_error
        self.network = Joined(sam.network, tissue, head_of(architecture, sam))
        self.network.tissue.requires_grad_(False)
        if architecture.fusion == "alone":
            self.network.sam.image_encoder = nn.Identity()

    @property
    def mask_prompts(self) -> MaskPrompts:
        """As its decoder learned them."""
        return self._sam.mask_prompts

    @mask_prompts.setter
    def mask_prompts(self, given: MaskPrompts) -> None:
        self._sam.mask_prompts = given

    @property
    def side(self) -> int:
        """Of the input that prompts are measured in, pixels; the histology encoder sees the window at 224."""
        return self._sam.side

    @property
    def window_bytes(self) -> int:
        """Of a window's embeddings in half precision."""
        tokens = 2 * self._spec.width * self._spec.grid**2
        if self.architecture.fusion == "alone":
            return tokens
        if self.architecture.fusion == "refinement" or isinstance(self._sam, Sam2):
            return tokens + self._sam.window_bytes
        return tokens + 2 * self._sam.feature_channels * self._sam.grid**2

    def encode(self, images: Tensor) -> Embeddings:
        """Encode (n, 3, h, w) images of values 0 to 255: SAM's features, and the tokens last; or the tokens alone."""
        with torch.no_grad():
            tokens = tokens_of(self.network.tissue, self._spec.pixels(images))
            if self.architecture.fusion == "alone":
                return Embeddings(tokens)
            refined = self.architecture.fusion == "refinement"
            found = self._sam.encode(images) if refined else self._sam.features(images)
        return Embeddings(found.image, (*found.further, tokens))

    def prepare(self, embeddings: Embeddings) -> Embeddings:
        """Upsample and fuse; the embeddings of a refinement stay as they are."""
        if self.architecture.fusion == "alone":
            return Embeddings(self.network.head(embeddings.image))
        if self.architecture.fusion == "refinement":
            return embeddings
        *further, tokens = embeddings.further
        return Embeddings(self.network.head(embeddings.image, tokens), tuple(further))

    def decode(self, embeddings: Embeddings, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
        """Decode as its SAM does; a refinement corrects the three proposals and leaves scores and single mask."""
        if self.architecture.fusion != "refinement":
            return self._sam.decode(embeddings, prompts)
        *further, tokens = embeddings.further
        with torch.no_grad():
            logits, scores = self._sam.decode(Embeddings(embeddings.image, tuple(further)), prompts)
        return torch.cat([logits[:, :1], self.network.head(logits[:, 1:], tokens)], 1), scores

    def freeze(self, tune: Tuned, lora_rank: int) -> None:
        """Let learn the head, and but for a refinement prompt encoder and mask decoder.

        Raises
        ------
        InvalidSettings
            An image encoder should learn.
        """
        if tune not in self.tunes:
            raise InvalidSettings(f"Encoders of {self.architecture.name} stay frozen: --tune decoder is all there is.")
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(self._is_own(name))

    def _is_own(self, name: str) -> bool:
        """Whether a weight learns here, and so belongs into a checkpoint."""
        if name.startswith("head."):
            return True
        if name.startswith("tissue.") or self.architecture.fusion == "refinement":
            return False
        return not name.startswith((*_SAM_ENCODER, *(f"sam.{each}" for each in _VIDEO)))

    def own_state(self) -> dict[str, Tensor]:
        """Give the weights that a checkpoint holds: neither image encoder's, and of a refinement no SAM's."""
        return {name: value for name, value in self.network.state_dict().items() if self._is_own(name)}

    def checkpoint(self) -> dict[str, Any]:
        """Give what has learned, and where the rest comes from."""
        return {
            "model": {name: value.detach().cpu().contiguous() for name, value in self.own_state().items()},
            CONFIG: self.architecture.name,
            PARTS: {name: {"source": part.source, "sha256": part.sha256} for name, part in self.parts.items()},
            CARD_MEMBER: self.mask_prompts.on_a_card(),
        }


def head_of(architecture: Architecture, sam: Sam1 | Sam2) -> nn.Module:
    """Build what joins a histology encoder to a SAM, with random weights."""
    tokens = ENCODERS[architecture.encoder or ""]
    if architecture.fusion == "refinement":
        return AttentionRefinement(tokens.width)
    if architecture.fusion == "attention":
        return CrossAttention(sam.feature_channels, tokens.width, sam.channels)
    upsampling = architecture.upsampling or "interpolation"
    if architecture.fusion == "alone":
        return Alone(upsampling, tokens.width, tokens.grid, sam.channels, sam.grid)
    return Concatenation(upsampling, sam.feature_channels, tokens.width, tokens.grid, sam.channels, sam.grid)
