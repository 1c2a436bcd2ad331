"""SAM, the first one, in batches; its encoders are plain ViTs.

Sources: Kirillov et al. 2023, "Segment Anything"; the package ``segment-anything``, whose modules these are.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from app.errors import InvalidSettings
from training.mask_prompts import CARD_MEMBER, UNTOLD, MaskPrompts
from training.models.lora import add_lora, merge_lora
from training.models.pixels import IMAGENET
from training.models.promptable import Embeddings, PromptBatch, ScoreError, Tuned

_PATCH = 16
_WINDOW = 14


@dataclass(frozen=True, slots=True)
class Size:
    """What tells the sizes of SAM apart."""

    width: int
    """Of the image encoder's tokens."""
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    """Blocks that attend to the whole image; the others to windows of 14 x 14 tokens."""
    side: int = 1024
    channels: int = 256
    """Of the embedding, and so of the mask decoder."""


SIZES = {
    "sam_vit_b": Size(768, 12, 12, (2, 5, 8, 11)),
    "sam_vit_l": Size(1024, 24, 16, (5, 11, 17, 23)),
    "sam_vit_h": Size(1280, 32, 16, (7, 15, 23, 31)),
    "sam_vit_tiny": Size(32, 2, 2, (1,), side=256, channels=32),
}
"""The three published ones, and one for tests that nobody has trained."""


def build_sam1(config: str) -> nn.Module:
    """Build a SAM with random weights.

    Raises
    ------
    InvalidSettings
        The package is not installed.
    """
    try:
        from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    except ImportError as error:
        raise InvalidSettings("SAM v1 needs its package: pip install segment-anything (the extra `sam`).") from error
    size = SIZES[config]
    grid = size.side // _PATCH
    encoder = ImageEncoderViT(
        img_size=size.side, patch_size=_PATCH, embed_dim=size.width, depth=size.depth, num_heads=size.heads,
        out_chans=size.channels, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=_WINDOW,
        global_attn_indexes=size.global_blocks,
    )  # fmt: skip
    prompts = PromptEncoder(size.channels, (grid, grid), (size.side, size.side), mask_in_chans=16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=size.channels, num_heads=8, mlp_dim=2048)
    decoder = MaskDecoder(
        transformer_dim=size.channels, transformer=transformer, num_multimask_outputs=3, iou_head_depth=3,
        iou_head_hidden_dim=256,
    )  # fmt: skip
    return cast(nn.Module, Sam(encoder, prompts, decoder).eval())


@dataclass
class Sam1:
    """A SAM as a `Promptable`.

    Parameters
    ----------
    network : Sam
        Of any size; changed by training.
    mask_prompts : MaskPrompts
        As its checkpoint learned them.
    """

    network: nn.Module
    mask_prompts: MaskPrompts = UNTOLD
    score_error: ScoreError = "squared"
    tunes: tuple[Tuned, ...] = ("decoder", "lora", "all")

    @property
    def _net(self) -> Any:
        return cast(Any, self.network)

    @property
    def side(self) -> int:
        """Of the encoder's input, pixels."""
        return int(self._net.prompt_encoder.input_image_size[0])

    @property
    def grid(self) -> int:
        """Side of the embedding."""
        return int(self._net.prompt_encoder.image_embedding_size[0])

    @property
    def channels(self) -> int:
        """Of the embedding."""
        return int(self._net.prompt_encoder.embed_dim)

    @property
    def feature_channels(self) -> int:
        """Of what `features` gives."""
        return int(self._net.image_encoder.patch_embed.proj.out_channels)

    @property
    def window_bytes(self) -> int:
        """Of a window's embeddings in half precision."""
        return 2 * self.channels * self.grid**2

    def features(self, images: Tensor) -> Embeddings:
        """Encode (n, 3, h, w) images of values 0 to 255 as far as the neck: (n, feature_channels, s/16, s/16)."""
        encoder = self._net.image_encoder
        tokens = encoder.patch_embed(IMAGENET(images, self.side)) + encoder.pos_embed
        for block in encoder.blocks:
            tokens = block(tokens)
        return Embeddings(tokens.permute(0, 3, 1, 2))

    def encode(self, images: Tensor) -> Embeddings:
        """Encode (n, 3, h, w) images of values 0 to 255: (n, channels, s/16, s/16)."""
        return Embeddings(self._net.image_encoder.neck(self.features(images).image))

    def prepare(self, embeddings: Embeddings) -> Embeddings:
        """Leave them as they are."""
        return embeddings

    def decode(self, embeddings: Embeddings, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
        """Decode a prompt for each window; box and points half a pixel away, since the encoder moves them back."""
        encoder = self._net.prompt_encoder
        masks = None if prompts.masks is None else self.mask_prompts.values(prompts.masks)
        points = (prompts.points - 0.5, prompts.labels) if prompts.points.shape[1] else None
        boxes = prompts.boxes - 0.5 if prompts.boxed.any() else None
        sparse, dense = encoder(points=points, boxes=boxes, masks=masks)
        if boxes is not None:  # the corners come last; an object without a box has two places that hold nothing
            nothing = encoder.not_a_point_embed.weight.to(sparse.dtype).expand(len(sparse), 2, -1)
            corners = torch.where(prompts.boxed[:, None, None], sparse[:, -2:], nothing)
            sparse = torch.cat([sparse[:, :-2], corners], 1)
        return decoded(self._net.mask_decoder, embeddings.image, encoder.get_dense_pe(), sparse, dense)

    def freeze(self, tune: Tuned, lora_rank: int) -> None:
        """Let learn what is asked for."""
        if tune == "lora":
            add_lora(self._net.image_encoder.blocks, lora_rank)
            self.network.to(next(self.network.parameters()).device)
        for name, parameter in self.network.named_parameters():
            learns = tune == "all" or not name.startswith("image_encoder") or name.endswith((".down", ".up"))
            parameter.requires_grad_(learns)

    def own_state(self) -> dict[str, Tensor]:
        """Give all weights of the network."""
        return self.network.state_dict()

    def checkpoint(self) -> dict[str, Any]:
        """Give the model as the package loads it."""
        merged = copy.deepcopy(self.network).cpu()
        merge_lora(cast(Any, merged).image_encoder.blocks)
        state = {key: value.contiguous() for key, value in merged.state_dict().items()}
        return {"model": state, CARD_MEMBER: self.mask_prompts.on_a_card()}


def decoded(decoder: Any, image: Tensor, places: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
    """Decode b windows with a prompt each; the package's own way takes b prompts for one window.

    Parameters
    ----------
    decoder : MaskDecoder
        Of SAM.
    image, dense : (b, c, h, w)
        Embeddings of the windows and of their mask prompts.
    places : (1, c, h, w)
        Where each of the embedding's pixels lies.
    sparse : (b, n, c)
        Points and corners.

    Returns
    -------
    logits : (b, 4, 4 h, 4 w)
    scores : (b, 4)
    """
    count = len(image)
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(count, -1, -1), sparse], 1)
    hidden, source = decoder.transformer(image + dense, places.expand(count, -1, -1, -1), tokens)
    pixels = decoder.output_upscaling(source.transpose(1, 2).reshape(image.shape))
    heads = enumerate(decoder.output_hypernetworks_mlps, start=1)
    weights = torch.stack([head(hidden[:, place]) for place, head in heads], 1)
    logits = torch.einsum("bkc,bchw->bkhw", weights, pixels)
    return logits, decoder.iou_prediction_head(hidden[:, 0])
