"""Propose outlines for all objects of a region, or for those that are like some exemplars. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, field

import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt, RegionTooLarge
from app.geometry.frames import flip_geometry
from app.geometry.locations import read_location, roi_of
from app.geometry.outlines import OutlineOptions
from app.geometry.polygons import polygonal
from app.geometry.tiles import Tiling
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Plane, Segmenter, Slide, SlideGateway
from app.usecases.proposing import Proposing, Wanted
from app.usecases.timings import Stopwatch

OBJECTS_IN_TILE = 6.0
"""Side of a tile over the longer side of the objects."""
LARGEST_TILE_PX0 = 1024
"""Where nobody says how large the objects are, a tile shows at most so many level-0 pixels a side."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for."""

    area_px0: float = 64e6
    """Of the region's box, level-0 pixels."""
    tiles: int = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks for."""

    region: BaseGeometry | int
    """Platform frame; or the id of an annotation whose shape it is."""
    slide_id: int | None = None
    """None: that of the annotation."""
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    limit: int = 1000
    least_confidence: float = 0.0
    outline: OutlineOptions = field(default_factory=OutlineOptions)


@dataclass(frozen=True, slots=True)
class Propose:
    """The verb, with the rooms it needs."""

    gateway: SlideGateway
    embeddings: Embeddings
    segmenter: Segmenter
    limits: Limits = Limits()
    claim: Claim = Claim()

    def begin(self, asked: Asked) -> Proposing:
        """Look everything over, and begin with the first tile; gives what goes through the region.

        Raises
        ------
        NotRefinable
            The region has no area on the slide, or an exemplar cannot be used.
        RegionTooLarge
            It is over a limit.
        AnnotationNotFound, SlideNotFound, PlatformError, ModelError
            As a prediction would.
        """
        stopwatch = Stopwatch()
        with stopwatch.step("validity"):
            slide, plane, shape = self._read(asked)
        with stopwatch.step("box"):
            region = _on_slide(shape, slide)
            tiling = self._tiling()
            self._check(region, tiling, slide)
            tiles = tiling.cover(region, slide.width, slide.height)
        wanted = Wanted(slide, plane, region, tuple(tiles), asked.limit, asked.least_confidence, asked.outline)
        proposing = Proposing(self.embeddings, self.segmenter, wanted, self.claim, stopwatch)
        proposing.begin()
        return proposing

    def _read(self, asked: Asked) -> tuple[Slide, Plane, BaseGeometry]:
        if isinstance(asked.region, int):
            annotation = self.gateway.annotation(asked.region)
            if asked.slide_id not in (None, annotation.slide_id):
                raise InvalidPrompt("The annotation lies on another image.", annotation_id=annotation.id)
            slide = self.gateway.slide(annotation.slide_id)
            return slide, self.gateway.plane(slide, annotation.slice_id), read_location(annotation.location)
        assert asked.slide_id is not None  # noqa: S101  the edge has seen to it
        slide = self.gateway.slide(asked.slide_id)
        return slide, self.gateway.plane(slide, None), asked.region

    def _tiling(self) -> Tiling:
        side = min(LARGEST_TILE_PX0, self.segmenter.input_side_px)
        return Tiling(side, side // 4)

    def _check(self, region: BaseGeometry, tiling: Tiling, slide: Slide) -> None:
        """Refuse what is too much before anything is made for it."""
        area = float(shapely.box(*region.bounds).area)
        if area > self.limits.area_px0:
            raise RegionTooLarge(
                f"The region's box has {area:.0f} pixels; {self.limits.area_px0:.0f} are allowed at a time.",
                area_px0=area,
                limit_px0=self.limits.area_px0,
            )
        roi = roi_of(flip_geometry(region, slide.height), slide.width, slide.height)
        tiles = tiling.count(roi, slide.width, slide.height)
        if tiles > self.limits.tiles:
            raise RegionTooLarge(
                f"Objects this small need {tiles} tiles in this region; {self.limits.tiles} are allowed at a time.",
                tiles=tiles,
                limit=self.limits.tiles,
            )


def _on_slide(shape: BaseGeometry, slide: Slide) -> Polygon | MultiPolygon:
    """Bring a region into the slide frame, valid and inside the slide."""
    roi = roi_of(shape, slide.width, slide.height)
    valid = polygonal(shape)
    inside = valid and polygonal(
        shapely.intersection(flip_geometry(valid, slide.height), shapely.box(0, 0, slide.width, slide.height))
    )
    return inside or shapely.box(roi.x_min, roi.y_min, roi.x_max, roi.y_max)
