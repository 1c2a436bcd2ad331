"""What the page shows of a row: a small picture of the place, with the outlines before and after on it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cytomine_refine.answers import RefineFailed
from cytomine_refine.proposals import box_wkt
from cytomine_refine.wkt import Shape, read_wkt

if TYPE_CHECKING:
    from cytomine_refine.client import RefineClient
    from cytomine_refine.journal import Row
    from cytomine_refine.outlines import Slide

_MARGIN = 0.25
"""Of the longer side, on each side."""
_SIDE_PX = 224
_LEAST_PX0 = 24.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A row and its picture."""

    row: Row
    slide: Slide
    width: int = 0
    """Of the place shown, level-0 pixels; 0: there is no picture."""
    height: int = 0
    before: str = ""
    """SVG path, level-0 pixels, origin at the top left of the place."""
    after: str = ""
    jpeg: str = ""
    """Base 64; empty where Cytomine gave none."""


def picture_of(client: RefineClient, row: Row, slide: Slide) -> Picture:
    """Fetch the picture of a row, as the client's user may see it; one that cannot be had is left out."""
    shapes = [_shape(text) for text in (row.previous_location, row.location)]
    drawn = [shape for shape in shapes if shape is not None]
    if not drawn:
        return Picture(row, slide)
    left, top, width, height = _place(drawn, slide)
    before, after = (_path(shape, slide, left, top) for shape in shapes)
    box = box_wkt(left, slide.height - top - height, left + width, slide.height - top)
    try:
        jpeg = b64encode(client.crop(slide.id, box, _SIDE_PX)).decode()
    except RefineFailed:
        jpeg = ""
    return Picture(row, slide, width, height, before, after, jpeg)


def _shape(text: str) -> Shape | None:
    try:
        shape = read_wkt(text)
    except ValueError:
        return None
    return shape if shape.polygons else None


def _place(shapes: list[Shape], slide: Slide) -> tuple[int, int, int, int]:
    """Give a square around the shapes, with a margin, inside the slide: left, top, width, height (slide frame)."""
    bounds = [shape.upside_down(slide.height).bounds for shape in shapes]
    x0, y0 = min(each[0] for each in bounds), min(each[1] for each in bounds)
    x1, y1 = max(each[2] for each in bounds), max(each[3] for each in bounds)
    side = max((1 + 2 * _MARGIN) * max(x1 - x0, y1 - y0), _LEAST_PX0)
    left, width = _within((x0 + x1) / 2, side, slide.width)
    top, height = _within((y0 + y1) / 2, side, slide.height)
    return left, top, width, height


def _within(centre: float, side: float, most: int) -> tuple[int, int]:
    """Place an interval of whole pixels inside [0, most]; gives its begin and its length."""
    length = min(round(side), most)
    return min(max(round(centre - length / 2), 0), most - length), length


def _path(shape: Shape | None, slide: Slide, left: int, top: int) -> str:
    """Draw a shape as an SVG path."""
    if shape is None:
        return ""
    rings = (ring for rings in shape.upside_down(slide.height).polygons for ring in rings)
    return "".join("M" + "L".join(f"{x - left:.1f} {y - top:.1f}" for x, y in ring) + "Z" for ring in rings)
