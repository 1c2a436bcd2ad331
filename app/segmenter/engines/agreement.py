"""Whether two engines see the same: the IoU of the masks they lead to, on windows drawn for the purpose."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from app.geometry.prompts import Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.usecases.ports import Claim, Segmenter

LEAST_IOU = 0.995
"""Of each mask of a float engine with that of float32 on torch."""
LEAST_INT8_IOU = 0.98
"""Of int8's masks with those of float32 on torch, mean over windows that its ranges were not taken from."""


def agreement(one: Segmenter, other: Segmenter, windows: Sequence[WindowImage]) -> list[float]:
    """Compare two segmenters of the same weights.

    Returns
    -------
    list of float
        For each window the IoU of the masks that have the first one's highest score, for a box around the middle; 1
        where neither finds anything.
    """
    return [_iou(one, other, window) for window in windows]


def _iou(one: Segmenter, other: Segmenter, window: WindowImage) -> float:
    side = window.pixels.shape[0]
    box = np.array([[side / 4, side / 4], [3 * side / 4, 3 * side / 4]])
    prompts = Prompts(box, np.empty((0, 2)), ())  # type: ignore[arg-type]
    best = one.decode(one.encode(window, Claim()), prompts)
    masks = other.decode(other.encode(window, Claim()), prompts)
    first, second = best.logits[best.best] > 0, masks.logits[best.best] > 0
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0


def drawn_window(seed: int, side: int) -> WindowImage:
    """Draw dark nuclei on pink stroma, one of them in the middle."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), (235, 200, 220), dtype=np.uint8)
    places = [(side // 2, side // 2), *rng.integers(0, side, (24, 2)).tolist()]
    for at, (x, y) in enumerate(places):
        axes = (
            (side // 6, side // 8) if at == 0 else tuple(int(each) for each in rng.integers(side // 40, side // 16, 2))
        )
        cv2.ellipse(pixels, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, (110, 60, 140), -1)
    noisy = pixels + rng.normal(0, 12, pixels.shape)
    return WindowImage(noisy.clip(0, 255).astype(np.uint8), WindowGrid(0, 0, 1, 1))
