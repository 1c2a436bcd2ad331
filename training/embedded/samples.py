"""Training samples: a window around an object as the service would read it, its mask, a human's box and points."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.tissue.fields import Rng
from training.tissue.scenes import DrawnObject, Scene

MOST_POINTS = 4
NO_POINT = -1
"""Label of an unused place among the points; SAM's prompt encoder knows it as padding."""
_NARROWEST_CONTEXT = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One window with its truth and prompts, all in pixels of the window."""

    image: npt.NDArray[np.uint8]
    """(s, s, 3) RGB."""
    mask: npt.NDArray[np.float32]
    """(s, s): share of each pixel that is object."""
    box: npt.NDArray[np.float32]
    """(4,): x_min, y_min, x_max, y_max, continuous."""
    points: npt.NDArray[np.float32]
    """(MOST_POINTS, 2), continuous."""
    point_labels: npt.NDArray[np.int32]
    """(MOST_POINTS,): 1 object, 0 background, `NO_POINT`."""


def draw_sample(rng: Rng, scene: Scene, target: DrawnObject, side: int, *, augment: bool = True) -> Sample:
    """Cut a window around an object, with prompts as people give them.

    The window follows the service's rule: twice the longer side of the box, centred or, near a slide's border, moved so
    that the box lies anywhere in it; past the slide it is padded.

    Parameters
    ----------
    side : int
        Of the window, pixels.
    augment : bool
        Change colours and sharpness, turn and mirror.
    """
    box = loose_box(rng, target)
    window_side = _NARROWEST_CONTEXT * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = (_window_start(rng, box[axis], box[axis + 2], window_side) for axis in (0, 1))
    image, mask = _cut(rng, scene, target.label, x0, y0, window_side, side)
    scale = side / window_side
    box = (box - np.array([x0, y0, x0, y0])) * scale
    if augment:
        image, mask, box = _turned(rng, image, mask, box, side)
        image = recoloured(rng, image)
    points, labels = first_points(rng, mask, box)
    return Sample(np.ascontiguousarray(image), np.ascontiguousarray(mask), box.astype(np.float32), points, labels)


def loose_box(rng: Rng, target: DrawnObject) -> npt.NDArray[np.float64]:
    """Draw a box as a person does: nearly exact, evenly loose, or loose by another share on every side.

    Returns
    -------
    (4,) float64
        x_min, y_min, x_max, y_max in pixels of the scene. Sides move by -4 % to +30 % of the object's extent.
    """
    tight = np.array([target.x0, target.y0, target.x1, target.y1], dtype=np.float64)
    extent = np.array([tight[2] - tight[0], tight[3] - tight[1]] * 2)
    style = rng.random()
    if style < 0.45:
        shares = rng.uniform(-0.03, 0.04, 4)
    elif style < 0.65:
        shares = np.full(4, rng.uniform(0.0, 0.2)) + rng.uniform(-0.02, 0.02, 4)
    else:
        shares = rng.uniform(-0.04, 0.3, 4)
    return np.asarray(tight + extent * shares * np.array([-1, -1, 1, 1]))


def first_points(
    rng: Rng, mask: npt.NDArray[np.float32], box: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Draw none to three positive points and sometimes negative ones.

    Positive points are drawn with probability proportional to the fourth power of their distance to the background,
    negative ones evenly from the background inside the box; source: the thesis, section 3.1.3.
    """
    inside = mask > 0.5
    labels = np.full(MOST_POINTS, NO_POINT, np.int32)
    points = np.zeros((MOST_POINTS, 2), np.float32)
    positive = int(rng.choice([0, 1, 2, 3], p=[0.5, 0.25, 0.15, 0.1]))
    negative = int(rng.random() < 0.15) if positive < MOST_POINTS else 0
    padded = np.pad(inside, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1].astype(np.float64) ** 4
    x0, y0, x1, y1 = (int(value) for value in np.clip(box, 0, mask.shape[0]))
    outside = np.zeros_like(depth)
    outside[y0:y1, x0:x1] = ~inside[y0:y1, x0:x1]
    drawn = [(1, depth)] * positive + [(0, outside)] * negative
    for index, (label, weights) in enumerate(drawn):
        if weights.any():
            points[index], labels[index] = _draw_place(rng, weights), label
    return points, labels


def _draw_place(rng: Rng, weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Draw a pixel with probability proportional to its weight; gives its centre, x and y."""
    cumulated = np.cumsum(weights)
    index = int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))
    return index % weights.shape[1] + 0.5, index // weights.shape[1] + 0.5


def _window_start(rng: Rng, low: float, high: float, side: float) -> float:
    """Place a window along one axis: centred, or as a border of the slide would have it."""
    centred = (low + high - side) / 2
    if rng.random() < 0.6:
        return float(centred + rng.normal(0, 0.01) * side)
    return float(rng.uniform(high - side, low))


def _cut(
    rng: Rng, scene: Scene, label: int, x0: float, y0: float, window_side: float, side: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Resample a square of a scene; past the scene, pixels repeat, mirror, or are white."""
    step = window_side / side
    height, width = scene.labels.shape
    left, top = max(int(x0) - 4, 0), max(int(y0) - 4, 0)
    right, bottom = min(int(x0 + window_side) + 5, width), min(int(y0 + window_side) + 5, height)
    pixels = scene.image[top:bottom, left:right]
    mask = (scene.labels[top:bottom, left:right] == label).astype(np.float32)
    if step > 1.3:  # as the image server reduces: no aliasing
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.4 * step), np.uint8)
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.4 * step), np.float32)
    to_scene = np.array([[step, 0, x0 - left + 0.5 * step - 0.5], [0, step, y0 - top + 0.5 * step - 0.5]])
    border = int(rng.choice([cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT], p=[0.6, 0.2, 0.2]))
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_LINEAR if step > 0.7 else cv2.INTER_CUBIC)
    size = (side, side)
    image = cv2.warpAffine(
        np.ascontiguousarray(pixels), to_scene, size, flags=flags, borderMode=border, borderValue=(255, 255, 255)
    )
    linear = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    share = cv2.warpAffine(mask, to_scene, size, flags=linear, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(image, dtype=np.uint8), np.asarray(share, dtype=np.float32)


def _turned(
    rng: Rng,
    image: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.float32],
    box: npt.NDArray[np.float64],
    side: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Turn by quarters and mirror: tissue has no up."""
    if rng.random() < 0.5:
        image, mask, box = image[:, ::-1], mask[:, ::-1], np.array([side - box[2], box[1], side - box[0], box[3]])
    if rng.random() < 0.5:
        image, mask, box = image[::-1], mask[::-1], np.array([box[0], side - box[3], box[2], side - box[1]])
    if rng.random() < 0.5:
        image, mask, box = image.transpose(1, 0, 2), mask.T, box[[1, 0, 3, 2]]
    return image, mask, box


def recoloured(rng: Rng, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Change what scanners and laboratories change: stain, contrast, gamma, focus, grain and JPEG."""
    pixels = image.astype(np.float32)
    if rng.random() < 0.6:  # strength and hue of the stains, in optical density
        density = -np.log(np.maximum(pixels, 6) / 255)
        mixing = np.diag(rng.uniform(0.7, 1.35, 3)) + rng.normal(0, 0.06, (3, 3))
        pixels = np.asarray(255 * np.exp(-np.clip(density @ mixing.T.astype(np.float32), 0, 4)), np.float32)
    if rng.random() < 0.5:
        pixels = np.asarray(255 * (np.clip(pixels, 0, 255) / 255) ** np.exp(rng.uniform(-0.4, 0.4)), np.float32)
        pixels = np.asarray((pixels - 128) * rng.uniform(0.6, 1.25) + 128 + rng.uniform(-25, 25), np.float32)
    if rng.random() < 0.05:
        pixels = 255 - pixels
    if rng.random() < 0.07:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.35:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 3.0)), np.float32)
    if rng.random() < 0.3:
        pixels = pixels + rng.uniform(1, 9) * rng.standard_normal(pixels.shape, dtype=np.float32)
    result = np.clip(pixels, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))]
        result = np.asarray(cv2.imdecode(cv2.imencode(".jpg", result, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return result
