"""Whether two engines see the same: the masks that they lead to, and the outlines that people would be shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask, extent_of, mask_in_model_frame
from app.segmenter.engines.tissue import Example
from app.usecases.ports import Claim, Segmenter

LEAST_IOU, LEAST_LOW_IOU, MOST_OUTLINE_PX = 0.98, 0.95, 0.25
"""What `why_not_the_same` asks of a float engine; how they were chosen: decision 0059."""
LEAST_INT8_IOU = 0.98
"""Of int8's masks with those of float32 on torch, mean over windows that its ranges were not taken from."""
_LOW = 5
"""Percentile of the IoUs that counts as low: one mask in twenty may be a close call that tips over."""

Logits = npt.NDArray[np.float32]


class Seen(NamedTuple):
    """What an engine made of examples."""

    masks: tuple[tuple[Logits, ...], ...]
    """Of each prompt, raw values of the three proposals, (s/4, s/4)."""
    best: tuple[int, ...]
    """Which of them had the highest score."""
    encode_s: float
    """The quickest window, since whatever else the machine does only slows it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an engine's masks differ from the reference's."""

    iou: float
    """Mean."""
    low_iou: float
    """The IoU that one mask in twenty stays below."""
    outline_px: float
    """Mean distance from outline to outline, pixels of a window of 1,024."""
    area: float
    """Mean change of the area, as a share of it; 0 where no area changes."""


def seen(segmenter: Segmenter, examples: Sequence[Example]) -> Seen:
    """Encode windows, decode what is asked about them, and time the encoder."""
    masks: list[tuple[Logits, ...]] = []
    best, times = [], []
    for example in examples:
        start = time.perf_counter()
        embedding = segmenter.encode(example.window, Claim())
        times.append(time.perf_counter() - start)
        for found in segmenter.decode_each(embedding, example.prompts):
            masks.append(tuple(found.logits))
            best.append(found.best)
    return Seen(tuple(masks), tuple(best), min(times))


def agreement(reference: Seen, candidate: Seen) -> Agreement:
    """Compare, of each prompt, the mask to which the reference gives the highest score."""
    pairs = [
        (mask_in_model_frame(ours[at]), mask_in_model_frame(theirs[at]))
        for ours, theirs, at in zip(reference.masks, candidate.masks, reference.best, strict=True)
    ]
    return difference(*zip(*pairs, strict=True))


def difference(these: Sequence[BoolMask], those: Sequence[BoolMask]) -> Agreement:
    """Compare masks of the same places, (1024, 1024); where neither holds anything, they are the same."""
    ious, apart, areas = [], [], []
    for one, other in zip(these, those, strict=True):
        union = int(np.count_nonzero(one | other))
        ious.append(np.count_nonzero(one & other) / union if union else 1.0)
        apart.append(_apart(one, other) if ious[-1] < 1 else 0.0)
        areas.append(abs(np.count_nonzero(one) - np.count_nonzero(other)) / union if union else 0.0)
    mean_iou, outline_px, area = (float(np.mean(each)) for each in (ious, apart, areas))
    return Agreement(mean_iou, float(np.percentile(ious, _LOW)), outline_px, area)


def why_not_the_same(found: Agreement) -> str | None:
    """Tell why an engine of the same weights must not stand for the reference, or None if it may."""
    if not found.iou >= LEAST_IOU:  # NaN is refused, too
        return f"its masks have a mean IoU of {found.iou:.4f} with the reference's, not {LEAST_IOU}"
    if not found.low_iou >= LEAST_LOW_IOU:
        return f"one mask in twenty has an IoU below {found.low_iou:.4f} with the reference's, not {LEAST_LOW_IOU}"
    if not found.outline_px <= MOST_OUTLINE_PX:
        return f"its outlines lie {found.outline_px:.2f} px from the reference's, not {MOST_OUTLINE_PX:g}"
    return None


def _apart(one: BoolMask, other: BoolMask) -> float:
    """Give the mean distance from outline to outline, both ways; the window's side where one of them has none."""
    left, top, right, bottom = extent_of(one | other)  # farther away there is no outline
    borders = [_border(np.pad(mask[top:bottom, left:right], 1)) for mask in (one, other)]
    if not all(border.any() for border in borders):
        return 0.0 if not any(border.any() for border in borders) else float(one.shape[0])
    away = [cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for border in borders]
    return float((away[1][borders[0]].mean() + away[0][borders[1]].mean()) / 2)


def _border(mask: BoolMask) -> BoolMask:
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    return np.asarray(mask & (eroded == 0))
