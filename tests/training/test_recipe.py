"""The recipe, the thesis' preset, and mask prompts as a checkpoint learned them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import WeightsCorrupt
from app.segmenter.weights.card import card_of
from app.segmenter.weights.checks import file_sha256
from training.dataset import Dataset
from training.finetune.losses import LOSSES, bce_iou, focal, focal_of_the_thesis, weighed
from training.finetune.recipe import PRESETS, Combination, Recipe, combinations_of, recipe_of
from training.mask_prompts import BINARY, OF_THE_THESIS, UNTOLD, MaskPrompts, mask_prompts_of, read_mask_prompts
from training.models import gathered, open_model
from training.prompts import Given

THESIS = PRESETS["thesis"]


def test_the_preset_of_the_thesis_is_what_the_thesis_says() -> None:
    assert (THESIS.epochs, THESIS.learning_rate, THESIS.weight_decay, THESIS.batch) == (30, 1e-5, 1e-4, 16)
    assert (THESIS.loss, THESIS.proposal, THESIS.estimates, THESIS.loss_side) == ("bce-iou", "best score", False, 1024)
    assert (THESIS.points, THESIS.redrawn, THESIS.best_by, THESIS.patience) == (5, False, "loss", 0)
    assert THESIS.mask_values == (0.0, 1.0)
    assert PRESETS["ours"] == Recipe()


ALL: Combination = ("box", "mask", "positive", "negative")


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (ALL, [("box",), ("mask",), ("box", "positive", "negative"), ("mask", "positive", "negative"), ALL]),
        (("mask",), [("mask",)]),
        (("positive", "box"), [("box",), ("positive",), ("box", "positive")]),
        (("mask", "negative"), [("mask",), ("negative",), ("mask", "negative")]),
        (
            ("box", "positive", "negative"),
            [("box",), ("positive",), ("negative",), ("box", "positive", "negative")],
        ),
    ],
)
def test_combinations_are_those_of_the_authors_code(types: Combination, expected: list[Combination]) -> None:
    assert combinations_of(Recipe(combinations="thesis", prompt_types=types)) == expected


def test_a_combination_has_the_same_number_of_points_of_each_kind() -> None:
    found = recipe_of(ALL, THESIS.points, "scribble")
    assert (found.box, found.mask, found.positive, found.negative) == ("jittered", "scribble", 5, 5)


def test_the_proposal_that_the_model_trusts_learns_alone() -> None:
    torch.manual_seed(0)
    truth = (torch.rand(2, 1, 8, 8) > 0.5).float()
    logits = torch.randn(2, 3, 2, 2, requires_grad=True)
    scores = torch.tensor([[0.1, 0.9, 0.2], [0.7, 0.3, 0.1]], requires_grad=True)
    weighed(THESIS, logits, scores, truth).backward()
    assert logits.grad is not None
    assert scores.grad is not None
    assert [[bool(each) for each in row] for row in logits.grad.abs().sum((2, 3)) > 0] == [
        [False, True, False],
        [True, False, False],
    ]
    assert ((scores.grad != 0) == (logits.grad.abs().sum((2, 3)) > 0)).all()


def test_the_loss_of_the_thesis_is_that_of_the_whole_batch() -> None:
    """Mean over all pixels of all objects, and 0.05 of the mean error of the scores, at the size of the truth."""
    torch.manual_seed(1)
    truth = (torch.rand(2, 1, 8, 8) > 0.5).float()
    logits, scores = torch.randn(2, 3, 8, 8), torch.tensor([[0.1, 0.9, 0.2], [0.7, 0.3, 0.1]])
    picked = torch.stack([logits[0, 1], logits[1, 0]])[:, None]
    bce = torch.nn.BCEWithLogitsLoss()(picked, truth)
    found, wanted = picked > 0, truth > 0
    iou = (found & wanted).sum((1, 2, 3)) / (found | wanted).sum((1, 2, 3))
    by_hand = bce + 0.05 * (torch.tensor([0.9, 0.7]) - iou).abs().mean()
    assert weighed(THESIS, logits, scores, truth).item() == pytest.approx(by_hand.item())
    least = weighed(Recipe(estimates=False), logits, scores, truth).item()
    assert least <= weighed(THESIS, logits, scores, truth).item()


def test_scores_are_squared_for_sam_and_not_for_sam_2() -> None:
    logits, truth, scores = torch.full((1, 1, 4, 4), 9.0), torch.ones(1, 1, 4, 4), torch.tensor([[0.6]])
    squared, absolute = (LOSSES[name](logits, scores, truth).item() for name in ("original-sam", "original-sam2"))
    assert absolute - squared == pytest.approx(0.4 - 0.4**2, abs=1e-5)
    assert focal_of_the_thesis(-logits, truth).item() == pytest.approx(4 * focal(-logits, truth).item())
    assert LOSSES["bce"](logits, scores, truth).item() == pytest.approx(
        (bce_iou(logits, scores, truth) - 0.05 * 0.4).item(), abs=1e-6
    )


def test_mask_prompts_hold_the_values_that_the_checkpoint_knows() -> None:
    mask = np.zeros((1024, 1024), bool)
    mask[256:512, 256:512] = True
    given = [Given(None, np.empty((0, 2)), np.empty(0, np.int32), mask)]
    for values, known in ((UNTOLD, {-6.9, 6.9}), (MaskPrompts(*BINARY), {0.0, 1.0})):
        shares = gathered(given, 256).masks
        assert shares is not None
        shown = values.values(shares)
        assert {round(float(value), 3) for value in shown.unique()} == known


def card(checkpoint: Path, **members: object) -> Path:
    checkpoint.write_bytes(b"weights")
    content = {"name": "mine", "config": "embedded", "sha256": file_sha256(checkpoint), **members}
    card_of(checkpoint).write_text(json.dumps(content))
    return checkpoint


def test_a_card_tells_how_masks_were_learnt(tmp_path: Path) -> None:
    told = card(tmp_path / "told.pt", mask_prompt=OF_THE_THESIS.on_a_card())
    assert mask_prompts_of(told) == OF_THE_THESIS
    assert mask_prompts_of(card(tmp_path / "untold.pt")) == UNTOLD
    (tmp_path / "bare.pt").write_bytes(b"weights")
    assert mask_prompts_of(tmp_path / "bare.pt") == UNTOLD
    for wrong in ([], {"inside": "1"}, {"inside": True}, {"values": 1}, {"inside": 1e9}, {"learned": 3}):
        with pytest.raises(WeightsCorrupt, match="mask_prompt"):
            mask_prompts_of(card(tmp_path / "wrong.pt", mask_prompt=wrong))
    assert read_mask_prompts({"inside": 2}) == MaskPrompts(inside=2.0)


def test_the_embedded_model_says_that_it_never_learned_masks() -> None:
    assert open_model("embedded", None).mask_prompts.learned is False


@pytest.mark.parametrize(
    ("options", "name"),
    [((), "thesis"), (("--interactive",), "ours"), (("--recipe", "ours"), "ours"), (("--patience", "3"), "thesis")],
)
def test_the_recipe_where_none_is_named(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], name: str
) -> None:
    from typer.testing import CliRunner

    from training.cli import app

    given: list[Recipe] = []
    monkeypatch.setattr("training.cli.train.run_training", lambda *arguments: given.append(arguments[3]))
    monkeypatch.setattr("training.cli.train.told", lambda *_: "")
    place = ("--data", str(dataset.folder), "--out", str(tmp_path / "run"), "--checkpoint", "embedded")
    answer = CliRunner().invoke(app, ["train", *place, *options])
    assert answer.exit_code == 0, answer.output
    (recipe,), preset = given, PRESETS[name]
    assert (recipe.combinations, recipe.best_by) == (preset.combinations, preset.best_by)
    assert recipe.patience == (3 if "--patience" in options else preset.patience)
