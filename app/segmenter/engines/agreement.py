"""Whether two engines see the same: the IoU of the masks they lead to, on windows drawn for the purpose."""

from __future__ import annotations

import cv2
import numpy as np

from app.geometry.prompts import Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.usecases.ports import Claim, Segmenter

LEAST_IOU = 0.995
"""Of float engines with float32 on torch."""
_WINDOWS = 2


def agreement(one: Segmenter, other: Segmenter) -> float:
    """Compare two segmenters of the same weights.

    Returns
    -------
    float
        The smallest IoU of the masks of highest score, over the windows; 1 where neither finds anything.
    """
    side = one.input_side_px
    box = np.array([[side / 4, side / 4], [3 * side / 4, 3 * side / 4]])
    prompts = Prompts(box, np.empty((0, 2)), ())  # type: ignore[arg-type]
    found = []
    for seed in range(_WINDOWS):
        image = drawn_window(seed, side)
        best = one.decode(one.encode(image, Claim()), prompts)
        masks = other.decode(other.encode(image, Claim()), prompts)
        first, second = best.logits[best.best] > 0, masks.logits[best.best] > 0
        union = (first | second).sum()
        found.append(float((first & second).sum() / union) if union else 1.0)
    return min(found)


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
