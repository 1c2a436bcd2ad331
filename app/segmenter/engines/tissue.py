"""Tissue that is drawn, to compare, time and calibrate engines where none is at hand; no pixel is anybody's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.frames import WindowXY
from app.geometry.prompts import PointLabel, Prompts
from app.geometry.windows import WindowGrid, WindowImage

EXAMPLES = 8
"""Windows of `drawn_examples`, with four objects each."""
_STROMA, _CHROMATIN, _CYTOPLASM, _LUMEN = (231, 190, 214), (96, 62, 138), (196, 140, 190), (246, 240, 244)
_LOOSE = 1.15
"""Side of a box that somebody draws, over that of the object."""

_Field = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """A window, and what the model is asked about it."""

    window: WindowImage
    prompts: tuple[Prompts, ...]


def middle_of(window: WindowImage) -> Example:
    """Ask for the object in the middle of a window, half as wide as that."""
    rows, columns = window.pixels.shape[:2]
    box = np.array([[columns / 4, rows / 4], [3 * columns / 4, 3 * rows / 4]])
    return Example(window, (_prompts(box),))


def drawn_examples(side: int, windows: int = EXAMPLES) -> list[Example]:
    """Draw windows of tissue with four ragged objects each.

    Each is asked for twice: by a loose box, and by the box with a click on the object and one beside it.

    Parameters
    ----------
    side : int
        Of the windows, pixels.
    """
    return [_drawn_example(np.random.default_rng(seed), side) for seed in range(windows)]


def drawn_tissue(seed: int, side: int) -> WindowImage:
    """Draw one of these windows alone, (side, side, 3)."""
    return _drawn_example(np.random.default_rng(seed), side).window


def _drawn_example(rng: np.random.Generator, side: int) -> Example:
    pixels = np.full((side, side, 3), _STROMA, np.float32)
    pixels += 14 * _noise(rng, side, side / 6)[..., None] + 9 * _noise(rng, side, side / 40)[..., None]
    for _ in range(40):
        _paint(pixels, rng, rng.uniform(0, side, 2), side * rng.uniform(0.012, 0.025), _CHROMATIN)
    prompts: list[Prompts] = []
    for at in range(4):
        middle = side * (np.array([0.27, 0.27]) + 0.46 * np.array(divmod(at, 2)) + rng.uniform(-0.03, 0.03, 2))
        ring = _object(pixels, rng, middle, side * rng.uniform(0.1, 0.17), gland=at % 2 == int(rng.integers(2)))
        prompts += _asked(ring, middle, side)
    noisy = cv2.GaussianBlur(pixels, (0, 0), side / 700) + 5 * rng.standard_normal(pixels.shape, np.float32)
    return Example(WindowImage(noisy.clip(0, 255).astype(np.uint8), WindowGrid(0, 0, 1, 1)), tuple(prompts))


def _object(
    pixels: _Field, rng: np.random.Generator, middle: npt.NDArray[np.float64], radius: float, *, gland: bool
) -> npt.NDArray[np.float64]:
    """Paint a gland, which nuclei line around a pale lumen, or a large nucleus; gives its outline."""
    ring = _paint(pixels, rng, middle, radius, _CYTOPLASM if gland else _CHROMATIN)
    if gland:
        for place in ring[:: len(ring) // 18]:
            _paint(pixels, rng, middle + 0.84 * (place - middle), 0.13 * radius, _CHROMATIN)
        _paint(pixels, rng, middle, 0.45 * radius, _LUMEN)
    return ring


def _paint(
    pixels: _Field, rng: np.random.Generator, middle: npt.NDArray[np.float64], radius: float, colour: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Paint a ragged blob of mottled colour; gives its outline, (72, 2), pixels."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    waves = sum(rng.normal(0, 0.16 / n) * np.cos(n * angles + rng.uniform(0, 2 * np.pi)) for n in range(2, 9))
    ring = middle + radius * (1 + np.asarray(waves))[:, None] * np.column_stack((np.cos(angles), np.sin(angles)))
    left, top = np.maximum(np.floor(ring.min(axis=0)), 0).astype(int)
    right, bottom = np.ceil(ring.max(axis=0)).astype(int) + 1
    part = pixels[top:bottom, left:right]
    if part.size:
        rows, columns = part.shape[:2]
        mask = np.zeros((rows, columns), np.uint8)
        cv2.fillPoly(mask, [np.round(ring - (left, top)).astype(np.int32)], 1)
        noise = _noise(rng, max(rows, columns), max(radius / 4, 2))[:rows, :columns]
        mottled = np.array(colour, np.float32) * np.float32(rng.uniform(0.93, 1.07)) + 10 * noise[..., None]
        np.copyto(part, mottled, where=mask[..., None] > 0)
    return np.asarray(ring, np.float64)


def _asked(ring: npt.NDArray[np.float64], middle: npt.NDArray[np.float64], side: int) -> list[Prompts]:
    low, high = ring.min(axis=0), ring.max(axis=0)
    grown = (high - low) * (_LOOSE - 1) / 2
    box = np.clip([low - grown, high + grown], 0, side)
    clicks = np.array([middle, box[0] + 0.02 * side])
    return [_prompts(box), Prompts(WindowXY(box), WindowXY(clicks), (PointLabel.FOREGROUND, PointLabel.BACKGROUND))]


def _prompts(box: npt.NDArray[np.float64]) -> Prompts:
    return Prompts(WindowXY(box), WindowXY(np.empty((0, 2))), ())


def _noise(rng: np.random.Generator, side: int, grain: float) -> _Field:
    """Give smooth noise of about unit variance, (side, side)."""
    cells = max(2, round(side / grain)) + 1
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


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
