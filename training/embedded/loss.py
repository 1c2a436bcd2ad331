"""What the embedded model is trained on: masks as people want them, and an honest estimate of their IoU."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from training.finetune.losses import IOU_WEIGHT, cross_entropy, dice, iou

DICE = 0.5


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
    each = cross_entropy(logits, target) + DICE * dice(logits, target)
    estimate = (scores - iou(logits, target)).abs()
    three = each[:, 1:]
    shape = 0.6 * three.min(1).values.mean() + 0.4 * three.mean() + 0.3 * each[:, 0].mean()
    return shape + IOU_WEIGHT * estimate.sum(1).mean()
