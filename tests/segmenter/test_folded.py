"""The decoder as it is traced for OpenVINO gives the masks and scores of the package's own."""

from __future__ import annotations

import pytest
import torch

from app.segmenter.checkpoint import build_model
from app.segmenter.engines.folded import decoded_folded
from app.segmenter.engines.torch_engine import decoded, features

BOXES = (
    torch.tensor([[[60.0, 60.0], [190.0, 190.0]], [[20.0, 90.0], [70.0, 140.0]], [[5.0, 5.0], [250.0, 99.0]]]),
    torch.tensor([[2, 3]] * 3, dtype=torch.int32),
)
CLICKS = (torch.tensor([[[60.0, 60.0], [9.0, 190.0], [99.0, 9.0]]]), torch.tensor([[1, 0, 1]], dtype=torch.int32))


@pytest.fixture(scope="module", params=["embedded", "sam2.1_hiera_t"])
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    """Give a model with weights by chance whose masks are of both signs; the larger one has a token for presence."""
    torch.manual_seed(2)
    return build_model(request.param, 1.0 if request.param == "embedded" else 0.25).eval()


@pytest.mark.parametrize("prompts", [BOXES, CLICKS], ids=["boxes", "clicks"])
def test_masks_and_scores_are_those_of_the_package(
    model: torch.nn.Module, prompts: tuple[torch.Tensor, torch.Tensor]
) -> None:
    with torch.inference_mode():
        levels = list(features(model, torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(3))))
        masks, scores = decoded(model, levels, *prompts)
        folded_masks, folded_scores = decoded_folded(model, levels, *prompts)
    assert folded_masks.shape == masks.shape
    assert float((folded_masks - masks).abs().max()) < 1e-4 * float(masks.abs().max())
    torch.testing.assert_close(folded_scores, scores, rtol=1e-4, atol=1e-5)
    assert masks.std() > 0
