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
    recipe: Recipe, logits: Tensor, scores: Tensor, truth: Tensor, score_error: ScoreError = "absolute", *,
    alike: float = 0.0,
) -> Tensor:  # fmt: skip
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
    alike : float
        How much the mean of all proposals counts beside the one that learns, 0 to 1: where prompts leave nothing open.

    Returns
    -------
    scalar
        The proposal of least loss, or that of the best score, and the estimates of all, because the service trusts
        them.
    """
    loss = _loss_of(recipe, score_error)
    best = None if recipe.proposal == "least loss" else scores.argmax(1, keepdim=True)
    if best is not None and not alike:  # the others need not be weighed
        rows = torch.arange(len(logits), device=logits.device)[:, None]
        each = loss(_enlarged(logits[rows, best], truth), scores.gather(1, best), truth)
        return each.mean() + _of_estimates(recipe, logits, scores, truth, score_error)
    logits = _enlarged(logits, truth)
    each = loss(logits, scores, truth.expand_as(logits))
    one = each.gather(1, each.argmin(1, keepdim=True) if best is None else best).mean()
    one = one + _of_estimates(recipe, logits, scores, truth, score_error)
    return one + alike * (each.mean() - one) if alike else one


def _loss_of(recipe: Recipe, score_error: ScoreError) -> Loss:
    return sam1 if (recipe.loss, score_error) == ("sam", "squared") else LOSSES[recipe.loss]


def _of_estimates(
    recipe: Recipe, logits: Tensor, scores: Tensor, truth: Tensor, score_error: ScoreError
) -> Tensor | float:
    if not recipe.estimates:
        return 0.0
    logits = _enlarged(logits, truth)
    error = (scores - iou(logits, truth.expand_as(logits))).abs()
    return IOU_WEIGHT * (error**2 if score_error == "squared" else error).mean()


def _enlarged(logits: Tensor, truth: Tensor) -> Tensor:
    if logits.shape[-2:] == truth.shape[-2:]:
        return logits
    return interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
