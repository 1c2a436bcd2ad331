"""Propose outlines for all objects of a region, or for those that are like some exemplars. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

import shapely
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt, RegionTooLarge
from app.geometry.frames import Roi
from app.geometry.locations import read_location
from app.geometry.outlines import OutlineOptions
from app.geometry.tiles import Tiling
from app.usecases.embeddings import Embeddings
from app.usecases.exemplars import LEAST_TILE_PX0, on_slide, read_exemplars
from app.usecases.looking_over import tiles_with_tissue
from app.usecases.ports import Claim, Segmenter, Slide, SlideGateway
from app.usecases.proposing import Proposing, Wanted
from app.usecases.timings import Stopwatch

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
            slide, shape, slice_id = self._read(asked)
            exemplars = read_exemplars(self.gateway, slide, asked.like, asked.unlike, self.claim.check)
            if slice_id is None and exemplars:
                slice_id = exemplars.slice_id
            plane = self.gateway.plane(slide, slice_id)
        with stopwatch.step("box"):
            region = on_slide(shape, slide)
            tiling = exemplars.tiling() if exemplars else self._tiling(region)
            self._check(region, tiling, slide)
            tiles = tiling.cover(region, slide.width, slide.height)
        seen = tiles_with_tissue(self.embeddings, slide, plane, tiles, stopwatch, self.claim)
        ordered = tuple(exemplars.nearest_first(seen)) if exemplars else seen
        wanted = Wanted(
            slide, plane, region, ordered, exemplars, asked.limit, asked.least_confidence, asked.outline,
            empty=len(tiles) - len(seen),
        )  # fmt: skip
        proposing = Proposing(self.embeddings, self.segmenter, wanted, self.claim, stopwatch)
        proposing.begin()
        return proposing

    def _read(self, asked: Asked) -> tuple[Slide, BaseGeometry, int | None]:
        """Give the slide, the region (platform frame) and the plane that it lies on."""
        if not isinstance(asked.region, int):
            assert asked.slide_id is not None  # noqa: S101  the edge has seen to it
            return self.gateway.slide(asked.slide_id), asked.region, None
        annotation = self.gateway.annotation(asked.region)
        if asked.slide_id not in (None, annotation.slide_id):
            raise InvalidPrompt("The annotation is on another image.", annotation_id=annotation.id)
        return self.gateway.slide(annotation.slide_id), read_location(annotation.location), annotation.slice_id

    def _tiling(self, region: BaseGeometry) -> Tiling:
        """Give tiles at the model's own scale, and not larger than the region."""
        x_min, y_min, x_max, y_max = region.bounds
        side = min(LARGEST_TILE_PX0, self.segmenter.input_side_px, ceil(max(x_max - x_min, y_max - y_min)))
        side = max(side, LEAST_TILE_PX0)
        return Tiling(side, side // 4)

    def _check(self, region: BaseGeometry, tiling: Tiling, slide: Slide) -> None:
        """Refuse what is too much before anything is made for it."""
        area = float(shapely.box(*region.bounds).area)
        if area > self.limits.area_px0:
            raise RegionTooLarge(
                f"The region's box has {area:.0f} pixels; {self.limits.area_px0:.0f} are allowed: search a part of it.",
                area_px0=area,
                limit_px0=self.limits.area_px0,
            )
        tiles = tiling.count(Roi(*region.bounds), slide.width, slide.height)
        if tiles > self.limits.tiles:
            raise RegionTooLarge(
                f"Objects this small need {tiles} tiles here; {self.limits.tiles} are allowed: search a part of it.",
                tiles=tiles,
                limit=self.limits.tiles,
            )
