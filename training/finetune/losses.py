"""The losses of the thesis (section 5.2) and ours, for each of several proposals.

All take raw values and give one number per object and proposal, so that a training can choose among the proposals and
a test can compare with numbers on paper.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from training.finetune.recipe import Recipe
from training.models.promptable import ScoreError

IOU_WEIGHT = 0.05
"""Of the error of the predicted IoU beside the cross entropy; source: section 5.2.2."""
FOCAL_WEIGHT = 20.0
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
"""Source: SAM's own training; the thesis leaves them open."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean binary cross entropy over the pixels; (b, k, h, w) and (b, k, h, w) to (b, k)."""
    return binary_cross_entropy_with_logits(logits, truth, reduction="none").mean((2, 3))


def focal(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean focal loss over the pixels, (b, k): cross entropy that forgets what is already right."""
    each = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    probability = logits.sigmoid()
    right = probability * truth + (1 - probability) * (1 - truth)
    balance = FOCAL_ALPHA * truth + (1 - FOCAL_ALPHA) * (1 - truth)
    return (balance * (1 - right) ** FOCAL_GAMMA * each).mean((2, 3))


def focal_of_the_thesis(logits: Tensor, truth: Tensor) -> Tensor:
    """Focal loss as the author's code has it, (b, k): the mean over the rows, summed over the columns.

    The formula of section 5.2.1 sums over all pixels; SAM 2's own training takes the mean.
    """
    return focal(logits, truth) * logits.shape[-1]


def dice(logits: Tensor, truth: Tensor) -> Tensor:
    """One minus the soft Dice, (b, k), with one pixel added above and below."""
    probability = logits.sigmoid()
    common = (probability * truth).sum((2, 3))
    return 1 - (2 * common + 1) / (probability.sum((2, 3)) + truth.sum((2, 3)) + 1)


@torch.no_grad()
def iou(logits: Tensor, truth: Tensor) -> Tensor:
    """IoU of the thresholded masks, (b, k)."""
    found, wanted = logits > 0, truth > 0.5
    union = (found | wanted).sum((2, 3)).clamp(min=1)
    return (found & wanted).sum((2, 3)) / union


def iou_of_masks(kept: Tensor, truth: Tensor) -> Tensor:
    """IoU of the masks that were kept, raw values (b, h, w), enlarged to the truth, (b, 1, s, s); gives (b,)."""
    return iou(_enlarged(kept.float().unsqueeze(1), truth), truth)[:, 0]


def bce(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh as the thesis does for SAM: cross entropy alone, (b, k)."""
    return cross_entropy(logits, truth) + 0 * scores


def bce_iou(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh as the thesis does for SAM 2: cross entropy + 0.05 |predicted IoU - IoU|, (b, k)."""
    return cross_entropy(logits, truth) + IOU_WEIGHT * (scores - iou(logits, truth)).abs()


def sam(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh as SAM 2's own training: 20 focal + Dice + |predicted IoU - IoU|, (b, k)."""
    return FOCAL_WEIGHT * focal(logits, truth) + dice(logits, truth) + (scores - iou(logits, truth)).abs()


def sam1(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh as SAM's own training: 20 focal + Dice + (predicted IoU - IoU)², (b, k)."""
    return FOCAL_WEIGHT * focal(logits, truth) + dice(logits, truth) + (scores - iou(logits, truth)) ** 2


def original_sam(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh as the thesis' "original loss" of SAM: the error of the predicted IoU is squared, (b, k)."""
    return _original(logits, truth) + (scores - iou(logits, truth)) ** 2


def original_sam2(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh as the thesis' "original loss" of SAM 2: the error of the predicted IoU is absolute, (b, k)."""
    return _original(logits, truth) + (scores - iou(logits, truth)).abs()


def _original(logits: Tensor, truth: Tensor) -> Tensor:
    return FOCAL_WEIGHT * focal_of_the_thesis(logits, truth) + dice(logits, truth)


LOSSES: dict[str, Loss] = {
    "bce-iou": bce_iou, "sam": sam, "bce": bce, "original-sam": original_sam, "original-sam2": original_sam2,
}  # fmt: skip


def weighed(
    recipe: Recipe, logits: Tensor, scores: Tensor, truth: Tensor, score_error: ScoreError = "absolute"
) -> Tensor:
    """Weigh a batch as a recipe says.

    Parameters
    ----------
    logits : (b, k, h, w)
        Raw values of the proposals.
    scores : (b, k)
        Their predicted IoU.
    truth : (b, 1, s, s)
        0 to 1; the proposals are enlarged to it.
    score_error : str
        How the model's own training weighs the error of the predicted IoU; so do ``sam`` and the estimates.

    Returns
    -------
    scalar
    """
    loss = _loss_of(recipe, score_error)
    weight = IOU_WEIGHT if recipe.estimates else 0.0
    if recipe.proposal == "least loss":
        return best_of_proposals(loss, logits, scores, truth, weight, score_error)
    best = scores.argmax(1, keepdim=True)
    rows = torch.arange(len(logits), device=logits.device)[:, None]
    enlarged = _enlarged(logits[rows, best], truth)
    weights = loss(enlarged, scores.gather(1, best), truth).mean()
    return weights + weight * _of_estimates(logits, scores, truth, score_error) if weight else weights


def _loss_of(recipe: Recipe, score_error: ScoreError) -> Loss:
    return sam1 if (recipe.loss, score_error) == ("sam", "squared") else LOSSES[recipe.loss]


def every_proposal(
    recipe: Recipe, logits: Tensor, scores: Tensor, truth: Tensor, score_error: ScoreError = "absolute"
) -> Tensor:
    """Weigh all proposals alike, as where the prompts leave nothing open; parameters are those of `weighed`."""
    logits = _enlarged(logits, truth)
    return _loss_of(recipe, score_error)(logits, scores, truth.expand(-1, logits.shape[1], -1, -1)).mean()


def best_of_proposals(
    loss: Loss, logits: Tensor, scores: Tensor, truth: Tensor, weight: float = IOU_WEIGHT,
    score_error: ScoreError = "absolute",
) -> Tensor:  # fmt: skip
    """Weigh a batch: the mask of least loss, and the estimates of all, because the service trusts them.

    Parameters and result are those of `weighed`; `weight` is that of the estimates.
    """
    logits = _enlarged(logits, truth)
    each = loss(logits, scores, truth.expand(-1, logits.shape[1], -1, -1))
    least = each.gather(1, each.argmin(1, keepdim=True)).mean()
    return least + weight * _of_estimates(logits, scores, truth, score_error) if weight else least


def _of_estimates(logits: Tensor, scores: Tensor, truth: Tensor, score_error: ScoreError) -> Tensor:
    logits = _enlarged(logits, truth)
    error = (scores - iou(logits, truth.expand(-1, logits.shape[1], -1, -1))).abs()
    return (error**2 if score_error == "squared" else error).mean()


def _enlarged(logits: Tensor, truth: Tensor) -> Tensor:
    return interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
