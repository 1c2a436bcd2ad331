"""Exemplars: annotations that show what to look for, and what not, as the model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt, RoiOutsideSlide
from app.geometry.frames import flip_geometry
from app.geometry.likeness import Pattern, Shown, cover_of, pattern_of
from app.geometry.locations import read_location, roi_of
from app.geometry.polygons import polygonal
from app.geometry.similar import Sizes
from app.geometry.tiles import Tile, Tiling
from app.geometry.windows import Window, WindowGrid, window_at
from app.usecases.ports import EncodedWindow, Segmenter, Slide, SlideGateway

OBJECTS_IN_TILE = 5.0
"""Side of a tile over the longer side of the exemplars. Training shows the model objects of half the window; so small
they are still outlined nearly as well, and a region needs a sixth of the windows (decision 0042)."""
_OVERLAP = 1.0
"""What neighbouring tiles share, over the longer side of the exemplars."""
LEAST_TILE_PX0 = 16


@dataclass(frozen=True, slots=True)
class Exemplars:
    """Shapes that were shown; slide frame, valid, on the slide."""

    like: tuple[Polygon | MultiPolygon, ...]
    """At least one."""
    unlike: tuple[Polygon | MultiPolygon, ...]
    slice_id: int | None
    """The plane that the first one lies on."""

    @property
    def size_px0(self) -> tuple[float, float]:
        """Width and height of the usual one, level-0 pixels: geometric means, which few odd ones move least."""
        bounds = np.array([shape.bounds for shape in self.like])
        width, height = np.exp(np.log(bounds[:, 2:] - bounds[:, :2]).mean(axis=0))
        return float(width), float(height)

    def tiling(self) -> Tiling:
        """Give tiles in which objects of this size are seen well."""
        longer = max(self.size_px0)
        side = max(LEAST_TILE_PX0, round(OBJECTS_IN_TILE * longer))
        return Tiling(side, min(round(_OVERLAP * longer), side // 2))

    def nearest_first(self, tiles: Sequence[Tile]) -> list[Tile]:
        """Begin beside the exemplars: somebody looks there, and something like them is likely to be found soon."""
        shown = np.array([shape.centroid.coords[0] for shape in self.like])

        def distance(tile: Tile) -> float:
            middle = np.array([tile.window.x0, tile.window.y0]) + tile.window.side_px0 / 2
            return float(np.hypot(*(shown - middle).T).min())

        return sorted(tiles, key=distance)

    def windows(self, side_px0: int, slide: Slide) -> list[Window]:
        """Give a window of a tile's side around each, the likes first."""
        return [_around(shape, side_px0, slide) for shape in (*self.like, *self.unlike)]

    def sizes(self, grid: WindowGrid) -> Sizes:
        """Tell how large they are in the pixels of an array."""
        areas = [shape.area / (grid.dx * grid.dy) for shape in self.like]
        width, height = self.size_px0
        return Sizes(width / grid.dx, height / grid.dy, (min(areas), max(areas)))

    def pattern(self, encoded: list[EncodedWindow], segmenter: Segmenter) -> Pattern:
        """Learn what they look like from their windows."""
        shapes = (*self.like, *self.unlike)
        shown = [_shown(shape, window, segmenter) for shape, window in zip(shapes, encoded, strict=True)]
        return pattern_of(shown[: len(self.like)], shown[len(self.like) :])


def read_exemplars(
    gateway: SlideGateway, slide: Slide, like: tuple[int, ...], unlike: tuple[int, ...], go_on: Callable[[], None]
) -> Exemplars | None:
    """Read exemplars with the caller's rights; None where there are none.

    Parameters
    ----------
    go_on : callable
        Asked before each; raises if nobody waits any more.

    Raises
    ------
    InvalidPrompt
        One has no area, or lies on another image.
    AnnotationNotFound, PlatformError
        As the platform says.
    """
    slices: list[int | None] = []

    def shape_of(number: int) -> Polygon | MultiPolygon:
        go_on()
        annotation = gateway.annotation(number)
        if annotation.slide_id != slide.id:
            raise InvalidPrompt("An exemplar is on another image.", annotation_id=number)
        slices.append(annotation.slice_id)
        return on_slide(read_location(annotation.location), slide)

    if not like:
        return None
    shown = tuple(shape_of(number) for number in like)
    return Exemplars(shown, tuple(shape_of(number) for number in unlike), slices[0])


def on_slide(shape: BaseGeometry, slide: Slide) -> Polygon | MultiPolygon:
    """Bring a shape of the platform frame into the slide frame, valid and cut to the slide.

    Raises
    ------
    NotRefinable
        Nothing of it has an area there.
    """
    roi_of(shape, slide.width, slide.height)
    valid = polygonal(shape)
    whole = shapely.box(0, 0, slide.width, slide.height)
    inside = valid and polygonal(shapely.intersection(flip_geometry(valid, slide.height), whole))
    if inside is None:
        raise RoiOutsideSlide("The shape has no area on the slide.")
    return inside


def _around(shape: BaseGeometry, side: int, slide: Slide) -> Window:
    x_min, y_min, x_max, y_max = shape.bounds

    def start(low: float, high: float, limit: int) -> int:
        return min(max(round((low + high - side) / 2), min(0, limit - side)), max(0, limit - side))

    x0, y0 = start(x_min, x_max, slide.width), start(y_min, y_max, slide.height)
    return window_at(x0, y0, side, slide.width, slide.height)


def _shown(shape: BaseGeometry, encoded: EncodedWindow, segmenter: Segmenter) -> Shown:
    features = segmenter.features(encoded.embedding)
    return Shown(features, cover_of(shape, encoded.grid, encoded.shape, (features.shape[1], features.shape[2])))
