"""Scenes: a field of tissue of one kind, its image and the outline of everything in it that a user could ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from training.tissue.fields import Field, Rng, contour, fibres, filled, noise, warp
from training.tissue.nuclei import Labels, NucleusStyle, draw_nucleus, nucleus_style, stamp_nuclei
from training.tissue.stains import Rgb, stained

SMALLEST_PX = 10
"""Shorter objects are not offered as targets."""


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """One object of a scene."""

    label: int
    kind: str
    x0: int
    """Tight box, pixels: x0 <= x < x1."""
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Scene:
    """An image and what is in it."""

    image: Rgb
    """(h, w, 3) uint8, RGB."""
    labels: Labels
    """(h, w) int32: 0 is ground, every other value one object."""
    objects: tuple[DrawnObject, ...]


def draw_scene(rng: Rng, kind: str, side: int = 512) -> Scene:
    """Draw a scene.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    side : int
        Pixels.
    """
    image, labels = KINDS[kind](rng, side)
    return Scene(image, labels, tuple(objects_of(labels, kind)))


def objects_of(labels: Labels, kind: str, *, cut: bool = False) -> list[DrawnObject]:
    """List what is large and whole enough to be asked for, of (h, w) labels; with `cut`, what the edge cuts as well."""
    rows, columns = labels.shape
    found = []
    for index, place in enumerate(find_objects(labels)):
        if place is None:
            continue
        mask = (labels[place] == index + 1).astype(np.uint8)
        (y, x), (height, width) = (place[0].start, place[1].start), mask.shape
        parts, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        whole = stats[1:, cv2.CC_STAT_AREA].max() >= 0.97 * mask.sum() if parts > 1 else False
        inside = cut or (x > 0 and y > 0 and x + width < columns and y + height < rows)
        if whole and inside and min(width, height) >= SMALLEST_PX / 2 and max(width, height) >= SMALLEST_PX:
            found.append(DrawnObject(index + 1, kind, x, y, x + width, y + height))
    return found


def _scattered(rng: Rng, side: int, spacing: float) -> npt.NDArray[np.float64]:
    """Give (n, 2) places on a jittered grid, in random order; some lie just outside."""
    count = max(1, round(side / spacing)) + 2
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1).reshape(-1, 2) - 0.5
    places = (grid + rng.uniform(-0.45, 0.45, grid.shape)) * (side / (count - 2))
    rng.shuffle(places)
    return np.asarray(places)


def _stroma(rng: Rng, side: int) -> tuple[Field, Field]:
    """Give nuclear stain and counterstain of connective tissue, with gaps and spindle cells."""
    other = np.clip(rng.uniform(0.15, 0.6) + rng.uniform(0.05, 0.25) * fibres(rng, side), 0, None)
    if rng.random() < 0.5:  # gaps between the fibres
        gaps = cv2.GaussianBlur((fibres(rng, side) > rng.uniform(0.8, 1.6)).astype(np.float32), (0, 0), 1.2)
        other *= 1 - gaps * rng.uniform(0.5, 1)
    nuclear = np.clip(0.08 + 0.05 * noise(rng, side, 20), 0, None) * rng.uniform(0, 1.5)
    return nuclear.astype(np.float32), other.astype(np.float32)


def _nuclei_field(rng: Rng, side: int, spacing: tuple[float, float] = (1.9, 4.5)) -> tuple[Rgb, Labels]:
    """Draw nuclei as objects: two cell types, apart or crowded, with cytoplasm or on a pale ground."""
    light = rng.random() < 0.5
    nuclear, other = _stroma(rng, side)
    if light:
        nuclear = (0.04 * np.abs(noise(rng, side, rng.uniform(20, 120)))).astype(np.float32)
        other = np.clip(
            rng.uniform(0.0, 0.5) + rng.uniform(0.02, 0.12) * noise(rng, side, rng.uniform(15, 150)), 0, None
        )
    radius = float(np.exp(rng.uniform(np.log(5), np.log(34))))
    crowding = rng.uniform(*spacing)
    styles = [nucleus_style(rng, radius), nucleus_style(rng, radius * rng.uniform(0.5, 1.3))]
    labels = np.zeros((side, side), np.int32)
    flow = rng.uniform(0, np.pi)
    clumps = noise(rng, side, rng.uniform(60, 200))
    for number, (x, y) in enumerate(_scattered(rng, side, radius * crowding), start=1):
        column, row = (int(np.clip(value, 0, side - 1)) for value in (x, y))
        if clumps[row, column] < rng.uniform(-2.5, 0):
            continue
        style = styles[int(rng.random() < 0.35)]
        faint = rng.random() < 0.15
        if faint:  # out of focus, or cut tangentially
            style = replace(style, density=0.45 * style.density, rim=0, chromatin=0.1, nucleoli=0, roughness=0.05)
        draw_nucleus(rng, nuclear, labels, number, (x, y), style, flow + rng.normal(0, 0.6))
    _debris(rng, nuclear, radius)
    cytoplasm = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), radius * rng.uniform(0.5, 1.2))
    other = other + np.float32(rng.uniform(0, 0.5)) * cytoplasm
    return stained(rng, nuclear, other.astype(np.float32), light=light), labels


def _crowd(rng: Rng, side: int) -> tuple[Rgb, Labels]:
    """Draw nuclei that touch and lie over one another."""
    return _nuclei_field(rng, side, (1.1, 1.8))


def _debris(rng: Rng, nuclear: Field, radius: float) -> None:
    """Add crumbs of stain that are no objects."""
    side = nuclear.shape[0]
    for _ in range(int(rng.integers(0, 12))):
        x, y = rng.uniform(0, side, 2)
        blot = filled(side, contour(rng, x, y, radius * rng.uniform(0.1, 0.35), roughness=0.3))
        nuclear += rng.uniform(0.2, 0.9) * cv2.GaussianBlur(blot.astype(np.float32) / 255, (0, 0), 1.0)


def _glands(rng: Rng, side: int) -> tuple[Rgb, Labels]:
    """Draw glands in stroma: an epithelium with its nuclei at the base, mucus or not, around a lumen."""
    nuclear, other = _stroma(rng, side)
    radius = float(np.exp(rng.uniform(np.log(32), np.log(150))))
    cell = float(np.clip(radius * np.exp(rng.uniform(np.log(0.03), np.log(0.11))), 2.0, 9))
    immune = nucleus_style(rng, cell * rng.uniform(0.6, 0.95))
    look = _GlandLook.choose(rng, cell)
    labels = np.zeros((side, side), np.int32)
    outlines = []
    for number, (x, y) in enumerate(_scattered(rng, side, radius * rng.uniform(1.9, 2.9)), start=1):
        outline = contour(
            rng, x, y, radius * float(np.exp(rng.normal(0, 0.22))), elongation=1 + rng.exponential(0.45),
            angle=rng.uniform(0, np.pi), roughness=look.roughness,
        )  # fmt: skip
        mask = filled(side, outline) > 0
        if not mask.any():
            continue
        margin = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if (labels[margin] > 0).any():
            if (labels[mask] > 0).mean() > 0.12:
                continue
            mask &= cv2.dilate((labels > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
        labels[mask] = number
        outlines.append((number, mask))
    between = labels == 0
    stamp_nuclei(rng, nuclear, between, immune, immune.radius * rng.uniform(2.2, 7))
    for _, mask in outlines:
        _draw_gland(rng, nuclear, other, mask, look)
    return stained(rng, nuclear, other), labels


@dataclass(frozen=True, slots=True)
class _GlandLook:
    cells: NucleusStyle
    rows: float
    """Depth of the layer of nuclei, in cells."""
    mucus: float
    lumen: float
    """Where the lumen begins, as a share of the depth; above 1 there is none."""
    cytoplasm: float
    roughness: float
    packed: bool
    """Whether the mucus lies in drops side by side, as in a normal crypt of the colon."""

    @staticmethod
    def choose(rng: Rng, cell: float) -> _GlandLook:
        atypical = rng.random() < 0.45
        packed = not atypical and rng.random() < 0.6
        style = nucleus_style(rng, cell)
        cells = NucleusStyle(
            style.radius, style.spread, rng.uniform(1.4, 3.2), rng.uniform(0.7, 1.6), 0, style.chromatin, 0, 0
        )
        return _GlandLook(
            cells=cells,
            rows=rng.uniform(2.5, 8) if atypical else rng.uniform(0.7, 2.2),
            mucus=0.0 if atypical else rng.uniform(0.5 if packed else 0.0, 1),
            lumen=float(rng.choice([rng.uniform(0.75 if packed else 0.45, 0.95), 1.2], p=[0.8, 0.2])),
            cytoplasm=rng.uniform(0.25, 0.85),
            roughness=rng.uniform(0.03, 0.16) if atypical else rng.uniform(0.01, 0.08),
            packed=packed,
        )


def _draw_gland(rng: Rng, nuclear: Field, other: Field, mask: npt.NDArray[np.bool_], look: _GlandLook) -> None:
    """Draw one gland over the stroma."""
    side = mask.shape[0]
    padded = np.pad(mask, 1).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], dtype=np.float32)
    deepest = float(depth.max())
    cell = look.cells.radius
    texture = noise(rng, side, 3 * cell)
    other[mask] = np.clip(look.cytoplasm * (1 + 0.15 * texture[mask]), 0, None)
    nuclear[mask] = rng.uniform(0.05, 0.3)
    layer = mask & (depth < 2.2 * cell * look.rows + 0.6 * cell * texture) & (depth > 0.6 * cell)
    _radial_nuclei(rng, nuclear, layer, depth, look)
    if look.mucus > 0.3:  # goblets: pale drops between the nuclei and the lumen
        zone = mask & (depth > 2.5 * cell) & (depth < look.lumen * deepest)
        if look.packed:
            drops = _packed_drops(rng, zone, depth, cell * rng.uniform(1.8, 4.5))
        else:
            drops = (warp(rng, noise(rng, side, 2.6 * cell, octaves=1), cell, 4 * cell) > rng.uniform(-0.6, 0.4)) & zone
        pale = cv2.GaussianBlur(drops.astype(np.float32), (0, 0), 0.8) * look.mucus
        nuclear *= 1 - 0.75 * pale
        other *= 1 - 0.75 * pale
    if look.lumen < 1:
        hole = mask & (depth + 0.08 * deepest * noise(rng, side, 6 * cell) > look.lumen * deepest)
        soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.0)
        content = rng.choice([0.0, rng.uniform(0.05, 0.5)]) * (1 + 0.3 * texture)
        nuclear *= 1 - soft
        other += soft * (np.clip(content, 0, None) - other)
    if rng.random() < 0.5:  # a basement membrane, or the cleft that fixation leaves
        rim = cv2.GaussianBlur((mask & (depth < 1.6)).astype(np.float32), (0, 0), 0.8)
        other += rim * rng.uniform(-0.3, 0.4)
        np.clip(other, 0, None, out=other)


def _radial_nuclei(rng: Rng, nuclear: Field, layer: npt.NDArray[np.bool_], depth: Field, look: _GlandLook) -> None:
    """Stand elongated nuclei upright on the border of a gland."""
    ys, xs = np.nonzero(layer)
    if not len(xs):
        return
    style = look.cells
    down, right = _uphill(depth)
    drawn = np.zeros_like(nuclear)
    for index in rng.integers(0, len(xs), int(len(xs) / (style.radius**2 * 2.6)) + 1):
        x, y = int(xs[index]), int(ys[index])
        upright = float(np.degrees(np.arctan2(down[y, x], right[y, x])))
        radius = style.radius * float(np.exp(rng.normal(0, style.spread)))
        axes = (max(1, round(radius * np.sqrt(style.elongation))), max(1, round(radius / np.sqrt(style.elongation))))
        cv2.ellipse(
            drawn, (x, y), axes, upright + rng.normal(0, 12), 0, 360, style.density * rng.uniform(0.6, 1.25), -1
        )
    drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.7) * (depth > 0), dtype=np.float32)
    np.maximum(nuclear, drawn * (1 + 0.25 * rng.standard_normal(drawn.shape, dtype=np.float32)), out=nuclear)


def _packed_drops(rng: Rng, zone: npt.NDArray[np.bool_], depth: Field, size: float) -> npt.NDArray[np.bool_]:
    """Lay drops of mucus side by side, long towards the lumen, with thin walls between them."""
    drops = np.zeros(zone.shape, np.uint8)
    ys, xs = np.nonzero(zone)
    if not len(xs):
        return zone
    down, right = _uphill(depth)
    for index in rng.integers(0, len(xs), int(2.2 * len(xs) / size**2) + 1):
        x, y = int(xs[index]), int(ys[index])
        inward = float(np.degrees(np.arctan2(down[y, x], right[y, x])))
        axes = (max(1, round(0.8 * size * rng.uniform(0.7, 1.3))), max(1, round(0.5 * size * rng.uniform(0.7, 1.2))))
        cv2.ellipse(drops, (x, y), axes, inward, 0, 360, 1, -1)
        cv2.ellipse(drops, (x, y), axes, inward, 0, 360, 0, 1)
    return np.asarray((drops > 0) & zone)


def _uphill(depth: Field) -> tuple[Field, Field]:
    """Give the rise of the depth along y and x: the way into a gland."""
    smooth = cv2.GaussianBlur(depth, (0, 0), 2)
    down, right = cv2.Sobel(smooth, cv2.CV_32F, 0, 1), cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    return np.asarray(down, np.float32), np.asarray(right, np.float32)


def _regions(rng: Rng, side: int) -> tuple[Rgb, Labels]:
    """Draw tumour nests, follicles or vessels: one or a few large areas that differ from what is around them."""
    nuclear, other = _stroma(rng, side)
    labels = np.zeros((side, side), np.int32)
    for number in range(1, int(rng.integers(1, 5)) + 1):
        x, y = rng.uniform(0.2 * side, 0.8 * side, 2)
        outline = contour(
            rng, x, y, side * rng.uniform(0.1, 0.34),
            elongation=1 + rng.exponential(0.5), angle=rng.uniform(0, np.pi), roughness=rng.uniform(0.05, 0.25),
        )  # fmt: skip
        ragged = warp(rng, filled(side, outline).astype(np.float32), rng.uniform(1, 9), rng.uniform(10, 40)) > 127
        near = cv2.dilate(ragged.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        if not labels[near].any():  # two that touch would be one object to everybody
            labels[ragged] = number
    cell = rng.uniform(2, 8)
    around, within = nucleus_style(rng, cell * rng.uniform(0.7, 1.2)), nucleus_style(rng, cell)
    stamp_nuclei(rng, nuclear, labels == 0, around, around.radius * rng.uniform(4, 10))
    soft = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), rng.uniform(0.6, 2.0))
    ground = np.clip(rng.uniform(0.05, 0.9) + rng.uniform(0.02, 0.15) * noise(rng, side, 4 * cell), 0, None)
    other += soft * (ground - other)
    nuclear += soft * (rng.uniform(0, 0.35) - nuclear)
    if rng.random() < 0.8:
        stamp_nuclei(rng, nuclear, labels > 0, within, within.radius * rng.uniform(2.0, 4.0))
    return stained(rng, nuclear, other), labels


def _blobs(rng: Rng, side: int) -> tuple[Rgb, Labels]:
    """Draw shapes of any look, so that the model learns boxes and borders rather than one tissue."""
    radius = float(np.exp(rng.uniform(np.log(8), np.log(110))))
    labels = np.zeros((side, side), np.int32)
    for number, (x, y) in enumerate(_scattered(rng, side, radius * rng.uniform(2.2, 4)), start=1):
        outline = contour(
            rng, x, y, radius * float(np.exp(rng.normal(0, 0.25))), elongation=1 + rng.exponential(0.6),
            angle=rng.uniform(0, np.pi), roughness=rng.uniform(0.02, 0.3),
        )  # fmt: skip
        labels[(filled(side, outline) > 0) & (labels == 0)] = number
    soft = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), rng.uniform(0.5, 0.05 * radius + 0.6))[..., None]
    ground, inside = (_coloured_noise(rng, side) for _ in range(2))
    if rng.random() < 0.5:  # hardly darker than the ground, or lighter, as under fluorescence
        inside = ground + rng.choice([-1, 1]) * rng.uniform(18, 90) + 0.4 * (inside - inside.mean((0, 1)))
    return np.clip(ground + soft * (inside - ground), 0, 255).astype(np.uint8), labels


def _coloured_noise(rng: Rng, side: int) -> Field:
    base = rng.uniform(20, 245, 3).astype(np.float32)
    pattern = noise(rng, side, float(np.exp(rng.uniform(np.log(2), np.log(80)))), octaves=3)
    return np.asarray(base + pattern[..., None] * rng.uniform(2, 28, 3).astype(np.float32), dtype=np.float32)


KINDS: dict[str, Callable[[Rng, int], tuple[Rgb, Labels]]] = {
    "nuclei": _nuclei_field,
    "crowd": _crowd,
    "glands": _glands,
    "regions": _regions,
    "blobs": _blobs,
}
