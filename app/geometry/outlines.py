"""Outlines: from the model's raw values to the shape that the platform stores and a person can edit.

Two styles. *Smooth* follows the cleaned mask as a curve without its stairs, with few corners (decision 0035).
*Thesis* is what the thesis' own post-processing gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon, Polygon

from app.geometry.frames import FloatXY, SlideXY, WindowXY
from app.geometry.masks import (
    CLOSING_PX,
    OPENING_PX,
    BoolMask,
    around,
    clean_mask,
    large_components,
    mask_in_model_frame,
    without_spurs,
)
from app.geometry.polygons import Holes, Parts, clip_to_slide, polygonal
from app.geometry.rings import SAMPLES_PX, Component, Ring, balanced, components_of, corners, fewest, smoothed
from app.geometry.windows import MODEL_SIDE_PX, WindowGrid

Style = Literal["smooth", "thesis"]

MOST_VERTICES = 200
"""More than this is tedious to edit by hand; it is also Core's own default for new annotations."""
SMOOTHING_PX = 12.0
"""Standard deviation of the Gaussian along the outline, model pixels."""
TOLERANCE_PX = 1.5
"""How far the smooth curve may lie from the lines between its corners, model pixels; less for small parts."""
_FINE_PX = 0.25
"""The tolerance where `detail` chooses among the corners."""
_SMALLER_FRAMES_PX = (MODEL_SIDE_PX // 4, MODEL_SIDE_PX // 2)
_FRAME_OVER_LOGITS = 6
"""Pixels of a frame for each raw value; more move an outline by a fiftieth of a raw value's width (decision 0077)."""
_LEAST_STEP_PX = 2.0
"""Between the points of a curve."""
_LEAST_COORDINATES = 4
"""Of a ring, its first corner counted twice."""


@dataclass(frozen=True, slots=True)
class OutlineOptions:
    """How an outline is to look."""

    holes: Holes = "fill"
    """What becomes of background that the object surrounds."""
    parts: Parts = "all"
    """Which components to outline."""
    style: Style = "smooth"
    detail: int | None = None
    """Most coordinates, those that close a ring counted; None leaves it to the style."""


def outline_of(
    logits: npt.NDArray[np.float32],
    grid: WindowGrid,
    shape: tuple[int, int],
    options: OutlineOptions = OutlineOptions(),
    shown: SlideXY | None = None,
    frame_px: int = MODEL_SIDE_PX,
) -> Polygon | MultiPolygon | None:
    """Outline the object that raw values show.

    *Smooth*, the default: the mask loses its spurs (`without_spurs`) and is cleaned in the model frame (`clean_mask`),
    its border is drawn as a smooth curve (`smoothed`) and given corners where it bends (`corners`, `balanced`); usually
    30 to 60, and at most 200 unless more parts need more.

    *Thesis*: the mask of the thesis, section 5.7.1, bit for bit: raw values enlarged bilinearly to the 1,024 px that
    section 7.3 works at, above 0, `cv2.morphologyEx` with squares of 10 (opening) and 20 px (closing), components of at
    least a tenth of the largest. Its outline is that of the author's code: every outer contour of OpenCV, nothing
    simplified; as there, it runs through the pixels' upper left corners and so ends one pixel short on the right and
    at the bottom, the even kernels move it by a pixel, and what the opening takes away entirely is not found. The
    author scales only windows larger than 1,024 px; here the model frame serves all (decision 0003).

    Parameters
    ----------
    logits : (h, w) float32
        Raw values over the whole window; above 0 is object.
    grid : WindowGrid
        Where the window's array lies on its slide.
    shape : (rows, columns)
        Of that array.
    options : OutlineOptions
        With `detail`, the corners that matter most to the area are kept; holes, then small parts, are left out where
        there are too many of them for a triangle each.
    shown : (n, 2) float64, optional
        Points that people set on the object, slide frame: the piece that holds one is no spur, and never too
        small.
    frame_px : int
        Side of the frame in which *smooth* works, `MODEL_SIDE_PX` or a half or a quarter of it; see `frame_of`. All
        lengths shrink with it.

    Returns
    -------
    Polygon, MultiPolygon or None
        Slide frame, level-0 pixels; valid, not clipped to the slide. None if there is no object.
    """
    mask = mask_in_model_frame(logits, MODEL_SIDE_PX if options.style == "thesis" else frame_px)
    placed = grid.resized(shape, mask.shape)
    if options.style == "thesis":
        drawn = _thesis(mask, options)
    else:
        drawn = _smooth(mask, options, None if shown is None else placed.to_window(shown))

    def to_slide(points: FloatXY) -> FloatXY:
        return placed.to_slide(WindowXY(points))

    return drawn and _mended(shapely.transform(drawn, to_slide))


def frame_of(logits: npt.NDArray[np.float32]) -> int:
    """Give the side of the smallest frame that tells all there is in raw values of few pixels; see `outline_of`."""
    enough = (side for side in _SMALLER_FRAMES_PX if side >= _FRAME_OVER_LOGITS * max(logits.shape))
    return next(enough, MODEL_SIDE_PX)


def outline_on_slide(
    logits: npt.NDArray[np.float32],
    grid: WindowGrid,
    shape: tuple[int, int],
    options: OutlineOptions,
    slide_size: tuple[int, int],
    shown: SlideXY | None = None,
    frame_px: int = MODEL_SIDE_PX,
) -> Polygon | MultiPolygon | None:
    """Outline as `outline_of` does, and cut away what lies outside the slide (width, height; level-0 pixels).

    The cut may add corners. Where it adds too many for `detail`, the outline has that many less before it.
    """
    allowed = options.detail
    while True:
        drawn = outline_of(logits, grid, shape, replace(options, detail=allowed), shown, frame_px)
        clipped = drawn and clip_to_slide(drawn, *slide_size)
        excess = shapely.get_num_coordinates(clipped) - (options.detail or math.inf)
        if allowed is None or excess <= 0 or allowed <= _LEAST_COORDINATES:
            return clipped
        allowed = max(_LEAST_COORDINATES, allowed - int(excess))


def _smooth(
    mask: BoolMask, options: OutlineOptions, shown: npt.NDArray[np.float64] | None
) -> Polygon | MultiPolygon | None:
    """Outline the cleaned mask without its spurs as curves with few corners; model frame."""
    rows, columns = place = around(mask, CLOSING_PX)  # farther away nothing happens
    corner, scale = (columns.start, rows.start), mask.shape[0] / MODEL_SIDE_PX
    held = None if shown is None else shown - corner
    part = clean_mask(without_spurs(mask[place], held), scale, held)
    curve = partial(smoothed, width_px=SMOOTHING_PX * scale, step_px=max(SAMPLES_PX * scale, _LEAST_STEP_PX))
    components = [
        Component(curve(component.shell), tuple(curve(hole) for hole in component.holes))
        for component in _wanted(part, options, corner)
    ]
    tolerance = (TOLERANCE_PX if options.detail is None else _FINE_PX) * scale
    return _drawn(components, tolerance, options.detail or _usual(components), balance=True)


def _thesis(mask: BoolMask, options: OutlineOptions) -> Polygon | MultiPolygon | None:
    """Outline the mask as the author's code does; model frame."""
    cleaned = mask.astype(np.uint8)
    for step, size in ((cv2.MORPH_OPEN, OPENING_PX), (cv2.MORPH_CLOSE, CLOSING_PX)):
        cleaned = cv2.morphologyEx(cleaned, step, np.ones((size, size), np.uint8)).astype(np.uint8)
    components = [
        Component(component.shell - 0.5, tuple(hole - 0.5 for hole in component.holes))
        for component in _wanted(large_components(cleaned), options)
    ]
    if options.detail is None:
        return _composed(components)
    return _drawn(components, 0.0, options.detail, balance=False)


def _wanted(mask: BoolMask, options: OutlineOptions, corner: tuple[int, int] = (0, 0)) -> list[Component]:
    components = components_of(mask, corner, holes=options.holes == "keep")
    return components[:1] if options.parts == "largest" else components


def _usual(components: Sequence[Component]) -> int:
    """Give the most coordinates of an outline of which nobody said it: all parts are kept."""
    return max(MOST_VERTICES, _LEAST_COORDINATES * sum(1 + len(component.holes) for component in components))


def _drawn(
    components: Sequence[Component], tolerance_px: float, most: int, *, balance: bool
) -> Polygon | MultiPolygon | None:
    """Draw components with at most so many coordinates.

    Where corners cross each other, the repair adds some; then fewer are allowed, down to a triangle, which has none
    that could cross.
    """
    allowed = most
    while True:
        kept = _affordable(components, allowed)
        shape = _composed(_cornered(kept, tolerance_px, allowed, balance=balance))
        if shapely.get_num_coordinates(shape) <= most or allowed <= _LEAST_COORDINATES:
            return shape
        allowed = max(_LEAST_COORDINATES, allowed // 2)


def _affordable(components: Sequence[Component], most: int) -> list[Component]:
    """Keep the largest parts, then their holes, as long as there is a triangle for each."""
    shells = components[: most // _LEAST_COORDINATES]
    spare = most // _LEAST_COORDINATES - len(shells)
    kept = []
    for component in shells:
        kept.append(Component(component.shell, component.holes[:spare]))
        spare -= len(kept[-1].holes)
    return kept


def _cornered(components: Sequence[Component], tolerance_px: float, most: int, *, balance: bool) -> list[Component]:
    """Give every ring its corners, so many coordinates in all."""
    rings = [ring for component in components for ring in (component.shell, *component.holes)]
    chosen = fewest(rings, [corners(ring, tolerance_px) for ring in rings], most - len(rings))
    drawn = iter([_polygon(ring, at, balance=balance) for ring, at in zip(rings, chosen, strict=True)])
    return [Component(next(drawn), tuple(next(drawn) for _ in component.holes)) for component in components]


def _polygon(ring: Ring, chosen: npt.NDArray[np.intp], *, balance: bool) -> Ring:
    """Take the corners of a ring, balanced if they do not cross each other then."""
    moved = balanced(ring, chosen) if balance else ring[chosen]
    return moved if Polygon(moved).is_valid else ring[chosen]


def _composed(components: Sequence[Component]) -> Polygon | MultiPolygon | None:
    """Put parts and holes together, mended where they cross."""
    shapes = [_without_holes(component) for component in components]
    return polygonal(shapely.union_all(shapes))


def _without_holes(component: Component) -> Polygon | MultiPolygon | None:
    holes = [_area(hole) for hole in component.holes]
    return shapely.difference(_area(component.shell), shapely.union_all(holes))


def _area(ring: Ring) -> Polygon | MultiPolygon | None:
    return _mended(Polygon(ring))


def _mended(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon | None:
    """Make a shape valid whatever its size: those of masks do not cross themselves so often that it would take long."""
    return polygonal(shape if shape.is_valid else shapely.make_valid(shape, method="structure", keep_collapsed=False))
