"""Training samples: a window as the service would read it, and in it what people ask for: outline, box and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.tissue.fields import Rng
from training.tissue.scenes import DrawnObject, Scene

TARGETS = 2
"""How many prompts share a window: encoding it costs far more than decoding."""
MOST_POINTS = 4
EXACT = 0.5
"""Share of the boxes that are nearly exact, unless said otherwise."""
NO_POINT = -1
"""Label of an unused place among the points; SAM's prompt encoder knows it as padding."""
_NARROWEST_CONTEXT = 2.0
_SMALLEST_NEIGHBOUR = 0.2
"""Shorter objects of a window, as a share of its side, are not asked for: the service would look closer."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Target:
    """What a person asks for in a window, all in pixels of the window."""

    mask: Floats
    """(s, s): share of each pixel that is object."""
    box: Floats
    """(4,): x_min, y_min, x_max, y_max, continuous."""
    points: Floats
    """(MOST_POINTS, 2), continuous."""
    point_labels: npt.NDArray[np.int32]
    """(MOST_POINTS,): 1 object, 0 background, `NO_POINT`."""
    boxed: bool = True
    """Whether the box is a prompt; else the points alone are."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One window and what is asked for in it."""

    image: npt.NDArray[np.uint8]
    """(s, s, 3) RGB."""
    targets: tuple[Target, ...]
    """`TARGETS` of them; the window was chosen for the first."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A square of a scene."""

    x0: float
    y0: float
    side: float
    step: float
    """Scene pixels per window pixel."""

    def box_in_window(self, box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((box - np.array([self.x0, self.y0] * 2)) / self.step)


def draw_sample(
    rng: Rng, scene: Scene, target: DrawnObject, side: int, *, augment: bool = True, exact: float = EXACT
) -> Sample:
    """Cut a window around an object, with prompts as people give them.

    The window follows the service's rule: twice the longer side of the box, centred or, near a slide's border, moved so
    that the box lies anywhere in it; past the slide it is padded. A second prompt asks for a neighbour, or again for
    the same object with another box.

    Parameters
    ----------
    side : int
        Of the window, pixels.
    augment : bool
        Change colours and sharpness, turn and mirror.
    exact : float
        Share of the boxes that are nearly exact.
    """
    habit = rng.uniform(-0.015, 0.07)  # people outline a little outside of the edge, some more than others
    box = loose_box(rng, target, habit, exact)
    window_side = _NARROWEST_CONTEXT * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = (_window_start(rng, box[axis], box[axis + 2], window_side) for axis in (0, 1))
    place = _Place(x0, y0, window_side, window_side / side)
    image = _cut(rng, scene, place, side, augment)
    second = _neighbour(rng, scene, target, place, side) or target
    asked = [(target, box), (second, loose_box(rng, second, habit, exact))]
    masks = [_outlined(scene, each, place, side, habit) for each, _ in asked]
    boxes = [place.box_in_window(each) for _, each in asked]
    if augment:
        image, masks, boxes = _turned(rng, image, masks, boxes, side)
        image = recoloured(rng, image)
    targets = tuple(_prompted(rng, mask, box) for mask, box in zip(masks, boxes, strict=True))
    return Sample(np.ascontiguousarray(image), targets)


def _prompted(rng: Rng, mask: Floats, box: npt.NDArray[np.float64]) -> Target:
    points, labels = first_points(rng, mask, box)
    alone = bool((labels == 1).any()) and rng.random() < 0.12
    return Target(np.ascontiguousarray(mask), box.astype(np.float32), points, labels, boxed=not alone)


def _neighbour(rng: Rng, scene: Scene, target: DrawnObject, place: _Place, side: int) -> DrawnObject | None:
    """Choose another object that lies wholly in the window and is large enough there."""
    found = []
    for each in scene.objects:
        box = place.box_in_window(np.array([each.x0, each.y0, each.x1, each.y1], dtype=np.float64))
        inside = box.min() >= 0 and box.max() <= side
        large = max(box[2] - box[0], box[3] - box[1]) >= _SMALLEST_NEIGHBOUR * side
        if inside and large and each.label != target.label:
            found.append(each)
    return found[int(rng.integers(len(found)))] if found else None


def loose_box(rng: Rng, target: DrawnObject, habit: float = 0.0, exact: float = EXACT) -> npt.NDArray[np.float64]:
    """Draw a box as a person does: nearly exact, evenly loose, or loose by another share on every side.

    Parameters
    ----------
    habit : float
        How far outside of the edge this person outlines, as a share of half the object's mean extent.
    exact : float
        Share of the boxes that are nearly exact.

    Returns
    -------
    (4,) float64
        x_min, y_min, x_max, y_max in pixels of the scene. Sides move by -4 % to +30 % of the object's extent.
    """
    margin = _margin(target, habit)
    tight = np.array([target.x0 - margin, target.y0 - margin, target.x1 + margin, target.y1 + margin], dtype=np.float64)
    extent = np.array([tight[2] - tight[0], tight[3] - tight[1]] * 2)
    style = rng.random()
    if style < exact:
        shares = rng.uniform(-0.02, 0.03, 4)
    elif style < exact + 0.4 * (1 - exact):
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
    positive = int(rng.choice([0, 1, 2, 3], p=[0.45, 0.3, 0.15, 0.1]))
    negative = int(rng.random() < 0.2)
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


def _margin(target: DrawnObject, habit: float) -> float:
    """How far outside of the edge a person of this habit outlines an object, scene pixels."""
    return habit * float(np.sqrt((target.x1 - target.x0) * (target.y1 - target.y0))) / 2


def _window_start(rng: Rng, low: float, high: float, side: float) -> float:
    """Place a window along one axis: centred, or as a border of the slide would have it."""
    centred = (low + high - side) / 2
    if rng.random() < 0.6:
        return float(centred + rng.normal(0, 0.01) * side)
    return float(rng.uniform(high - side, low))


def _warp(
    pixels: npt.NDArray[np.generic],
    place: _Place,
    corner: tuple[int, int],
    side: int,
    interpolation: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_CONSTANT,
) -> Floats:
    """Resample part of a scene, whose first pixel is `corner`, to the window; without aliasing, as image servers do."""
    step = place.step
    smooth: Any = (
        np.ascontiguousarray(pixels) if step <= 1.3 else cv2.GaussianBlur(np.asarray(pixels), (0, 0), 0.4 * step)
    )
    shift = 0.5 * step - 0.5
    to_scene = np.array([[step, 0, place.x0 - corner[0] + shift], [0, step, place.y0 - corner[1] + shift]])
    white = (255, 255, 255) if smooth.ndim == 3 else 0
    flags = cv2.WARP_INVERSE_MAP | interpolation
    return np.asarray(cv2.warpAffine(smooth, to_scene, (side, side), flags=flags, borderMode=border, borderValue=white))


def _corners(scene: Scene, place: _Place) -> tuple[slice, slice]:
    """Give the rows and columns of a scene that a window touches, with a few more for smoothing."""
    height, width = scene.labels.shape
    rows = slice(max(int(place.y0) - 4, 0), min(int(place.y0 + place.side) + 5, height))
    columns = slice(max(int(place.x0) - 4, 0), min(int(place.x0 + place.side) + 5, width))
    return rows, columns


def _cut(rng: Rng, scene: Scene, place: _Place, side: int, augment: bool) -> npt.NDArray[np.uint8]:
    """Read the pixels of a window; past the scene, they repeat, mirror, or are white."""
    rows, columns = _corners(scene, place)
    border = int(rng.choice([cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT], p=[0.6, 0.2, 0.2]))
    interpolation = cv2.INTER_LINEAR if place.step > 0.7 else cv2.INTER_CUBIC
    corner = (columns.start, rows.start)
    pixels = scene.image[rows, columns]
    if augment and rng.random() < 0.5:  # slides are stored as JPEG: its blocks grow with small objects' windows
        pixels = _compressed(rng, pixels)
    return np.asarray(_warp(pixels, place, corner, side, interpolation, border), np.uint8)


def _compressed(rng: Rng, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Store as JPEG, and read again."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))]
    stored = cv2.imencode(".jpg", np.ascontiguousarray(pixels), quality)[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)


def _outlined(scene: Scene, target: DrawnObject, place: _Place, side: int, habit: float) -> Floats:
    """Give the mask that a person of this habit outlines: never over a neighbour."""
    rows, columns = _corners(scene, place)
    labels = scene.labels[rows, columns]
    own, others = labels == target.label, (labels != target.label) & (labels > 0)
    corner = (columns.start, rows.start)
    mask, taken = (_warp(each.astype(np.float32), place, corner, side) for each in (own, others))
    margin = _margin(target, habit) / place.step
    if margin < 0:
        depth = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        shrunk = (depth > 0.5 - margin) & (mask > 0.5)
        return shrunk.astype(np.float32) if shrunk.any() else mask
    away = cv2.distanceTransform((mask <= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.where((away < margin + 0.5) & (taken < 0.5), 1, 0), np.float32)


def _turned(
    rng: Rng, image: npt.NDArray[np.uint8], masks: list[Floats], boxes: list[npt.NDArray[np.float64]], side: int
) -> tuple[npt.NDArray[np.uint8], list[Floats], list[npt.NDArray[np.float64]]]:
    """Turn by quarters and mirror: tissue has no up."""
    if rng.random() < 0.5:
        image, masks = image[:, ::-1], [mask[:, ::-1] for mask in masks]
        boxes = [np.array([side - box[2], box[1], side - box[0], box[3]]) for box in boxes]
    if rng.random() < 0.5:
        image, masks = image[::-1], [mask[::-1] for mask in masks]
        boxes = [np.array([box[0], side - box[3], box[2], side - box[1]]) for box in boxes]
    if rng.random() < 0.5:
        image, masks = image.transpose(1, 0, 2), [mask.T for mask in masks]
        boxes = [box[[1, 0, 3, 2]] for box in boxes]
    return image, masks, boxes


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
        result = _compressed(rng, result)
    return result
