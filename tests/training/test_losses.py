"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from training.finetune.losses import LOSSES, bce_iou, cross_entropy, dice, focal, iou, sam, weighed
from training.finetune.recipe import Proposal, Recipe
from training.models.promptable import ScoreError

# one object, one proposal, four pixels: probabilities 0.5, 0.5, 0.8, 0.2
LOGITS = torch.tensor([[[[0.0, 0.0], [math.log(4), -math.log(4)]]]])
TRUTH = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])


def test_cross_entropy() -> None:
    by_hand = (2 * -math.log(0.5) + 2 * -math.log(0.8)) / 4
    assert cross_entropy(LOGITS, TRUTH).item() == pytest.approx(by_hand)


def test_focal() -> None:
    # alpha 0.25 on object, 0.75 on ground; (1 - p)² with p the probability of the right answer
    by_hand = 0.25 * 0.25 * -math.log(0.5) + 0.75 * 0.25 * -math.log(0.5)
    by_hand += 0.25 * 0.04 * -math.log(0.8) + 0.75 * 0.04 * -math.log(0.8)
    assert focal(LOGITS, TRUTH).item() == pytest.approx(by_hand / 4)


def test_dice() -> None:
    assert dice(LOGITS, TRUTH).item() == pytest.approx(1 - (2 * (0.5 + 0.8) + 1) / (2.0 + 2 + 1))


def test_iou_counts_raw_values_above_zero() -> None:
    assert iou(LOGITS, TRUTH).item() == pytest.approx(1 / 2)  # found: the third pixel; wanted: the first and the third
    assert iou(torch.full((1, 1, 2, 2), -1.0), torch.zeros(1, 1, 2, 2)).item() == 0


def test_the_two_losses() -> None:
    scores = torch.tensor([[0.9]])
    assert bce_iou(LOGITS, scores, TRUTH).item() == pytest.approx(cross_entropy(LOGITS, TRUTH).item() + 0.05 * 0.4)
    by_hand = 20 * focal(LOGITS, TRUTH).item() + dice(LOGITS, TRUTH).item() + 0.4
    assert sam(LOGITS, scores, TRUTH).item() == pytest.approx(by_hand)
    assert {"bce-iou", "sam"} <= set(LOSSES)


def test_the_best_proposal_learns_and_all_estimates_do() -> None:
    logits = torch.stack([LOGITS[0, 0], -LOGITS[0, 0], torch.full((2, 2), -2.0)])[None].requires_grad_()
    scores = torch.tensor([[0.5, 0.5, 0.5]], requires_grad=True)
    loss = weighed(Recipe(), logits, scores, TRUTH)
    # IoU of the three: 1/2, 0 (only the last pixel found), 0; so the errors of the estimates are 0, 0.5, 0.5
    by_hand = cross_entropy(LOGITS, TRUTH).item() + 0.05 * (0.5 + 0.5) / 3
    assert loss.item() == pytest.approx(by_hand)
    loss.backward()
    assert logits.grad is not None
    assert scores.grad is not None
    assert logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[0, 1:].abs().sum() == 0
    assert (scores.grad[0, 1:].abs() > 0).all()


@pytest.mark.parametrize("proposal", ["least loss", "best score"])
def test_where_prompts_leave_nothing_open_all_proposals_count(proposal: Proposal) -> None:
    logits = torch.stack([LOGITS[0, 0], -LOGITS[0, 0], torch.full((2, 2), -2.0)])[None]
    scores, recipe = torch.tensor([[0.6, 0.5, 0.5]]), Recipe(proposal=proposal)
    one = weighed(recipe, logits, scores, TRUTH).item()
    mean = bce_iou(logits, scores, TRUTH.expand_as(logits)).mean().item()
    assert weighed(recipe, logits, scores, TRUTH, alike=0.5).item() == pytest.approx((one + mean) / 2)
    assert weighed(recipe, logits, scores, TRUTH, alike=1.0).item() == pytest.approx(mean)


@pytest.mark.parametrize("estimates", [True, False])
def test_the_score_of_sam_learns_from_its_squared_error(estimates: bool) -> None:
    logits = torch.full((1, 1, 4, 4), 9.0)
    scores, truth = torch.tensor([[0.6]]), torch.ones(1, 1, 4, 4)  # the IoU is 1, the error 0.4
    recipe = Recipe(loss="sam", estimates=estimates)
    absolute, squared = (weighed(recipe, logits, scores, truth, error).item() for error in get_args(ScoreError)[:2])
    assert absolute - squared == pytest.approx((0.4 - 0.4**2) * (1.05 if estimates else 1.0), abs=1e-5)
