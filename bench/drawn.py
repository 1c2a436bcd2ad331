"""What is drawn in ``bench.doubts``: around real objects, on glass, on stroma, and on tissue out of focus."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi
from app.geometry.polygons import clip_to_slide
from app.geometry.windows import MODEL_SIDE_PX, plan_window
from app.usecases.ports import Slide
from bench.objects import truths
from slides import open_slide
from training.prompts import loose_mask, loosened_box

BLURS = (0.07, 0.12, 0.2)
"""Deviation of the blur that puts tissue out of focus, over the longer side of the box."""
_GLASS_CONTRAST = 12.0
_GLASS = (
    "CMU-1-Small-Region.svs",
    "CMU-1-Small-Region.svs",
    "CMU-1-Small-Region.svs",
    "montage.tiff",
    "test3-DAPI.ndpi",
)
"""Where empty windows come from, in turn."""
_OF_SEEN, _OF_STROMA = 24, 3
"""Most objects of an image of the training, and boxes on stroma of any image."""
_CASE = re.compile(r"/(GT\w+?\d+)-")
"""The patient, in the names of the gland images."""


@dataclass(frozen=True, slots=True)
class Case:
    """Something that was drawn, and what is there."""

    kind: str
    """nucleus, gland, glass, stroma or out of focus."""
    case: str
    """Whose tissue it is: halves of the cases share none."""
    seen: bool
    """Whether the model was trained on this image."""
    slide: Slide
    drawn: BaseGeometry
    """Slide frame."""
    how: str
    truth: BaseGeometry | None = None
    blur_px0: float = 0.0

    @property
    def box(self) -> Roi:
        """What the model is shown of the drawn shape."""
        return _roi(self.drawn)


def cases(data: Path, unseen: frozenset[str], objects: int, empty: int) -> list[Case]:
    """Choose everything that is asked, always the same: images that were left out of the training come first.

    Parameters
    ----------
    data : Path
        Holds ``tiles`` and ``slides``.
    objects : int
        Real objects in all.
    empty : int
        Windows of glass; half as many of stroma, and of tissue out of focus.
    """
    rng = np.random.default_rng(0)
    names = [mask.name.removesuffix(".mask.png") for mask in sorted((data / "tiles").glob("*.mask.png"))]
    names.sort(key=lambda name: name not in unseen)
    patients = _patients(data / "manifest.csv")
    real = _first(_real(data, names, unseen, patients, rng), objects)
    blurred = [
        replace(case, kind="out of focus", truth=None, blur_px0=BLURS[at % len(BLURS)] * _longer(case.drawn))
        for at, case in enumerate(real[:: max(1, len(real) // (empty // 2))])
    ]
    return [
        *real,
        *_first(_glass(data, rng), empty),
        *_first(_stroma(data, names, unseen, patients, rng), empty // 2),
        *blurred[: empty // 2],
    ]


def _patients(manifest: Path) -> dict[str, str]:
    with manifest.open(newline="", encoding="utf-8") as stream:
        return {
            row["name"]: found[1].upper() if (found := _CASE.search(row["source"])) else row["name"]
            for row in csv.DictReader(stream)
        }


def _first(found: Iterator[Case], most: int) -> list[Case]:
    return [case for _, case in zip(range(most), found, strict=False)]


def _real(
    data: Path, names: Sequence[str], unseen: frozenset[str], patients: dict[str, str], rng: np.random.Generator
) -> Iterator[Case]:
    """Go through the objects, all of the unseen images and then some of each seen one; boxes and lassos in turn."""
    for name in names:
        slide, found = _opened(data / "tiles" / f"{name}.png"), list(truths(data / "tiles" / f"{name}.mask.png"))
        some = range(len(found)) if name in unseen else sorted(rng.permutation(len(found))[:_OF_SEEN])
        for number, at in enumerate(some):
            truth, lasso = found[at], bool(number % 2)
            drawn = _lasso(truth, slide, rng) if lasso else _box(loosened_box_of(truth, rng), slide)
            yield Case(
                _kind(name), patients[name], name not in unseen, slide, drawn, "lasso" if lasso else "box", truth
            )


def _glass(data: Path, rng: np.random.Generator) -> Iterator[Case]:
    at = 0
    while True:
        file = data / "slides" / _GLASS[at % len(_GLASS)]
        slide = _opened(file)
        side = float(np.exp(rng.uniform(np.log(30), np.log(400))))
        size = np.array([side, side * rng.uniform(0.5, 1)])
        corner = rng.uniform(0, np.array([slide.width, slide.height]) - size)
        drawn = _box(np.concatenate([corner, corner + size]), slide)
        window = plan_window(_roi(drawn), slide.width, slide.height).region
        pixels = np.asarray(
            open_slide(file).read(window.left, window.top, window.width, window.height, (64, 64)), np.uint8
        )
        smooth = cv2.GaussianBlur(pixels, (0, 0), 2).astype(float)
        if float(np.ptp(smooth, axis=(0, 1)).max()) < _GLASS_CONTRAST:
            at += 1
            yield Case("glass", f"{file.name} {int(corner[0] > slide.width / 2)}", False, slide, drawn, "box")


def _stroma(
    data: Path, names: Sequence[str], unseen: frozenset[str], patients: dict[str, str], rng: np.random.Generator
) -> Iterator[Case]:
    """Put boxes of the objects' size where no object was outlined, some of each image."""
    for name in names:
        slide = _opened(data / "tiles" / f"{name}.png")
        labels = np.asarray(cv2.imread(str(data / "tiles" / f"{name}.mask.png"), cv2.IMREAD_UNCHANGED))
        low, high = (0.15, 0.4) if _kind(name) == "gland" else (0.03, 0.08)
        found = 0
        for _ in range(400):
            size = rng.uniform(low, high, 2) * slide.width
            corner = rng.uniform(0, np.array([slide.width, slide.height]) - size)
            x0, y0, x1, y1 = np.concatenate([np.floor(corner), np.ceil(corner + size)]).astype(int)
            if found < _OF_STROMA and not labels[y0:y1, x0:x1].any():
                found += 1
                drawn = _box(np.concatenate([corner, corner + size]), slide)
                yield Case("stroma", patients[name], name not in unseen, slide, drawn, "box")


def loosened_box_of(truth: BaseGeometry, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Loosen the box of an object, as the training's prompts do it; level-0 pixels."""
    x0, y0, x1, y1 = truth.bounds
    scale = 256 / max(x1 - x0, y1 - y0)
    shift = np.array([(x0 + x1) / 2, (y0 + y1) / 2] * 2)
    inside = (np.array(truth.bounds) - shift) * scale + MODEL_SIDE_PX / 2
    return np.asarray((loosened_box(rng, inside) - MODEL_SIDE_PX / 2) / scale + shift)


def _lasso(truth: BaseGeometry, slide: Slide, rng: np.random.Generator) -> BaseGeometry:
    """Circle an object loosely, as the training's mask prompts do it."""
    x0, y0, x1, y1 = truth.bounds
    scale, middle = MODEL_SIDE_PX / 2 / max(x1 - x0, y1 - y0), np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    mask = np.zeros((MODEL_SIDE_PX, MODEL_SIDE_PX), np.uint8)
    for part in shapely.get_parts(truth):
        places = (np.array(part.exterior.coords) - middle) * scale + MODEL_SIDE_PX / 2
        cv2.fillPoly(mask, [np.round(places).astype(np.int32)], 1)
    contours, _ = cv2.findContours(loose_mask(rng, mask > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ring = max(contours, key=len)[:, 0] + 0.5
    drawn = shapely.Polygon((ring - MODEL_SIDE_PX / 2) / scale + middle).simplify(1 / scale)
    return clip_to_slide(drawn, slide.width, slide.height) or _box(np.array(truth.bounds), slide)


def _opened(file: Path) -> Slide:
    opened = open_slide(file)
    return Slide(zlib.crc32(file.name.encode()), opened.width, opened.height, str(file))


def _kind(name: str) -> str:
    return "gland" if name.startswith("gland") else "nucleus"


def _box(corners: np.ndarray[Any, np.dtype[np.float64]], slide: Slide) -> BaseGeometry:
    roi = Roi(*(float(side) for side in corners)).clipped(slide.width, slide.height)
    return shapely.box(roi.x_min, roi.y_min, roi.x_max, roi.y_max)


def _roi(shape: BaseGeometry) -> Roi:
    return Roi(*shape.bounds)


def _longer(shape: BaseGeometry) -> float:
    return _roi(shape).longer_side
