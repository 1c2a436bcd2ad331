"""Scenes drawn by the tests, and the same outlines written as every source has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.contours import trace_polygons
from training.dataset import Dataset, Item

WIDTH, HEIGHT = 240, 160
FIRST, SECOND = (60, 50, 24), (160, 100, 30)
"""x, y and radius of two discs."""


def disc(x: int, y: int, radius: int) -> shapely.Polygon:
    """Outline a disc of whole pixels."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(canvas, (x, y), radius, 1, -1)
    return trace_polygons(canvas > 0)[0]


def write_slide(file: Path, *discs: tuple[int, int, int]) -> None:
    """Draw dark discs on pink; the two usual ones where none are named."""
    image = np.full((HEIGHT, WIDTH, 3), (230, 190, 210), np.uint8)
    for x, y, radius in discs or (FIRST, SECOND):
        cv2.circle(image, (x, y), radius, (90, 60, 140), -1)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(cv2.imencode(file.suffix, image[..., ::-1])[1].tobytes())


def feature(shape: BaseGeometry | dict[str, Any] | None, name: object = None, kind: str = "Tumor") -> dict[str, Any]:
    """Write a feature of QuPath."""
    geometry = json.loads(shapely.to_geojson(shape)) if isinstance(shape, BaseGeometry) else shape
    found = {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": kind}}}
    return found if name is None else {**found, "id": name}


def write_geojson(file: Path, features: Sequence[Any]) -> None:
    """Write a collection."""
    file.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}), encoding="utf-8")


def rings_of(shape: BaseGeometry) -> list[list[float]]:
    """List the outer rings as COCO has them."""
    return [np.asarray(part.exterior.coords)[:-1].ravel().tolist() for part in getattr(shape, "geoms", [shape])]


def annotation(shape: BaseGeometry | None, number: object = 1, image: object = 1, **more: Any) -> dict[str, Any]:
    """Write an annotation of COCO."""
    outline = {} if shape is None else {"segmentation": rings_of(shape)}
    return {"id": number, "image_id": image, "category_id": 1, "iscrowd": 0, **outline, **more}


def write_coco(file: Path, annotations: Sequence[Any], images: Sequence[Any] | None = None) -> None:
    """Write a COCO file; its image is a.png."""
    content = {
        "images": images or [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": list(annotations),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def runs_of(mask: np.ndarray) -> list[int]:
    """Count a mask's runs down the columns, background first."""
    column = mask.T.ravel()
    runs = np.diff(np.flatnonzero(np.diff(column.astype(int), prepend=0, append=0)), prepend=0).tolist()
    return [*runs, column.size - sum(runs)]


def compressed(runs: list[int]) -> str:
    """Write run lengths as COCO's tools do."""
    text = ""
    for place, run in enumerate(runs):
        value = run - (runs[place - 2] if place > 2 else 0)
        more = True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value not in (0, -1) or (value == 0) == bool(bits & 0x10)
            text += chr((bits | (0x20 if more else 0)) + 48)
    return text


def asap(places: Sequence[Sequence[float]], name: str = "", group: str = "Tumor", kind: str = "Polygon") -> str:
    """Write an annotation of ASAP."""
    vertices = "".join(f'<Coordinate Order="{number}" X="{x}" Y="{y}" />' for number, (x, y) in enumerate(places))
    attributes = f"Name={quoteattr(name)} Type={quoteattr(kind)} PartOfGroup={quoteattr(group)}"
    return f'<Annotation {attributes} Color="#F4FA58"><Coordinates>{vertices}</Coordinates></Annotation>'


def write_asap(file: Path, annotations: Sequence[str]) -> None:
    """Write a file of ASAP."""
    inside = f"<Annotations>{''.join(annotations)}</Annotations><AnnotationGroups />"
    file.write_text(f'<?xml version="1.0"?>\n<ASAP_Annotations>{inside}</ASAP_Annotations>\n', encoding="utf-8")


def ring(shape: shapely.Polygon) -> list[tuple[float, float]]:
    """List the corners of a polygon, the first one once."""
    return [(x, y) for x, y in shape.exterior.coords][:-1]


def at_centres(values: np.ndarray, item: Item) -> np.ndarray:
    """Look up what an item's window or mask has at the centre of every pixel of the slide; 0 outside of it."""
    x0, y0, side = item.window
    ys, xs = ((np.arange(extent) + 0.5 - corner) * 1024 / side for extent, corner in ((HEIGHT, y0), (WIDTH, x0)))
    inside = ((ys >= 0) & (ys < 1024))[:, None] & ((xs >= 0) & (xs < 1024))[None]
    found = values[ys.clip(0, 1023).astype(int)][:, xs.clip(0, 1023).astype(int)]
    return found * (inside[..., None] if values.ndim == 3 else inside)


def level0(dataset: Dataset, item: Item) -> np.ndarray:
    """Give the mask in pixels of the slide."""
    return at_centres(dataset.mask(item), item)


def pixels_of(shape: BaseGeometry) -> np.ndarray:
    """Give the pixels whose centres lie in a shape."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return shapely.contains_xy(shape, xs.ravel(), ys.ravel()).reshape(HEIGHT, WIDTH)
