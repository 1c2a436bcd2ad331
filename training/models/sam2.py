"""SAM 2.1 in batches.

The service's segmenter does the same for one window at a time and prompts of box and points; a test holds the two
together.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from training.mask_prompts import CARD_MEMBER, UNTOLD, MaskPrompts
from training.models.lora import add_lora, merge_lora
from training.models.pixels import IMAGENET
from training.models.promptable import PADDING, Embeddings, PromptBatch, ScoreError, Tuned

_CORNERS = (2, 3)
_UNUSED = ("memory_attention", "memory_encoder", "obj_ptr_proj", "obj_ptr_tpos_proj", "mask_downsample")
"""What only videos need."""


@dataclass
class Sam2:
    """A SAM 2.1 as a `Promptable`.

    Parameters
    ----------
    network : SAM2Base
        Of any size; changed by training.
    mask_prompts : MaskPrompts
        As its checkpoint learned them.
    """

    network: nn.Module
    mask_prompts: MaskPrompts = UNTOLD
    score_error: ScoreError = "absolute"
    tunes: tuple[Tuned, ...] = ("decoder", "lora", "all")

    @property
    def side(self) -> int:
        """Of the encoder's input, pixels."""
        return int(self._net.image_size)

    @property
    def grid(self) -> int:
        """Side of the coarsest embedding."""
        return int(self._net.sam_prompt_encoder.image_embedding_size[0])

    @property
    def channels(self) -> int:
        """Of the coarsest embedding."""
        return int(self._net.sam_prompt_encoder.embed_dim)

    @property
    def feature_channels(self) -> int:
        """Of what `features` gives."""
        return self.channels

    @property
    def window_bytes(self) -> int:
        """Of a window's embeddings in half precision: the finer ones have twice the side and fewer channels."""
        finer = 4 * (self.channels // 4) + 16 * (self.channels // 8) if self._net.num_feature_levels > 1 else 0
        return 2 * (self.channels + finer) * self.grid**2

    @property
    def _net(self) -> Any:
        return cast(Any, self.network)

    def features(self, images: Tensor) -> Embeddings:
        """Encode: the coarsest features are those that others can be fused with."""
        return self.encode(images)

    def encode(self, images: Tensor) -> Embeddings:
        """Encode (n, 3, h, w) images of values 0 to 255.

        Returns
        -------
        Embeddings
            ``image``: (n, c, s/16, s/16); ``further``: (n, c/8, s/4, s/4) and (n, c/4, s/8, s/8), as the mask decoder
            takes them in.
        """
        net = self._net
        pixels = IMAGENET(images, self.side).contiguous(memory_format=torch.channels_last)
        *finer, coarsest = net.forward_image(pixels)["backbone_fpn"][-net.num_feature_levels :]
        if net.directly_add_no_mem_embed:
            coarsest = coarsest + net.no_mem_embed.view(1, -1, 1, 1)
        return Embeddings(coarsest, tuple(finer))

    def prepare(self, embeddings: Embeddings) -> Embeddings:
        """Leave them as they are."""
        return embeddings

    def decode(self, embeddings: Embeddings, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
        """Decode a prompt for each window: the box' corners first, half a pixel away, as the service gives them."""
        net = self._net
        coordinates = torch.cat([prompts.boxes.view(-1, 2, 2), prompts.points], 1) - 0.5
        corners = torch.tensor([_CORNERS], dtype=prompts.labels.dtype, device=prompts.labels.device)
        corners = torch.where(prompts.boxed[:, None], corners, PADDING)
        masks = None if prompts.masks is None else self.mask_prompts.values(prompts.masks)
        sparse, dense = net.sam_prompt_encoder(
            points=(coordinates, torch.cat([corners, prompts.labels], 1)), boxes=None, masks=masks
        )
        logits, scores, _, _ = net.sam_mask_decoder.predict_masks(
            image_embeddings=embeddings.image,
            image_pe=net.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=list(embeddings.further),
        )
        return logits, scores

    def freeze(self, tune: Tuned, lora_rank: int) -> None:
        """Let learn what is asked for; the finer features' convolutions belong to the frozen part, where they run."""
        if tune == "lora":
            add_lora(self._net.image_encoder.trunk.blocks, lora_rank)
            self.network.to(next(self.network.parameters()).device)
        for name, parameter in self.network.named_parameters():
            encoder = name.startswith("image_encoder") or "conv_s0" in name or "conv_s1" in name
            encoder = encoder or name == "no_mem_embed"
            parameter.requires_grad_(tune == "all" or not encoder or name.endswith((".down", ".up")))
        for unused in _UNUSED:
            if isinstance(getattr(self._net, unused, None), nn.Module):
                getattr(self._net, unused).requires_grad_(False)

    def own_state(self) -> dict[str, Tensor]:
        """Give all weights of the network."""
        return self.network.state_dict()

    def checkpoint(self) -> dict[str, Any]:
        """Give the model as the service loads it."""
        merged = copy.deepcopy(self.network).cpu()
        merge_lora(cast(Any, merged).image_encoder.trunk.blocks)
        state = {key: value.contiguous() for key, value in merged.state_dict().items()}
        return {"model": state, CARD_MEMBER: self.mask_prompts.on_a_card()}
