"""Random fields and contours: the raw material of drawn tissue."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Contour = npt.NDArray[np.float64]
Rng = np.random.Generator


def noise(rng: Rng, side: int, grain: float, *, stretch: float = 1.0, octaves: int = 2) -> Field:
    """Give smooth noise of about unit variance.

    Parameters
    ----------
    side : int
        The field is (side, side).
    grain : float
        Size of its coarsest features, pixels.
    stretch : float
        How much longer the features are along x than along y.
    octaves : int
        How many times finer detail, at half the strength, is added.
    """
    field = np.zeros((side, side), np.float32)
    power = 0.0
    for octave in range(octaves):
        cell = max(grain / 2**octave, 1.0)
        rows, columns = max(2, round(side / cell)) + 1, max(2, round(side / (cell * stretch))) + 1
        coarse = rng.standard_normal((rows, columns), dtype=np.float32)
        field += 0.5**octave * cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        power += 0.25**octave
    return np.asarray(field / np.sqrt(power), dtype=np.float32)


def fibres(rng: Rng, side: int) -> Field:
    """Give noise drawn out along a wavy direction, as collagen runs."""
    straight = noise(rng, side, rng.uniform(3, 10), stretch=rng.uniform(4, 12))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(0, 180), 1.45)
    turned = cv2.warpAffine(straight, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return warp(rng, np.asarray(turned, dtype=np.float32), rng.uniform(5, 35), rng.uniform(60, 200))


def warp(rng: Rng, field: Field, strength: float, grain: float) -> Field:
    """Bend a field by up to about `strength` pixels."""
    side = field.shape[0]
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    return np.asarray(
        cv2.remap(
            field,
            x + np.float32(strength) * noise(rng, side, grain, octaves=1),
            y + np.float32(strength) * noise(rng, side, grain, octaves=1),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        dtype=np.float32,
    )


def contour(
    rng: Rng, x: float, y: float, radius: float, *, elongation: float = 1.0, angle: float = 0.0, roughness: float = 0.1
) -> Contour:
    """Give a closed, star-shaped outline, (n, 2) pixels.

    Parameters
    ----------
    radius : float
        Of the circle of about the same area.
    elongation : float
        Length over width.
    angle : float
        Of the length, radians.
    roughness : float
        Strength of its bumps, as a share of the radius; finer bumps are weaker.
    """
    turns = np.linspace(0, 2 * np.pi, int(np.clip(2 * radius, 24, 180)), endpoint=False)
    bumps = np.ones_like(turns)
    for order in range(2, 9):
        bumps += roughness * rng.normal() / (order - 1) * np.cos(order * turns + rng.uniform(0, 2 * np.pi))
    bumps = np.clip(bumps, 0.4, 1.8)
    along = radius * np.sqrt(elongation) * bumps * np.cos(turns)
    across = radius / np.sqrt(elongation) * bumps * np.sin(turns)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.column_stack((x + cosine * along - sine * across, y + sine * along + cosine * across))


def filled(side: int, outline: Contour, *, smooth: bool = False) -> npt.NDArray[np.uint8]:
    """Paint an outline: (side, side) uint8, 255 inside."""
    canvas = np.zeros((side, side), np.uint8)
    # drawing takes pixel centres for whole numbers, and four fractional bits
    points = np.round((outline - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [points], 255, lineType=cv2.LINE_AA if smooth else cv2.LINE_8, shift=4)
    return canvas
