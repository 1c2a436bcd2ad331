"""The contract of promptable models, on every one of them; what is true of one alone is in the tests of its family."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from app.errors import InvalidSettings
from tests.training.models_in_test import EVERY, JOINED, given, opened
from training.finetune.losses import bce_iou
from training.mask_prompts import OF_THE_THESIS
from training.models import Embeddings, Loaded, Promptable, PromptBatch, chosen, gathered, open_model

FROZEN_PARTS = ("tissue.", "image_encoder.", "sam.image_encoder.")


@pytest.fixture(params=EVERY, scope="module")
def loaded(request: pytest.FixtureRequest) -> Loaded:
    return opened(request.param)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (2, 3, 200, 200), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def ready(model: Promptable, images: Tensor) -> Embeddings:
    return model.prepare(model.encode(images))


def prompts(model: Promptable, *kinds: dict[str, object]) -> PromptBatch:
    return gathered([given(**kind) for kind in kinds], model.side)  # type: ignore[arg-type]


BOX, BOX_AND_POINTS, POINTS = {"box": True}, {"box": True, "points": 3}, {"box": False, "points": 2}
MASK = {"box": False, "mask": True}


@torch.no_grad()
def test_it_gives_four_masks_and_scores_for_every_window(loaded: Loaded, images: Tensor) -> None:
    model = loaded.model
    logits, scores = model.decode(ready(model, images), prompts(model, BOX, POINTS))
    assert logits.shape == (2, 4, model.side // 4, model.side // 4)
    assert scores.shape == (2, 4)
    assert logits.dtype == scores.dtype == torch.float32
    assert logits.isfinite().all()
    assert scores.isfinite().all()
    kept, best = chosen(logits, scores)
    assert kept.shape == (2, model.side // 4, model.side // 4)
    assert torch.equal(best, scores[:, 1:].max(1).values)


@torch.no_grad()
def test_windows_and_prompts_of_a_batch_do_not_meet(loaded: Loaded, images: Tensor) -> None:
    model = loaded.model
    asked = [BOX_AND_POINTS, {"box": True, "points": 1}]
    both = model.decode(ready(model, images), prompts(model, *asked))
    for row, one in enumerate(asked):
        alone = model.decode(ready(model, images[row : row + 1]), prompts(model, {**one, "points": one["points"]}))
        if one["points"] == 3:  # fewer points are padded in the batch, which the decoders see
            assert torch.allclose(both[0][row], alone[0][0], atol=1e-4)
            assert torch.allclose(both[1][row], alone[1][0], atol=1e-4)


@torch.no_grad()
def test_every_kind_of_prompt_and_the_window_count(loaded: Loaded, images: Tensor) -> None:
    model = loaded.model
    embeddings = ready(model, images[:1])
    seen = [model.decode(embeddings, prompts(model, kind))[0] for kind in (BOX, BOX_AND_POINTS, POINTS, MASK)]
    seen.append(model.decode(ready(model, images[1:]), prompts(model, BOX))[0])
    for index, one in enumerate(seen):
        assert not any(torch.allclose(one, other, atol=1e-7) for other in seen[index + 1 :])


@torch.no_grad()
def test_mask_prompts_enter_as_the_checkpoint_learned_them(loaded: Loaded, images: Tensor) -> None:
    model = loaded.model
    before, embeddings = model.mask_prompts, ready(model, images[:1])
    raw = model.decode(embeddings, prompts(model, MASK))[0]
    try:
        model.mask_prompts = OF_THE_THESIS
        binary = model.decode(embeddings, prompts(model, MASK))[0]
        assert model.checkpoint()["mask_prompt"] == OF_THE_THESIS.on_a_card()
    finally:
        model.mask_prompts = before
    assert not torch.allclose(raw, binary, atol=1e-6)


@torch.no_grad()
def test_embeddings_can_be_kept_and_repeated(loaded: Loaded, images: Tensor) -> None:
    model = loaded.model
    found = model.encode(images)
    kept = [tensor.half() for tensor in (found.image, *found.further)]
    assert sum(tensor[0].numel() * 2 for tensor in kept) == model.window_bytes
    again = Embeddings(kept[0].float(), tuple(tensor.float() for tensor in kept[1:]))
    asked = prompts(model, BOX, BOX)
    fresh, stored = (model.decode(model.prepare(each), asked)[0] for each in (found, again))
    assert (fresh - stored).abs().max() < 0.02 * fresh.abs().max()
    twice = model.decode(model.prepare(model.encode(images[:1])).repeated(2), asked)[0]
    assert torch.allclose(twice[0], fresh[0], atol=1e-4)
    assert torch.allclose(twice[1], fresh[0], atol=1e-4)


def steps(model: Promptable, images: Tensor, count: int) -> list[float]:
    """Learn an object from a box, with embeddings encoded once as long as the encoder is frozen."""
    optimizer = torch.optim.AdamW([each for each in model.network.parameters() if each.requires_grad], lr=2e-3)
    asked, losses = prompts(model, BOX, BOX_AND_POINTS), []
    shares = prompts(model, MASK).masks
    assert shares is not None
    truth = shares.expand(2, 3, -1, -1)
    model.network.train()
    for _ in range(count):
        logits, scores = model.decode(ready(model, images), asked)
        loss = bce_iou(logits[:, 1:], scores[:, 1:], truth).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    model.network.eval()
    return losses


@pytest.mark.parametrize("config", EVERY)
def test_it_learns_where_it_may_and_nowhere_else(config: str, images: Tensor) -> None:
    model = opened(config).model
    before = {name: value.detach().clone() for name, value in model.network.named_parameters()}
    model.freeze("decoder", 0)
    losses = steps(model, images, 3)
    assert losses[-1] < losses[0]
    after = dict(model.network.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert moved <= {name for name, value in after.items() if value.requires_grad}
    assert not any(name.startswith(FROZEN_PARTS) for name in moved)
    if config in JOINED:
        assert any(name.startswith("head.") for name in moved)
        assert all(value is not None for name, value in moved_gradients(model.network).items() if "head." in name)
    if "refinement" in config:
        assert all(name.startswith("head.") for name in moved)
    elif config in JOINED:
        assert any("mask_decoder" in name for name in moved)


def moved_gradients(network: nn.Module) -> dict[str, Tensor | None]:
    return {name: value.grad for name, value in network.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("config", EVERY)
def test_what_it_saves_opens_again_and_does_the_same(config: str, images: Tensor, tmp_path: Path) -> None:
    model = open_model("random", config, "random").model
    model.freeze("decoder", 0)
    steps(model, images, 1)
    model.mask_prompts = replace(OF_THE_THESIS)
    file = tmp_path / "mine.pt"
    content = model.checkpoint()
    torch.save(content, file)
    again = open_model(str(file), None if config in JOINED else config)
    assert again.config == config
    assert again.mask_prompts == OF_THE_THESIS
    asked = prompts(model, BOX, BOX_AND_POINTS)
    with torch.no_grad():
        for one, other in zip(
            model.decode(ready(model, images), asked),
            again.model.decode(ready(again.model, images), asked),
            strict=True,
        ):
            assert torch.allclose(one, other, atol=1e-5)
    if config in JOINED:
        assert not any(name.startswith(FROZEN_PARTS) for name in content["model"])


@pytest.mark.parametrize("config", EVERY)
def test_it_says_what_of_it_can_learn(config: str) -> None:
    model = opened(config).model
    assert "decoder" in model.tunes
    for tune in ("lora", "all"):
        if tune in model.tunes:
            model.freeze(tune, 2)  # type: ignore[arg-type]
            assert any(
                value.requires_grad for name, value in model.network.named_parameters() if "image_encoder" in name
            )
        else:
            with pytest.raises(InvalidSettings, match="stay frozen"):
                model.freeze(tune, 2)  # type: ignore[arg-type]


def test_lora_is_merged_before_anybody_loads_it(images: Tensor) -> None:
    for config in ("embedded", "sam_vit_tiny"):
        model = opened(config).model
        model.freeze("lora", 2)
        assert steps(model, images, 2)[1] > 0
        memory = io.BytesIO()
        torch.save(model.checkpoint()["model"], memory)
        plain = opened(config).model
        memory.seek(0)
        plain.network.load_state_dict(torch.load(memory, weights_only=True), strict=True)
        with torch.no_grad():
            one, other = (each.encode(images).image for each in (model, plain))
            assert torch.allclose(one, other, atol=1e-3)
            assert not torch.allclose(one, opened(config).model.encode(images).image, atol=1e-5)
