"""What is true of one family of models: SAM as its package computes it, published sizes, and the thesis' heads."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry
from torch import nn

from app.errors import InvalidSettings
from tests.training.models_in_test import given, opened
from training.embedded.model import plain_attention
from training.models import gathered
from training.models.architecture import architecture_of
from training.models.heads import (
    AttentionRefinement,
    Concatenation,
    CrossAttention,
    Deconvolution,
    Interpolation,
)
from training.models.sam1 import SIZES, Sam1, build_sam1
from training.models.tissue_encoders import ENCODERS, build_tissue_encoder, tokens_of
from training.prompts import Given


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("asked", [{}, {"points": 3}, {"box": False, "points": 2}, {"box": False, "mask": True}])
def test_sam_is_computed_as_its_package_does(asked: dict[str, Any]) -> None:
    """The package's predictor takes one window and one prompt, and points and corners by their pixels' centres."""
    loaded = opened("sam_vit_tiny")
    image = np.random.default_rng(2).integers(0, 255, (256, 256, 3), np.uint8)
    predictor = SamPredictor(loaded.network)
    predictor.set_image(image)
    prompt: Given = given(**asked)
    batch = gathered([prompt], 256)
    shown = None if batch.masks is None else loaded.mask_prompts.values(batch.masks)[0].numpy()
    points = prompt.points / 4 - 0.5 if len(prompt.points) else None
    box = None if prompt.box is None else prompt.box / 4 - 0.5
    _, scores, logits = predictor.predict(
        points, prompt.labels if points is not None else None, box, shown, return_logits=True
    )
    with torch.no_grad():
        embeddings = loaded.model.encode(torch.from_numpy(image).permute(2, 0, 1)[None])
        ours, our_scores = loaded.model.decode(embeddings, batch)
    assert np.allclose(ours[0, 1:].numpy(), logits, atol=1e-5)
    assert np.allclose(our_scores[0, 1:].numpy(), scores, atol=1e-5)


@pytest.mark.parametrize(("name", "millions"), [("sam_vit_b", 89.67), ("sam_vit_l", 308.28), ("sam_vit_h", 637.03)])
def test_sams_sizes_are_the_published_ones(name: str, millions: float) -> None:
    with torch.device("meta"):
        ours = build_sam1(name)
        theirs = sam_model_registry[name.removeprefix("sam_")]()
    shapes = [{key: value.shape for key, value in each.state_dict().items()} for each in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert count(cast(Any, ours).image_encoder) / 1e6 == pytest.approx(millions, abs=0.01)
    assert Sam1(ours).window_bytes == 2 * 256 * 64 * 64
    assert Sam1(ours).feature_channels == SIZES[name].width


@pytest.mark.parametrize(
    ("name", "millions", "prefix", "depth", "positions"),
    [("uni", 303.35, 1, 24, 197), ("uni2-h", 681.39, 9, 24, 256), ("h-optimus-0", 1134.77, 5, 40, 256)],
)
def test_histology_encoders_are_as_published(
    name: str, millions: float, prefix: int, depth: int, positions: int
) -> None:
    with torch.device("meta"):
        network = cast(Any, build_tissue_encoder(name))
    spec = ENCODERS[name]
    assert count(network) / 1e6 == pytest.approx(millions, abs=0.01)
    assert network.num_prefix_tokens == prefix  # class token and registers
    assert len(network.blocks) == depth
    assert network.pos_embed.shape == (1, positions, spec.width)
    assert network.patch_embed.proj.kernel_size == (spec.patch, spec.patch)
    assert (type(network.blocks[0].mlp).__name__ == "GluMlp") == (spec.patch == 14)
    assert tokens_of(network, torch.zeros(1, 3, 224, 224, device="meta")).shape == (
        1, spec.width, 224 // spec.patch, 224 // spec.patch,
    )  # fmt: skip


@pytest.mark.long
def test_an_encoder_of_true_size_computes() -> None:
    network, spec = build_tissue_encoder("uni"), ENCODERS["uni"]
    with torch.inference_mode():
        tokens = tokens_of(network, spec.pixels(torch.randint(0, 256, (1, 3, 1024, 1024))))
    assert tokens.shape == (1, 1024, 14, 14)
    assert tokens.isfinite().all()


def test_patch_tokens_are_told_from_class_token_and_registers() -> None:
    """A change in one corner of the window changes most the token of that corner, when no block mixes them."""
    for name in ("tissue_tiny14", "tissue_tiny16"):
        network, spec = cast(Any, build_tissue_encoder(name)), ENCODERS[name]
        network.blocks = nn.Sequential()
        plain = torch.full((1, 3, 224, 224), 0.3)
        marked = plain.clone()
        marked[..., -spec.patch :, : spec.patch] = -2.0
        with torch.no_grad():
            changed = (tokens_of(network, plain) - tokens_of(network, marked)).abs().amax(1)[0]
        assert (changed > 1e-6).nonzero().tolist() == [[spec.grid - 1, 0]]


def test_upsamplings_have_the_thesis_parameters() -> None:
    """Section 6.2, of H-optimus-0: "around 37 million", "only 2.38 million"."""
    with torch.device("meta"):
        assert count(Deconvolution(1536, 16, 64)) == 37_750_272
        assert count(Interpolation(1536, 16, 64)) == 2_376_192
        for kind in (Deconvolution, Interpolation):
            for channels, grid in ((1536, 16), (1024, 14)):
                assert kind(channels, grid, 64)(torch.zeros(1, channels, grid, grid, device="meta")).shape[-2:] == (
                    64, 64,
                )  # fmt: skip


def test_heads_bring_both_encoders_to_the_decoders_shape() -> None:
    with torch.device("meta"):
        features, tokens = torch.zeros(2, 768, 64, 64), torch.zeros(2, 1536, 16, 16)
        joined = Concatenation("deconvolution", 768, 1536, 16, 256, 64)
        assert joined(features, tokens).shape == (2, 256, 64, 64)
        attention = CrossAttention(768, 1536)
        assert attention(features, tokens).shape == (2, 256, 64, 64)
        assert (attention.attention.num_heads, attention.attention.embed_dim) == (8, 256)
        assert AttentionRefinement(1536)(torch.zeros(2, 3, 256, 256), tokens).shape == (2, 3, 256, 256)


def test_a_refinement_leaves_scores_and_the_single_mask_of_the_frozen_sam() -> None:
    model = opened("sam_vit_tiny,tissue_tiny16,refinement").model
    image, asked = torch.randint(0, 256, (1, 3, 256, 256)), gathered([given()], model.side)
    embeddings = model.prepare(model.encode(image))
    with torch.no_grad():
        logits, scores = model.decode(embeddings, asked)
        network = cast(Any, model.network)
        plain = Sam1(network.sam)
        before, scores_before = plain.decode(plain.encode(image), asked)
        assert torch.equal(scores, scores_before)
        assert torch.equal(logits[:, :1], before[:, :1])
        assert not torch.allclose(logits[:, 1:], before[:, 1:], atol=1e-5)
        for parameter in network.head.correction[2].parameters():
            parameter.zero_()
        assert torch.equal(model.decode(embeddings, asked)[0], before)  # the correction is added


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("uni", "uni needs a way"),
        ("uni,", "name how tokens are enlarged"),
        ("uni,nearest", "name how tokens are enlarged"),
        ("sam_vit_b,uni3,attention", "no histology encoder 'uni3'"),
        ("sam_vit_b,uni,mixture", "no way 'mixture'"),
        ("sam_vit_b,uni", "no way ''"),
        ("sam_vit_b,uni,attention,deconvolution", "enlarges nothing"),
        ("sam_vit_b,uni,concatenation", "name how tokens are enlarged"),
        ("sam2.1_hiera_b+,uni,alone,interpolation", "alone takes one of SAM"),
    ],
)
def test_a_wrong_architecture_is_told(config: str, why: str) -> None:
    with pytest.raises(InvalidSettings, match=why):
        architecture_of(config)


def test_an_architectures_name_is_read_and_written() -> None:
    assert architecture_of("uni2-h,interpolation").name == "sam_vit_b,uni2-h,alone,interpolation"
    assert architecture_of("tissue_tiny14,deconvolution").sam == "sam_vit_tiny"
    for name in ("sam2.1_hiera_b+", "sam_vit_h", "sam2.1_hiera_t,h-optimus-0,concatenation,deconvolution"):
        assert architecture_of(name).name == name


def test_plain_attention_is_what_torch_computes_masks_included() -> None:
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(1, 2, 5, 8, generator=rng)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    several = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    options: list[dict[str, Any]] = [
        {},
        {"dropout_p": 0.0},
        {"attn_mask": None},
        {"attn_mask": mask},
        {"is_causal": True},
    ]

    def computed() -> list[torch.Tensor]:
        found = [nn.functional.scaled_dot_product_attention(values, values, values, **each) for each in options]
        return [*found, several(values[0], values[0], values[0], need_weights=False)[0]]

    fused = computed()
    with plain_attention():
        for one, other in zip(computed(), fused, strict=True):
            assert torch.allclose(one, other, atol=1e-6)
