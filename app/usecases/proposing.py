"""One pass over a region, tile by tile: look at the next ones while the objects of this one are outlined."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from shapely import MultiPolygon, Polygon

from app.errors import CallerGone, ModelBusy
from app.geometry.automatic import Candidate, Decode, Rules, find_automatically, grid
from app.geometry.frames import Roi
from app.geometry.likeness import Pattern
from app.geometry.masks import Masks
from app.geometry.outlines import OutlineOptions
from app.geometry.prompts import Prompts
from app.geometry.similar import find_similar
from app.geometry.standing_out import find_outstanding
from app.geometry.tiles import Tile
from app.geometry.windows import Window
from app.usecases.embeddings import Embeddings
from app.usecases.exemplars import Exemplars
from app.usecases.ports import Claim, EncodedWindow, ModelInfo, Plane, Segmenter, Slide
from app.usecases.proposal_shapes import ProposalShapes, Proposed, numbered
from app.usecases.segment_roi import started
from app.usecases.timings import Stopwatch

Stopped = Literal["limit", "deadline"]
GRID = 16
"""Places a side of a tile where all objects are looked for; source: thesis, section 4.5."""
_IN_ADVANCE = 2
"""Tiles that are read, encoded and looked at while the objects of one are outlined."""
_PAUSE_S = 0.5
"""Before a tile that found no place in the encoder's line asks again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, and where."""

    slide: Slide
    plane: Plane
    region: Polygon | MultiPolygon
    """Slide frame, on the slide."""
    tiles: tuple[Tile, ...]
    exemplars: Exemplars | None
    limit: int
    least_confidence: float
    outline: OutlineOptions
    empty: int = 0
    """Number of tiles that are not among these because they show only glass."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pass ended."""

    proposals: int
    tiles: int
    """Number of tiles searched."""
    empty: int
    """Number of tiles left out because they show only glass."""
    left: int
    """Number of tiles not searched because it ended early."""
    prompts: int
    """How many were decoded."""
    stopped: Stopped | None
    model: ModelInfo
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """A tile in which objects were looked for."""

    tile: Tile
    encoded: EncodedWindow
    found: list[Candidate]
    prompts: int


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
        self._coming: deque[Future[_Looked]] = deque()
        self._next = 0
        known = (*wanted.exemplars.like, *wanted.exemplars.unlike) if wanted.exemplars else ()
        self._shapes = ProposalShapes(wanted.slide, wanted.region, known, wanted.least_confidence, wanted.outline)
        self._pattern: Pattern | None = None
        self._count = self._done = self._prompts = 0
        self._stopped: Stopped | None = None

    def begin(self) -> None:
        """Look at the exemplars and at the first tile; raises what keeps it from that, with nothing told."""
        try:
            if self.wanted.exemplars:
                side = self.wanted.tiles[0].window.side_px0
                windows = self.wanted.exemplars.windows(side, self.wanted.slide)
                encoded = [self._encoded(window, patient=False) for window in windows]
                self._pattern = self.wanted.exemplars.pattern(encoded, self._segmenter)
            self._send_for(1, patient=False)
            for first in self._coming:  # there is none where all is glass
                first.result()
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
                self._send_for(1 + _IN_ADVANCE, patient=True)
                looked = self._coming.popleft().result()
                self._claim.check()
                self._done += 1
                self._prompts += looked.prompts
                yield list(self._proposed(looked))
        except ModelBusy:
            if time.monotonic() <= self._claim.deadline:
                raise
            self._stopped = "deadline"
        finally:
            self.leave()

    def ended(self) -> Ended:
        """Sum up."""
        info, timings_ms = self._segmenter.info, self._stopwatch.timings_ms()
        empty, left = self.wanted.empty, len(self.wanted.tiles) - self._done
        return Ended(self._count, self._done, empty, left, self._prompts, self._stopped, info, timings_ms)

    def _send_for(self, most: int, *, patient: bool) -> None:
        """Have the next tiles looked at in the background, so many at a time."""
        while self._next < len(self.wanted.tiles) and len(self._coming) < most:
            self._coming.append(started(partial(self._looked, self.wanted.tiles[self._next], patient=patient)))
            self._next += 1

    def _looked(self, tile: Tile, *, patient: bool) -> _Looked:
        """Encode a tile, then look for objects in it."""
        encoded = self._encoded(tile.window, patient=patient)
        asked: list[Prompts] = []

        def decode(prompts: Sequence[Prompts]) -> list[Masks]:
            self._claim.check()
            asked.extend(prompts)
            return self._segmenter.decode_each(encoded.embedding, prompts)

        with self._stopwatch.step("decode"):
            return _Looked(tile, encoded, self._candidates(decode, tile, encoded), len(asked))

    def _encoded(self, window: Window, *, patient: bool) -> EncodedWindow:
        """Encode a window; who is patient waits for a place where the line is full of clicks."""
        whole = Roi(window.x0, window.y0, window.x0 + window.side_px0, window.y0 + window.side_px0)
        slide, plane = self.wanted.slide, self.wanted.plane
        while True:
            try:
                return self._embeddings.of(slide, plane, window, whole, self._stopwatch, self._claim)
            except (ModelBusy, CallerGone) as error:
                # Of a window that somebody has clicked in meanwhile, the click takes the place.
                if not self._claim.stands or (isinstance(error, ModelBusy) and not patient):
                    raise
            self._left.wait(_PAUSE_S)

    def _proposed(self, looked: _Looked) -> Iterator[Proposed]:
        for candidate in looked.found:
            self._claim.check()
            with self._stopwatch.step("postprocess"):
                proposed = self._shapes.of(looked.tile, self._done, looked.encoded, candidate, self._segmenter.info)
            if proposed is None:
                continue
            if self._count >= self.wanted.limit:
                self._stopped = "limit"
                return
            self._count += 1
            yield numbered(proposed, self._count)

    def _candidates(self, decode: Decode, tile: Tile, encoded: EncodedWindow) -> list[Candidate]:
        """Look for what is like the exemplars, or for all objects of a window, in the way that the model learned."""
        if self._pattern is None and not self._segmenter.info.judgement.needs_box:
            return find_automatically(decode, grid(GRID, encoded.shape), Rules())
        features = self._segmenter.features(encoded.embedding)
        if self._pattern is None or self.wanted.exemplars is None:
            return find_outstanding(decode, features, encoded.shape)
        sizes, core = self.wanted.exemplars.sizes(encoded.grid), encoded.grid.to_window(tile.core_corners)
        return find_similar(decode, features, encoded.shape, self._pattern, sizes, core=core)
