"""One pass over a region, tile by tile: encode the next one while the objects of this one are looked for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from app.errors import CallerGone, ModelBusy
from app.geometry.automatic import Candidate, Rules, find_automatically, grid
from app.geometry.frames import Roi, flip_geometry
from app.geometry.outlines import OutlineOptions, outline_on_slide
from app.geometry.polygons import polygonal
from app.geometry.suppression import Kept
from app.geometry.tiles import Tile
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, EncodedWindow, ModelInfo, Plane, Segmenter, Slide
from app.usecases.segment_roi import started
from app.usecases.timings import Stopwatch

Stopped = Literal["limit", "deadline"]
GRID = 16
"""Places a side of a tile; source: thesis, section 4.5."""
_IN_ADVANCE = 2
"""Tiles that are read and encoded while one is looked at."""
_PAUSE_S = 0.5
"""Before a tile that found no place in the encoder's line asks again."""
_SAME_OUTLINE = 0.5
_MOST_INSIDE = 0.8
"""When two outlines are one object; see `Kept`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, and where."""

    slide: Slide
    plane: Plane
    region: Polygon | MultiPolygon
    """Slide frame, on the slide."""
    tiles: tuple[Tile, ...]
    limit: int
    least_confidence: float
    outline: OutlineOptions


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
    tile: int
    """From 1."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pass ended."""

    proposals: int
    tiles: int
    """How many were looked at."""
    stopped: Stopped | None
    model: ModelInfo
    timings_ms: dict[str, float]


class Proposing:
    """A pass over a region. It is used once: `begin`, then `tiles`, then `ended`.

    Parameters
    ----------
    embeddings : Embeddings
    segmenter : Segmenter
    wanted : Wanted
    claim : Claim
        Who waits. Tiles are work ahead of a click: a person's click goes before.
    stopwatch : Stopwatch
    """

    def __init__(
        self, embeddings: Embeddings, segmenter: Segmenter, wanted: Wanted, claim: Claim, stopwatch: Stopwatch
    ) -> None:
        self._embeddings, self._segmenter, self.wanted, self._stopwatch = embeddings, segmenter, wanted, stopwatch
        self._left = threading.Event()
        self._claim = replace(claim, ahead=True, given_up=lambda: self._left.is_set() or claim.given_up())
        self._coming: deque[Future[EncodedWindow]] = deque()
        self._next = 0
        self._kept = Kept(_SAME_OUTLINE, _MOST_INSIDE)
        self._count = self._done = 0
        self._stopped: Stopped | None = None

    def begin(self) -> None:
        """Read and encode the first tile; raises what keeps it from that, before anything is told."""
        self._send_for(patient=False)
        try:
            self._coming[0].result()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Let go of the tiles that are in line."""
        self._left.set()

    def tiles(self) -> Iterator[list[Proposed]]:
        """Go through the tiles; gives what is found in each, the best first.

        Raises
        ------
        CallerGone, PlatformError, ModelError
            In the middle; what was given before stands.
        """
        try:
            while self._coming and self._stopped is None:
                self._send_for(patient=True)
                encoded = self._coming.popleft().result()
                self._done += 1
                yield list(self._found(self.wanted.tiles[self._done - 1], encoded))
        except ModelBusy:
            if time.monotonic() <= self._claim.deadline:
                raise
            self._stopped = "deadline"
        finally:
            self.leave()

    def ended(self) -> Ended:
        """Sum up."""
        return Ended(self._count, self._done, self._stopped, self._segmenter.info, self._stopwatch.timings_ms())

    def _send_for(self, *, patient: bool) -> None:
        """Have the next tiles read and encoded in the background."""
        while self._next < len(self.wanted.tiles) and len(self._coming) < (1 + _IN_ADVANCE if patient else 1):
            tile = self.wanted.tiles[self._next]
            self._coming.append(started(lambda tile=tile: self._encoded(tile, patient=patient)))  # type: ignore[misc]
            self._next += 1

    def _encoded(self, tile: Tile, *, patient: bool) -> EncodedWindow:
        """Encode a tile; where the line is full of clicks, wait for a place."""
        slide, plane, window = self.wanted.slide, self.wanted.plane, tile.window
        whole = Roi(window.x0, window.y0, window.x0 + window.side_px0, window.y0 + window.side_px0)
        while True:
            try:
                return self._embeddings.of(slide, plane, window, whole, self._stopwatch, self._claim)
            except (ModelBusy, CallerGone):
                # Of a window that somebody has clicked in meanwhile, the click takes the place.
                if not (patient and self._claim.stands):
                    raise
                self._left.wait(_PAUSE_S)

    def _found(self, tile: Tile, encoded: EncodedWindow) -> Iterator[Proposed]:
        self._claim.check()
        with self._stopwatch.step("decode"):
            found = find_automatically(
                lambda prompts: self._segmenter.decode_each(encoded.embedding, prompts),
                grid(GRID, encoded.shape),
                Rules(),
            )
        for candidate in found:
            self._claim.check()
            with self._stopwatch.step("postprocess"):
                proposed = self._outlined(tile, encoded, candidate)
            if proposed is None:
                continue
            if self._count >= self.wanted.limit:
                self._stopped = "limit"
                return
            self._count += 1
            yield replace(proposed, number=self._count)

    def _outlined(self, tile: Tile, encoded: EncodedWindow, candidate: Candidate) -> Proposed | None:
        """Outline a candidate that is this tile's business, that nobody else has shown, and that is trusted enough."""
        slide = self.wanted.slide
        confidence = self._segmenter.info.judgement.confidence(candidate.signs)
        if confidence.value < self.wanted.least_confidence:
            return None
        rows, columns = np.nonzero(candidate.mask.logits > 0)
        height, width = candidate.mask.logits.shape
        window = encoded.window
        x = window.x0 + (columns.mean() + 0.5) * window.side_px0 / width
        y = window.y0 + (rows.mean() + 0.5) * window.side_px0 / height
        if not tile.owns(x, y) or not self.wanted.region.intersects(shapely.Point(x, y)):
            return None
        shape = outline_on_slide(
            candidate.mask.logits, encoded.grid, encoded.shape, self.wanted.outline, (slide.width, slide.height)
        )
        drawn = shape and polygonal(flip_geometry(shape, slide.height))
        if drawn is None or not self._kept.add(drawn):
            return None
        return Proposed(
            0, drawn, candidate.signs.score, confidence.value if confidence.calibrated else None, None, self._done
        )
