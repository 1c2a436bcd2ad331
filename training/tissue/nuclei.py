"""Nuclei: one by one with texture where they are the objects, stamped by hundreds where they are only texture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.tissue.fields import Contour, Field, Rng, contour, filled

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class NucleusStyle:
    """How the nuclei of one cell type look."""

    radius: float
    """Pixels."""
    spread: float
    """Of the radius, as a share."""
    elongation: float
    density: float
    """Optical density inside."""
    rim: float
    """Extra density at the border; negative ones are pale there."""
    chromatin: float
    """Strength of the texture."""
    nucleoli: int
    roughness: float
    softness: float = 1.0
    """How far the stain runs over the edge; 1 is in focus."""


def nucleus_style(rng: Rng, radius: float) -> NucleusStyle:
    """Choose how the nuclei of one cell type look."""
    vesicular = rng.random() < 0.4
    return NucleusStyle(
        radius=radius,
        spread=rng.uniform(0.05, 0.35),
        elongation=float(
            rng.choice([1 + rng.exponential(0.5), rng.uniform(1, 1.3), rng.uniform(2.5, 5)], p=[0.55, 0.35, 0.1])
        ),
        density=rng.uniform(0.35, 0.8) if vesicular else rng.uniform(0.7, 1.9),
        rim=rng.uniform(0.1, 0.6) if vesicular else rng.uniform(-0.15, 0.15),
        chromatin=rng.uniform(0.1, 0.5),
        nucleoli=int(rng.integers(0, 4)) if vesicular else 0,
        roughness=rng.uniform(0.02, 0.14),
        softness=float(np.exp(rng.normal(0.2, 0.5))),
    )


def draw_nucleus(
    rng: Rng, nuclear: Field, labels: Labels, label: int, place: tuple[float, float], style: NucleusStyle, angle: float
) -> bool:
    """Draw one nucleus into the stain and the labels; False if most of its place is taken."""
    radius = style.radius * float(np.exp(rng.normal(0, style.spread)))
    reach = int(np.ceil(radius * np.sqrt(style.elongation) * 1.8)) + 3
    left, top = int(place[0]) - reach, int(place[1]) - reach
    side = 2 * reach + 1
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + side, nuclear.shape[1]), min(top + side, nuclear.shape[0])
    if x1 - x0 < 4 or y1 - y0 < 4:
        return False
    outline = contour(
        rng,
        place[0] - left,
        place[1] - top,
        radius,
        elongation=style.elongation,
        angle=angle,
        roughness=style.roughness,
    )
    inside = filled(side, outline) > 0
    cut = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    there = labels[y0:y1, x0:x1]
    if (there[inside[cut]] > 0).mean() > 0.3 if inside[cut].any() else True:
        return False
    look = _look(rng, side, outline, radius, style)[cut]
    blur = style.softness * (0.6 + 0.03 * radius)
    soft = cv2.GaussianBlur(filled(side, outline, smooth=True).astype(np.float32) / 255, (0, 0), blur)[cut]
    stain = nuclear[y0:y1, x0:x1]
    stain += soft * (look - 0.7 * stain)
    there[inside[cut]] = label  # the later one lies on top
    return True


def _look(rng: Rng, side: int, outline: Contour, radius: float, style: NucleusStyle) -> Field:
    """Give the density of a nucleus over its patch: chromatin, rim, nucleoli."""
    grain = max(radius * rng.uniform(0.15, 0.5), 1.0)
    cells = max(2, round(side / grain))
    texture = cv2.resize(
        rng.standard_normal((cells, cells), dtype=np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    look = style.density * (1 + style.chromatin * 0.6 * texture)
    ring = np.zeros((side, side), np.uint8)
    cv2.polylines(
        ring, [np.round((outline - 0.5) * 16).astype(np.int32)], True, 255, max(1, round(radius * 0.12)), cv2.LINE_AA, 4
    )
    look += style.rim * ring.astype(np.float32) / 255
    for _ in range(style.nucleoli):
        x, y = side / 2 + rng.normal(0, radius * 0.35, 2)
        cv2.circle(look, (int(x), int(y)), max(1, round(radius * rng.uniform(0.1, 0.22))), style.density + 0.9, -1)
    return np.asarray(np.clip(look, 0.05, 3), dtype=np.float32)


def stamp_nuclei(rng: Rng, nuclear: Field, where: npt.NDArray[np.bool_], style: NucleusStyle, spacing: float) -> None:
    """Scatter nuclei that nobody will ask for, quickly.

    Parameters
    ----------
    where : (h, w) bool
        Where their centres may lie.
    spacing : float
        Mean distance, pixels.
    """
    ys, xs = np.nonzero(where)
    if not len(xs):
        return
    count = int(len(xs) / spacing**2)
    layer = np.zeros_like(nuclear)
    direction = rng.uniform(0, 180)
    for index in rng.integers(0, len(xs), count):
        radius = style.radius * np.exp(rng.normal(0, style.spread))
        axes = (max(1, round(radius * np.sqrt(style.elongation))), max(1, round(radius / np.sqrt(style.elongation))))
        density = style.density * rng.uniform(0.5, 1.3)
        place = (int(xs[index]), int(ys[index]))
        cv2.ellipse(layer, place, axes, direction + rng.normal(0, 35), 0, 360, density, -1)
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.7), dtype=np.float32)
    np.maximum(nuclear, layer * (1 + 0.25 * rng.standard_normal(layer.shape, dtype=np.float32)), out=nuclear)
