"""The picture of a refine: the window that the model saw, the box, the points, the outlines."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from PIL import Image, ImageDraw, ImageFont

_SIDE = 1024
_LEGEND = 56
_OLD, _NEW, _TRUTH, _POINT = (255, 150, 40), (30, 230, 120), (255, 255, 255), (60, 120, 255)
_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws with."""

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """What to show, in the slide frame: level-0 pixels, y down."""

    window: tuple[int, int, int, int]
    """x, y, width, height."""
    pixels: bytes
    """The window as an encoded image."""
    old: shapely.Geometry
    new: shapely.Geometry
    points: tuple[shapely.Point, ...]
    truth: shapely.Geometry | None


def draw_picture(picture: Picture, title: str, file: Path) -> None:
    """Draw the picture and write it as PNG, 1024 pixels wide."""
    x, y, width, height = picture.window
    image = Image.open(io.BytesIO(picture.pixels)).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    canvas = np.asarray(image).copy()
    scale = np.array([_SIDE / width, _SIDE / height])

    def place(xy: npt.ArrayLike) -> npt.NDArray[np.int32]:
        return np.asarray((np.asarray(xy) - (x, y)) * scale * 2**_SHIFT).round().astype(np.int32)

    if picture.truth is not None:
        _outline(canvas, map(place, _rings(picture.truth)), _TRUTH, 2)
    _outline(canvas, map(place, _rings(picture.old)), _OLD, 3)
    _fill(canvas, [place(ring) >> _SHIFT for ring in _rings(picture.new)])
    _outline(canvas, map(place, _rings(picture.new)), _NEW, 3)
    for point in picture.points:
        centre = tuple(int(value) for value in place([[point.x, point.y]])[0])
        cv2.circle(canvas, centre, 9 << _SHIFT, (255, 255, 255), -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(canvas, centre, 6 << _SHIFT, _POINT, -1, cv2.LINE_AA, _SHIFT)
    _with_legend(canvas, title, picture).save(file)


def _rings(geometry: shapely.Geometry) -> list[npt.NDArray[np.float64]]:
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return [np.asarray(ring.coords)[:, :2] for part in parts for ring in (part.exterior, *part.interiors)]


def _outline(canvas: Rgb, rings: Iterable[npt.NDArray[np.int32]], colour: tuple[int, int, int], thickness: int) -> None:
    """Draw rings with a thin dark seam, so that they show on any stain."""
    rings = list(rings)
    cv2.polylines(canvas, rings, True, (30, 20, 40), thickness + 2, cv2.LINE_AA, _SHIFT)
    cv2.polylines(canvas, rings, True, colour, thickness, cv2.LINE_AA, _SHIFT)


def _fill(canvas: Rgb, rings: list[npt.NDArray[np.int32]]) -> None:
    """Tint the inside of the new outline a little."""
    tinted = canvas.copy()
    cv2.fillPoly(tinted, rings, _NEW)
    cv2.addWeighted(tinted, 0.16, canvas, 0.84, 0, canvas)


def _with_legend(canvas: Rgb, title: str, picture: Picture) -> Image.Image:
    image = Image.new("RGB", (_SIDE, _SIDE + _LEGEND), (24, 24, 30))
    image.paste(Image.fromarray(canvas), (0, 0))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=20)
    entries = [("drawn", _OLD), ("refined", _NEW)]
    if picture.truth is not None:
        entries.append(("truth", _TRUTH))
    if picture.points:
        entries.append(("points", _POINT))
    left = 16
    for text, colour in entries:
        draw.rectangle((left, _SIDE + 20, left + 26, _SIDE + 36), fill=colour)
        draw.text((left + 34, _SIDE + 16), text, fill=(230, 230, 230), font=font)
        left += 34 + int(draw.textlength(text, font=font)) + 28
    draw.text((_SIDE - 16, _SIDE + 16), title, fill=(230, 230, 230), font=font, anchor="ra")
    return image
