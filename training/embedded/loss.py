"""What the embedded model is trained on: masks as people want them, and an honest estimate of their IoU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import interpolate

DICE = 0.5
IOU_HEAD = 0.05
"""Weight of the error of the predicted IoU; source: the thesis, section 5.2."""


def masks_loss(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Weigh the proposals of a batch.

    Parameters
    ----------
    logits : (b, 4, h, w)
        Raw values of the single-mask token, then of the three tokens that the service chooses from.
    scores : (b, 4)
        Predicted IoU of each.
    truth : (b, 1, s, s)
        Share of object, 0 to 1; s may be larger than h.

    Returns
    -------
    scalar
        The best of the three counts most; the others and the single mask count a little, so that none is useless.
    """
    logits = interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
    target = truth.expand_as(logits)
    each = bce(logits, target, reduction="none").mean((2, 3)) + DICE * (1 - dice(logits.sigmoid(), target))
    estimate = (scores - iou(logits, target)).abs()
    three = each[:, 1:]
    shape = 0.6 * three.min(1).values.mean() + 0.4 * three.mean() + 0.3 * each[:, 0].mean()
    return shape + IOU_HEAD * estimate.sum(1).mean()


def dice(probability: Tensor, target: Tensor) -> Tensor:
    """Soft Dice over the last two dimensions."""
    common = (probability * target).sum((2, 3))
    return (2 * common + 1) / (probability.sum((2, 3)) + target.sum((2, 3)) + 1)


@torch.no_grad()
def iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of the thresholded masks over the last two dimensions."""
    found, wanted = logits > 0, target > 0.5
    union = (found | wanted).sum((2, 3)).clamp(min=1)
    return (found & wanted).sum((2, 3)) / union
