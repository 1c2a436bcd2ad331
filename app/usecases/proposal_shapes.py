"""From what was seen in a tile to proposals: outlined, judged, each object once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from app.geometry.automatic import Candidate
from app.geometry.frames import flip_geometry
from app.geometry.glance import sight_of
from app.geometry.masks import extent_of
from app.geometry.outlines import OutlineOptions, frame_of, outline_on_slide
from app.geometry.parts import part_of
from app.geometry.suppression import Kept
from app.geometry.tiles import Tile
from app.usecases.doubts import Evidence, judge
from app.usecases.look import parts_of, shares_of
from app.usecases.ports import EncodedWindow, ModelInfo, Slide

_SAME_OUTLINE, _MOST_INSIDE = 0.4, 0.6
"""When two outlines are one object; see `Kept`."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """One outline that is proposed."""

    number: int
    """From 1."""
    shape: Polygon | MultiPolygon
    """Platform frame, valid and inside the slide."""
    score: float
    """The model's own estimate of the IoU."""
    confidence: float | None
    """The IoU that is to be expected; None where the checkpoint has no calibration."""
    likeness: float | None
    """0 to 1; None where nothing was to be like anything."""
    doubts: tuple[str, ...]
    doubtful: bool
    """Whether it should be looked at before it is written."""
    tile: int
    """From 1."""


class ProposalShapes:
    """Outlines candidates. It remembers what it has given, so that nothing is proposed twice.

    Parameters
    ----------
    slide : Slide
    region : Polygon or MultiPolygon
        Slide frame: where the middles of the objects lie.
    known : tuple of Polygon or MultiPolygon
        Slide frame: objects that are not to be proposed.
    least_confidence : float
    options : OutlineOptions
    """

    def __init__(
        self,
        slide: Slide,
        region: Polygon | MultiPolygon,
        known: tuple[Polygon | MultiPolygon, ...],
        least_confidence: float,
        options: OutlineOptions,
    ) -> None:
        self._slide, self._region, self._options = slide, region, options
        self._least_confidence = least_confidence
        self._kept = Kept(_SAME_OUTLINE, _MOST_INSIDE)
        shapely.prepare(region)
        for shape in known:
            self._kept.add(shape)

    def of(
        self, tile: Tile, number: int, encoded: EncodedWindow, candidate: Candidate, model: ModelInfo
    ) -> Proposed | None:
        """Outline a candidate; None if it is another tile's business, cut off, known, or trusted too little."""
        confidence = model.judgement.confidence(candidate.signs)
        if confidence.value < self._least_confidence or not self._is_of(tile, encoded, candidate):
            return None
        logits, grid, shape = part_of(candidate.mask.logits, encoded.grid, encoded.shape)
        size = (self._slide.width, self._slide.height)
        outline = outline_on_slide(logits, grid, shape, self._options, size, frame_px=frame_of(logits))
        if outline is None or not self._kept.add(outline):
            return None
        glance = encoded.glance
        sight = None if glance is None else sight_of(glance, shares_of(outline.bounds, encoded.window))
        judged = judge(Evidence(confidence, parts=parts_of(outline), sight=sight), model)
        return Proposed(
            number=0,
            shape=flip_geometry(outline, self._slide.height),
            score=candidate.signs.score,
            confidence=confidence.value if confidence.calibrated else None,
            likeness=None if candidate.likeness is None else float(np.clip(candidate.likeness, 0.0, 1.0)),
            doubts=judged.doubts,
            doubtful=judged.doubtful,
            tile=number,
        )

    def _is_of(self, tile: Tile, encoded: EncodedWindow, candidate: Candidate) -> bool:
        """Whether an object is whole and has its middle in the region, in the part of it that is this tile's."""
        logits = candidate.mask.logits
        left, top, right, bottom = extent_of(logits > 0)
        rows, columns = logits.shape
        grid = encoded.grid.resized(encoded.shape, logits.shape)
        window, slide = encoded.window, self._slide
        far_x, far_y = window.x0 + window.side_px0, window.y0 + window.side_px0
        cut = (left == 0 < window.x0, top == 0 < window.y0, right == columns and far_x < slide.width)
        if any(cut) or (bottom == rows and far_y < slide.height):
            return False
        x, y = grid.x0 + (left + right) / 2 * grid.dx, grid.y0 + (top + bottom) / 2 * grid.dy
        return tile.owns(x, y) and bool(self._region.intersects(shapely.Point(x, y)))


def numbered(proposed: Proposed, number: int) -> Proposed:
    """Give a proposal its number."""
    return replace(proposed, number=number)
