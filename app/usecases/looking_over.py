"""Look at tiles from afar first: only glass is left out, and those full of tissue may come first."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from app.errors import PlatformError
from app.geometry.overview import overviews, tissue_in
from app.geometry.tiles import Tile
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Plane, Slide
from app.usecases.timings import Stopwatch

log = logging.getLogger(__name__)

FEW = 8
"""So many tiles are searched sooner than looked over."""
_FULL = 0.5
"""Share of a tile's pixels near which something shows, from which it is full of tissue."""


def tiles_with_tissue(
    embeddings: Embeddings, slide: Slide, plane: Plane, tiles: Sequence[Tile], stopwatch: Stopwatch, claim: Claim
) -> tuple[Tile, ...]:
    """Leave out the tiles that show only glass. Those full of tissue come first, otherwise the order stays.

    Where the image server cannot give an overview, all tiles stay.

    Raises
    ------
    ModelBusy, CallerGone
        The claim does not stand any more.
    """
    if len(tiles) <= FEW:
        return tuple(tiles)
    shares = np.zeros(len(tiles))
    try:
        for each in overviews(tiles, slide.width, slide.height):
            claim.check()
            with stopwatch.step("window"):
                image = embeddings.pixels(slide, plane, each.window, each.side_px, claim)
            shares[list(each.tiles)] = tissue_in(image, [tiles[at].window for at in each.tiles])
    except PlatformError as error:
        log.warning("Image %d is searched without an overview: %s", slide.id, error)
        return tuple(tiles)
    order = np.argsort(shares < _FULL, kind="stable")
    return tuple(tiles[at] for at in order if shares[at] > 0)
