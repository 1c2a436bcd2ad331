"""The pictures of a page: image, truth, prompt and prediction side by side, as PNG in text."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask
from training.prompts import Given

Rgb = npt.NDArray[np.uint8]
SIDE = 256
_BOX, _POSITIVE, _NEGATIVE = (40, 90, 230), (40, 200, 60), (230, 40, 40)
"""As in figure 5.1: the box blue, positive points green."""


def png(picture: Rgb) -> str:
    """Reduce a picture, (1024, 1024, 3) uint8 RGB, and write it down."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return base64.b64encode(cv2.imencode(".png", small[..., ::-1])[1].tobytes()).decode("ascii")


def of_mask(mask: BoolMask) -> Rgb:
    """Draw a mask, white on black."""
    return np.repeat((mask * np.uint8(255))[..., None], 3, axis=2)


def of_prompt(image: Rgb, given: Given) -> Rgb:
    """Draw prompts on a window: a mask bright, a box blue, points green and red."""
    picture = image.copy() if given.mask is None else np.where(given.mask[..., None], image, image // 3)
    picture = np.ascontiguousarray(picture, np.uint8)
    if given.box is not None:
        x0, y0, x1, y1 = (round(float(value)) for value in given.box)
        cv2.rectangle(picture, (x0, y0), (x1, y1), _BOX, 8)
    for (x, y), label in zip(given.points, given.labels, strict=True):
        cv2.circle(picture, (int(x), int(y)), 16, _POSITIVE if label else _NEGATIVE, -1)
    return picture


def of_grid(image: Rgb, per_side: int) -> Rgb:
    """Draw the points of automatic mode."""
    picture = image.copy()
    places = [int((place + 0.5) * image.shape[0] / per_side) for place in range(per_side)]
    for y in places:
        for x in places:
            cv2.circle(picture, (x, y), 8, _POSITIVE, -1)
    return picture


def of_masks(image: Rgb, masks: Sequence[BoolMask]) -> Rgb:
    """Draw many masks, each in a colour of its own, large ones below."""
    picture = image.astype(np.float64)
    colours = np.random.default_rng(0).uniform(0, 255, (len(masks), 3))
    for mask, colour in zip(sorted(masks, key=np.count_nonzero, reverse=True), colours, strict=True):
        picture[mask] = 0.45 * image[mask] + 0.55 * colour
    return picture.astype(np.uint8)
