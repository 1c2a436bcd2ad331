"""Annotations sent to PIMS: their region, mask, crop and drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from PIL import ImageColor
from shapely import affinity

from demo.cytomine.pims.answers import Refused, unprocessable
from slides import Box, SlideFile

_POINT_ENVELOPE_PX = 100
_HALF_PIXEL = 0.5
"""PIMS turns bottom-left coordinates by height - 0.5 - y, windows do not know of that half pixel."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One annotation, y down, with its colours."""

    geometry: shapely.Geometry
    fill: tuple[int, int, int] | None
    stroke: tuple[int, int, int] | None
    stroke_width: int


def read_shapes(body: Mapping[str, Any], slide: SlideFile, origin: str | None) -> list[Shape]:
    """Read ``annotations``: one object or a list."""
    found = body.get("annotations")
    records = [found] if isinstance(found, Mapping) else found
    if not isinstance(records, list) or not records:
        raise unprocessable(["annotations"], "Field required", found)
    if (origin or "LEFT_TOP") not in {"LEFT_TOP", "LEFT_BOTTOM"}:
        raise unprocessable(["X-Annotation-Origin"], "Input should be 'LEFT_TOP' or 'LEFT_BOTTOM'", origin)
    turned = origin == "LEFT_BOTTOM"
    return [_shape(record, slide.height if turned else None) for record in records]


def _shape(record: Mapping[str, Any], height: int | None) -> Shape:
    text = str(record.get("geometry"))
    try:
        geometry = shapely.from_wkt(text)
    except shapely.GEOSException as error:
        raise Refused(
            400, "Invalid geometry", "The geometry is invalid.", geometry=text, reason="WKT reading error"
        ) from error
    if height is not None:
        geometry = affinity.affine_transform(geometry, [1, 0, 0, -1, 0, height - _HALF_PIXEL])
    return Shape(
        geometry,
        _colour(record.get("fill_color")),
        _colour(record.get("stroke_color")),
        record.get("stroke_width") or 1,
    )


def _colour(text: Any) -> tuple[int, int, int] | None:
    if text is None:
        return None
    try:
        return ImageColor.getrgb(str(text))[:3]
    except ValueError as error:
        raise unprocessable(["annotations", "color"], "value is not a valid color", text) from error


def region_of(shapes: list[Shape], body: Mapping[str, Any], slide: SlideFile, *, square: bool = False) -> Box:
    """Give the shapes' envelope times ``context_factor``, squared where asked, moved inside the slide.

    Corners are rounded down and sizes up, as PIMS makes its regions discrete.
    """
    x0, y0, x1, y1 = shapely.total_bounds(np.array([shape.geometry for shape in shapes]))
    width, height = x1 - x0, y1 - y0
    if width == 0 and height == 0:
        width = height = _POINT_ENVELOPE_PX
    factor = float(body.get("context_factor") or 1.0)
    width, height = width * factor, height * factor
    if square:
        width = height = max(width, height)
    width, height = min(width, slide.width), min(height, slide.height)
    left = min(max((x0 + x1 - width) / 2, 0), slide.width - width)
    top = min(max((y0 + y1 - height) / 2, 0), slide.height - height)
    whole_left, whole_top = floor(left), floor(top)
    return Box(
        whole_left,
        whole_top,
        max(1, min(ceil(width), slide.width - whole_left)),
        max(1, min(ceil(height), slide.height - whole_top)),
    )


def painted(
    kind: str, shapes: list[Shape], region: Box, pixels: npt.NDArray[Any], body: Mapping[str, Any]
) -> npt.NDArray[Any]:
    """Make the crop (RGBA), the mask (gray, or RGB in colour) or the drawing (RGB) of a region's pixels."""
    height, width = pixels.shape[:2]
    scale = (width / region.width, height / region.height)
    to_output = [scale[0], 0, 0, scale[1], -region.left * scale[0], -region.top * scale[1]]
    moved = [(shape, affinity.affine_transform(shape.geometry, to_output)) for shape in shapes]
    if kind == "mask":
        return _mask(moved, width, height)
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    if kind == "drawing":
        canvas = np.ascontiguousarray(rgb).copy()
        for shape, geometry in moved:
            if shape.stroke is not None:
                cv2.polylines(canvas, _rings(geometry), True, shape.stroke, shape.stroke_width)
        return canvas
    inside = _filled([geometry for _, geometry in moved], width, height)
    outside = round(255 * (1 - float(body.get("background_transparency") or 0) / 100))
    alpha = np.where(inside > 0, 255, outside).astype(rgb.dtype)
    return np.dstack([rgb, alpha])


def _mask(moved: list[tuple[Shape, shapely.Geometry]], width: int, height: int) -> npt.NDArray[np.uint8]:
    colours = [shape.fill or (255, 255, 255) for shape, _ in moved]
    layers = [_filled([geometry], width, height) > 0 for _, geometry in moved]
    if all(len(set(colour)) == 1 for colour in colours):
        gray = np.zeros((height, width), np.uint8)
        for colour, layer in zip(colours, layers, strict=True):
            gray[layer] = colour[0]
        return gray
    image = np.zeros((height, width, 3), np.uint8)
    for colour, layer in zip(colours, layers, strict=True):
        image[layer] = colour
    return image


def _filled(geometries: list[shapely.Geometry], width: int, height: int) -> npt.NDArray[np.uint8]:
    canvas = np.zeros((height, width), np.uint8)
    for geometry in geometries:
        cv2.fillPoly(canvas, _rings(geometry), 255)
    return canvas


def _rings(geometry: shapely.Geometry) -> list[npt.NDArray[np.int32]]:
    """Give all rings, outer and inner, in pixel indices."""
    parts = shapely.get_parts(geometry)
    polygons = [part for part in parts if part.geom_type == "Polygon"]
    rings = [ring for polygon in polygons for ring in (polygon.exterior, *polygon.interiors)]
    return [np.floor(np.asarray(ring.coords)[:, :2]).astype(np.int32) for ring in rings if not ring.is_empty]
