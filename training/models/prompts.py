"""Prompts of several objects, gathered into what a model takes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch

from app.geometry.windows import MODEL_SIDE_PX
from training.models.promptable import PADDING, PromptBatch
from training.prompts import Given


def gathered(given: Sequence[Given], side: int) -> PromptBatch:
    """Gather the prompts of several objects, from the model frame to the pixels of a model's input.

    Parameters
    ----------
    given : sequence of Given
        Either all with a mask or all without.
    side : int
        Of the model's input.
    """
    scale = side / MODEL_SIDE_PX
    most = max((len(each.points) for each in given), default=0)
    points = np.zeros((len(given), most, 2), np.float32)
    labels = np.full((len(given), most), PADDING, np.int32)
    boxes = np.zeros((len(given), 4), np.float32)
    for index, each in enumerate(given):
        points[index, : len(each.points)] = each.points * scale
        labels[index, : len(each.points)] = each.labels
        if each.box is not None:
            boxes[index] = each.box * scale
    shown = [each.mask for each in given if each.mask is not None]
    if shown and len(shown) < len(given):
        raise ValueError("mask prompts are given to all objects of a batch or to none")
    return PromptBatch(
        torch.from_numpy(boxes),
        torch.tensor([each.box is not None for each in given]),
        torch.from_numpy(points),
        torch.from_numpy(labels),
        torch.from_numpy(np.stack([mask_shares(mask, side // 4) for mask in shown])[:, None]) if shown else None,
    )


def mask_shares(mask: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.float32]:
    """Reduce a mask to the size that a prompt encoder takes: share of each pixel that is object."""
    return np.asarray(cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA), np.float32)
