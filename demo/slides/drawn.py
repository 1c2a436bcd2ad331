"""Draws a slide: a tissue microarray whose cores hold drawn tissue with known outlines.

Cores are what hides the seams: each is one scene, cut to a ragged disc on white glass, as a punched core lies there.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import shapely
import tifffile
from rich.progress import track
from shapely.affinity import translate

from app.geometry.contours import trace_polygons
from training.tissue import Scene, draw_scene

WIDTH, HEIGHT = 8192, 6144
MICRONS_PER_PIXEL = 0.25
_TILE = 256
_PITCH = 1344
_CORE = 1280
"""Side of the square that a core is cut from, pixels."""
_SCALES = {"glands": 2.0, "nuclei": 1.6, "regions": 2.5}
"""How much a scene is enlarged, so that a slide has objects from 15 to 700 pixels."""
_CORES = (
    "glands", "nuclei", "glands", "regions", "glands", "nuclei",
    "nuclei", "glands", "regions", "glands", "nuclei", "glands",
    "glands", "regions", "glands", "nuclei", "glands", "nuclei",
    "regions", "glands", "nuclei", "glands", "regions", "nuclei",
)  # fmt: skip
_COLUMNS = 6
_SIMPLIFY_PX = 0.6
_PROCESSES = 8
"""That draw cores, at most."""

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One drawn object and its true outline."""

    id: int
    kind: str
    polygon: shapely.Polygon
    """Slide frame, level-0 pixels, y down."""


@dataclass(frozen=True, slots=True)
class DrawnSlide:
    """A slide file and everything on it."""

    path: Path
    width: int
    height: int
    microns_per_pixel: float
    objects: tuple[TrueObject, ...]


def draw_slide(folder: Path, seed: int = 7) -> DrawnSlide:
    """Draw a slide and write it with its truth, or give what was drawn there before.

    Parameters
    ----------
    folder : Path
        Gets ``drawn-<seed>.tiff``, a tiled pyramid that OpenSlide reads, and ``drawn-<seed>.geojson``, the outlines.
    seed : int
        Another seed is another slide.
    """
    file, truth = folder / f"drawn-{seed}.tiff", folder / f"drawn-{seed}.geojson"
    if not (file.exists() and truth.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        pixels, objects = _drawn(seed)
        parts = [each.with_name(f"{each.name}.{os.getpid()}.part") for each in (truth, file)]  # others may draw it, too
        _write_truth(objects, parts[0])
        _write_pyramid(pixels, parts[1])
        for part, whole in zip(parts, (truth, file), strict=True):
            part.replace(whole)
    return DrawnSlide(file, WIDTH, HEIGHT, MICRONS_PER_PIXEL, _read_truth(truth))


def _drawn(seed: int) -> tuple[npt.NDArray[np.uint8], list[TrueObject]]:
    rng = np.random.default_rng(seed)
    glass = rng.integers(240, 247, (1, 1, 3), dtype=np.uint8)
    pixels = np.full((HEIGHT, WIDTH, 3), glass, np.uint8)
    objects: list[TrueObject] = []
    left0, top0 = (WIDTH - _COLUMNS * _PITCH) // 2, (HEIGHT - len(_CORES) // _COLUMNS * _PITCH) // 2
    with ProcessPoolExecutor(min(os.cpu_count() or 1, _PROCESSES), get_context("spawn")) as pool:
        cores = pool.map(partial(_core, seed, glass), range(len(_CORES)))
        for number, core in enumerate(track(cores, total=len(_CORES), description="Drawing a slide")):
            row, column = divmod(number, _COLUMNS)
            left = left0 + column * _PITCH + int(rng.integers(0, _PITCH - _CORE))
            top = top0 + row * _PITCH + int(rng.integers(0, _PITCH - _CORE))
            pixels[top : top + _CORE, left : left + _CORE] = core.image
            for kind, outline in core.outlines:
                objects.append(TrueObject(len(objects) + 1, kind, translate(outline, left, top)))
    return pixels, objects


@dataclass(frozen=True, slots=True)
class _Core:
    image: npt.NDArray[np.uint8]
    """(side, side, 3): tissue on glass."""
    outlines: list[tuple[str, shapely.Polygon]]
    """Kind and outline of each whole object, pixels of the core."""


def _core(seed: int, glass: npt.NDArray[np.uint8], number: int) -> _Core:
    """Draw one core, in a process of its own: it hangs on nothing but the slide's seed and its number."""
    rng, kind = np.random.default_rng([seed, number]), _CORES[number]
    scene = draw_scene(rng, kind, side=round(_CORE / _SCALES[kind]))
    cover = _core_cover(rng)
    image = glass * (1 - cover) + _enlarged(rng, scene.image) * cover
    return _Core(image.astype(np.uint8), _outlines(scene, cover[..., 0] > 0.99))


def _core_cover(rng: Rng) -> npt.NDArray[np.float64]:
    """Give (side, side, 1) shares of tissue: a disc with a ragged, slightly soft rim."""
    turn = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    waves = np.sum([rng.normal(0, 0.02 / k) * np.cos(k * turn + rng.uniform(0, 6.28)) for k in range(2, 14)], axis=0)
    radius = _CORE / 2 * 0.93 * (1 + waves)
    rim = _CORE / 2 + np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None]
    cover = np.zeros((_CORE, _CORE), np.uint8)
    cv2.fillPoly(cover, [rim.round().astype(np.int32)], 255)
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), 2.0)[..., None] / 255)


def _enlarged(rng: Rng, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Enlarge a scene to a core and give it the scanner's grain back."""
    large = cv2.resize(image, (_CORE, _CORE), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    grain = cv2.GaussianBlur(np.asarray(rng.normal(0, 5, large.shape)), (0, 0), 0.7)
    return np.asarray(np.clip(large + grain, 0, 255))


def _outlines(scene: Scene, whole: npt.NDArray[np.bool_]) -> list[tuple[str, shapely.Polygon]]:
    """Outline the objects that the core's rim did not cut, in pixels of the core."""
    scale = _CORE / scene.labels.shape[0]
    found = []
    for each in scene.objects:
        x0, y0, x1, y1 = each.x0 - 2, each.y0 - 2, each.x1 + 2, each.y1 + 2
        x0, y0 = max(x0, 0), max(y0, 0)
        mask = (scene.labels[y0:y1, x0:x1] == each.label).astype(np.float32)
        size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
        large = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 0.5
        left, top = round(x0 * scale), round(y0 * scale)
        ground = whole[top : top + large.shape[0], left : left + large.shape[1]]
        if ground.shape != large.shape or not ground[large].all() or not large.any():
            continue
        polygon = max(trace_polygons(large), key=lambda one: float(one.area))
        polygon = shapely.Polygon(polygon.exterior).simplify(_SIMPLIFY_PX)
        found.append((each.kind, translate(polygon, left, top)))
    return found


def _write_pyramid(pixels: npt.NDArray[np.uint8], file: Path) -> None:
    """Write a tiled JPEG pyramid of halves, down to one tile or so."""
    per_cm = 10_000 / MICRONS_PER_PIXEL
    with tifffile.TiffWriter(file, bigtiff=False) as writer:
        level = 0
        while True:
            options: dict[str, Any] = {
                "tile": (_TILE, _TILE),
                "photometric": "rgb",
                "compression": "jpeg",
                "compressionargs": {"level": 88},
                "resolution": (per_cm / 2**level, per_cm / 2**level),
                "resolutionunit": "CENTIMETER",
                "metadata": None,
                "subfiletype": 1 if level else 0,
            }
            writer.write(pixels, **options)
            if max(pixels.shape[:2]) <= 2 * _TILE:
                return
            half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
            pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
            level += 1


def _write_truth(objects: list[TrueObject], file: Path) -> None:
    features = [
        {
            "type": "Feature",
            "id": each.id,
            "properties": {"kind": each.kind},
            "geometry": shapely.geometry.mapping(each.polygon),
        }
        for each in objects
    ]
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    part.replace(file)


def _read_truth(file: Path) -> tuple[TrueObject, ...]:
    features = json.loads(file.read_text())["features"]
    return tuple(
        TrueObject(each["id"], each["properties"]["kind"], shapely.geometry.shape(each["geometry"]))
        for each in features
    )
