"""Encoders that learned from histology alone, as their makers published them; built by ``timm``.

Sources: Chen et al. 2024 (UNI; UNI2-h on its model card), Saillard et al. 2024 (H-optimus-0), and the model cards at
``huggingface.co/`` followed by the entry's ``repository``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from torch import Tensor, nn

from app.errors import InvalidSettings
from training.models.pixels import IMAGENET, Normalisation

_SIDE = 224


@dataclass(frozen=True, slots=True)
class TissueEncoder:
    """An architecture, and where its weights come from."""

    name: str
    model: str
    """What ``timm`` calls it."""
    width: int
    """Of its tokens."""
    patch: int
    options: dict[str, Any] = field(default_factory=dict)
    normalisation: Normalisation = IMAGENET
    swiglu: bool = False
    repository: str = ""
    """Where its weights are published."""
    licence: str = ""

    @property
    def grid(self) -> int:
        """Tokens along each side of its input."""
        return _SIDE // self.patch

    def pixels(self, images: Tensor) -> Tensor:
        """Bring (n, 3, h, w) values of 0 to 255 to its input, (n, 3, 224, 224)."""
        return self.normalisation(images, _SIDE)


_OPTIMUS_COLOURS = Normalisation((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
_REGISTERS = {"no_embed_class": True, "mlp_ratio": 2.66667 * 2}
_TINY = {"embed_dim": 32, "depth": 2, "num_heads": 2}

ENCODERS = {
    each.name: each
    for each in (
        TissueEncoder(
            "uni", "vit_large_patch16_224", 1024, 16, {"dynamic_img_size": True},
            repository="MahmoodLab/UNI", licence="CC BY-NC-ND 4.0",
        ),
        TissueEncoder(
            "uni2-h", "vit_giant_patch14_224", 1536, 14,
            {**_REGISTERS, "embed_dim": 1536, "depth": 24, "num_heads": 24, "reg_tokens": 8, "dynamic_img_size": True},
            swiglu=True, repository="MahmoodLab/UNI2-h", licence="CC BY-NC-ND 4.0",
        ),
        TissueEncoder(
            "h-optimus-0", "vit_giant_patch14_reg4_dinov2", 1536, 14, {"dynamic_img_size": False}, _OPTIMUS_COLOURS,
            repository="bioptimus/H-optimus-0", licence="Apache-2.0",
        ),
        TissueEncoder("tissue_tiny14", "vit_large_patch16_224", 32, 16, _TINY),
        TissueEncoder(
            "tissue_tiny16", "vit_giant_patch14_224", 32, 14, {**_TINY, **_REGISTERS, "reg_tokens": 8}, swiglu=True
        ),
    )
}  # fmt: skip
"""The three of the thesis, and two for tests that nobody has trained: 14 x 14 tokens as UNI, 16 x 16 as the others."""


def build_tissue_encoder(name: str) -> nn.Module:
    """Build an encoder with random weights; none of it learns.

    Raises
    ------
    InvalidSettings
        ``timm`` is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise InvalidSettings("Histology encoders need timm: pip install timm (the extra `histology`).") from error
    spec = ENCODERS[name]
    swiglu = {"mlp_layer": timm.layers.SwiGLUPacked, "act_layer": nn.SiLU} if spec.swiglu else {}
    built = timm.create_model(
        spec.model, pretrained=False, img_size=_SIDE, patch_size=spec.patch, init_values=1e-5, num_classes=0,
        **spec.options, **swiglu,
    )  # fmt: skip
    return cast(nn.Module, built.eval().requires_grad_(False))


def tokens_of(network: nn.Module, pixels: Tensor) -> Tensor:
    """Encode pixels of the encoder's input to its patch tokens, class token and registers left out: (n, d, g, g)."""
    net = cast(Any, network)
    tokens: Tensor = net.forward_features(pixels)[:, net.num_prefix_tokens :]
    grid = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).reshape(len(tokens), -1, grid, grid)
