"""Signs: what the decoder's masks tell of how good the one is that was taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.geometry.choices import Taken
from app.geometry.masks import BoolMask, Masks

STABILITY_SHIFT = 4.0
"""By how much the threshold is shifted either way, raw values. SAM's generator of masks takes 1; with 4 the sign tells
more of windows that hold no object (decision 0034)."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Each 0 to 1; more is better."""

    score: float
    """The model's own estimate of the IoU."""
    stability: float
    """IoU of the masks above a raised and a lowered threshold."""
    agreement: float
    """Mean IoU of the mask with the decoder's other ones."""
    inside: float
    """Share of the window's border that the mask leaves alone."""


def signs_of(masks: Masks, taken: Taken) -> Signs:
    """Read the signs of a mask.

    Parameters
    ----------
    masks : Masks
        Raw values at the decoder's own size: three or four masks of (h, w).
    taken : Taken
        The mask in question.

    Returns
    -------
    Signs
        A mask without a pixel has no stability and no agreement.
    """
    mask = masks.of(taken)
    found = mask.logits > 0
    others = [masks.logits[at] > 0 for at in range(len(masks.logits)) if at != taken]
    if masks.single is not None and taken != "single":
        others.append(masks.single.logits > 0)
    return Signs(
        float(np.clip(mask.score, 0.0, 1.0)),
        _iou(mask.logits > STABILITY_SHIFT, mask.logits > -STABILITY_SHIFT),
        float(np.mean([_iou(found, other) for other in others])) if others else 1.0,
        1.0 - float(_border(found).mean()),
    )


def _iou(one: BoolMask, other: BoolMask) -> float:
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 0.0


def _border(mask: BoolMask) -> BoolMask:
    """Give the pixels along the four sides, one after the other."""
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
