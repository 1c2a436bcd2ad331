"""From whole pixels of a level to the size that was asked for."""

from __future__ import annotations

import cv2
import numpy as np

from slides.source import Pixels


def resampled(
    pixels: Pixels, offset: tuple[float, float], extent: tuple[float, float], size: tuple[int, int]
) -> Pixels:
    """Resample a box of an array, given in continuous pixels, to a size (width, height)."""
    step = (extent[0] / size[0], extent[1] / size[1])
    if max(step) > 1:  # reduce by areas first, so that nothing aliases
        shape = (
            max(1, round(pixels.shape[1] / max(step[0], 1))),
            max(1, round(pixels.shape[0] / max(step[1], 1))),
        )
        ratio = (shape[0] / pixels.shape[1], shape[1] / pixels.shape[0])
        pixels = np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA))  # type: ignore[assignment]
        offset = (offset[0] * ratio[0], offset[1] * ratio[1])
        step = (step[0] * ratio[0], step[1] * ratio[1])
    affine = np.array([[step[0], 0, offset[0] + 0.5 * step[0] - 0.5], [0, step[1], offset[1] + 0.5 * step[1] - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    found = cv2.warpAffine(np.ascontiguousarray(pixels), affine, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found)  # type: ignore[return-value]


def reduced_by(pixels: Pixels, factor: int) -> Pixels:
    """Average squares of `factor` pixels; what is missing of the last ones is repeated from their edges."""
    height, width = pixels.shape[:2]
    bottom, right = -height % factor, -width % factor
    if bottom or right:
        pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE))  # type: ignore[assignment]
    size = ((width + right) // factor, (height + bottom) // factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))  # type: ignore[return-value]
