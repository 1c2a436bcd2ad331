"""Real scenes turned, scaled and bent, so that the few there are do not repeat."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from training.embedded.pool import Rng
from training.embedded.scenes import as_stored
from training.tissue import DrawnObject, Scene
from training.tissue.fields import noise
from training.tissue.scenes import objects_of

_SCALES = (0.6, 1.3)
_ASPECT = 0.09
"""How far the axes are scaled apart, natural logarithm."""
_GRAINS_PX = (25.0, 90.0)
"""Of what bends."""
_STRENGTHS = (0.01, 0.05)
"""How far it bends, as a share of its grain."""
_BENT = 0.4
_LEAST_LEFT = 0.93
"""Of an object's area, for it to be asked for."""
_BLURRED_BELOW = 0.8
_STORED = 0.4


def bent(rng: Rng, scene: Scene) -> Scene:
    """Turn a scene by any angle, scale it by 0.6 to 1.3, now and then bend it and store it as JPEG.

    Beyond its edges it is mirrored, and nothing is asked for there; nor is what an edge cuts, before or after.

    Returns
    -------
    Scene
        Of the same size; the one that was given where nothing of it could be asked for any more.
    """
    scale = float(np.exp(rng.uniform(*np.log(_SCALES))))
    columns, rows = _places(rng, scene.labels.shape, scale)
    seen = cv2.GaussianBlur(scene.image, (0, 0), 0.45 / scale) if scale < _BLURRED_BELOW else scene.image
    image = cv2.remap(seen, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    labels = cv2.remap(
        scene.labels.astype(np.float32), columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    ).astype(np.int32)
    expected = {each.label: int((scene.labels == each.label).sum()) * scale**2 for each in _uncut(scene)}
    kind = scene.objects[0].kind if scene.objects else ""
    objects = tuple(
        each
        for each in objects_of(labels, kind)
        if each.label in expected and (labels == each.label).sum() >= _LEAST_LEFT * expected[each.label]
    )
    if not objects:
        return scene
    return as_stored(rng, replace(scene, image=np.asarray(image, np.uint8), labels=labels, objects=objects), _STORED)


def _places(rng: Rng, shape: tuple[int, ...], scale: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Tell where each pixel comes from, columns and rows, (h, w)."""
    height, width = shape
    angle, aspect = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-_ASPECT, _ASPECT))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    columns = (np.cos(angle) * x / aspect - np.sin(angle) * y * aspect) / scale + (width - 1) / 2
    rows = (np.sin(angle) * x / aspect + np.cos(angle) * y * aspect) / scale + (height - 1) / 2
    if rng.random() < _BENT:
        grain = rng.uniform(*_GRAINS_PX)
        strength = rng.uniform(*_STRENGTHS) * grain
        side = max(height, width)
        columns, rows = (
            each + strength * noise(rng, side, grain, octaves=1)[:height, :width] for each in (columns, rows)
        )
    return columns.astype(np.float32), rows.astype(np.float32)


def _uncut(scene: Scene) -> list[DrawnObject]:
    height, width = scene.labels.shape
    return [each for each in scene.objects if each.x0 > 0 and each.y0 > 0 and each.x1 < width and each.y1 < height]
