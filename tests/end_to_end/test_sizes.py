"""The same quality from 8 to 54,000 pixels: discs of every size on one huge slide, over real HTTP."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile

from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from tests.lab import Lab

SIDE = 60_416
TILE = 1024
DISCS = {8: (2001, 2003), 24: (2511, 2007), 120: (2013, 2609), 3_000: (5501, 5507), 54_000: (30_011, 30_007)}
"""Centres by diameter, slide frame, y down."""
PALE, DARK = np.array((236, 200, 222), np.float32), np.array((92, 58, 140), np.float32)


@pytest.fixture(scope="module")
def huge_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a pyramid of 3.6 gigapixels; tiles without an edge are written again and again from two that are packed."""
    file = tmp_path_factory.mktemp("huge") / "huge.tiff"
    with tifffile.TiffWriter(file, bigtiff=True) as writer:
        for number, downsample in enumerate((1, 4, 16, 64)):
            side = SIDE // downsample
            writer.write(
                _tiles(side, downsample),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                subfiletype=int(number > 0),
            )
    return file


def _tiles(side: int, downsample: int) -> Iterator[bytes]:
    packed: dict[bool, bytes] = {}
    for top in range(0, side, TILE):
        for left in range(0, side, TILE):
            share = _share_of_disc(left, top, downsample)
            if share.min() == share.max():
                inside = bool(share.max())
                if inside not in packed:
                    packed[inside] = _packed(share)
                yield packed[inside]
            else:
                yield _packed(share)


def _share_of_disc(left: int, top: int, downsample: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Tell how much of each pixel is disc; a single value where no edge passes through the tile."""
    share = np.zeros((1, 1), np.float32)
    corner, size = np.array([left, top]), TILE
    for diameter, place in DISCS.items():
        centre, radius = np.array(place) / downsample, diameter / 2 / downsample
        nearest = np.hypot(*(np.clip(centre, corner, corner + size) - centre))
        farthest = np.hypot(*np.maximum(abs(corner - centre), abs(corner + size - centre)))
        if nearest > radius + 1:
            continue
        if farthest < radius - 1:
            return np.ones((1, 1), np.float32)
        columns, rows = (np.arange(size, dtype=np.float32) + 0.5 + corner[:, None] - centre[:, None]).astype(np.float32)
        distance = np.hypot(columns[None], rows[:, None])
        share = np.maximum(share, np.clip(np.float32(radius + 0.5) - distance, 0, 1))
    return share


def _packed(share: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    pixels = np.broadcast_to((PALE + (DARK - PALE) * share[..., None]).round().astype(np.uint8), (TILE, TILE, 3))
    return zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)


@pytest.mark.parametrize("diameter", DISCS)
def test_every_size(lab: Lab, huge_slide: Path, diameter: int) -> None:
    link = lab.cytomine.slides / "huge.tiff"
    if not link.exists():
        link.symlink_to(huge_slide)
    lab.image = lab.cytomine.store.add_image(lab.project, lab.alice.id, link.name, SIDE, SIDE)
    truth = flip_geometry(shapely.Point(*DISCS[diameter]).buffer(diameter / 2, quad_segs=64), SIDE)
    x0, y0, x1, y1 = truth.bounds
    drawn = shapely.box(x0 - 0.09 * diameter, y0 - 0.05 * diameter, x1 + 0.06 * diameter, y1 + 0.1 * diameter)
    number = lab.draw(drawn)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    refined = shapely.from_wkt(lab.location(number))
    assert iou(refined, truth) > 0.85 > iou(drawn, truth)
    assert shapely.get_num_coordinates(refined) < 200
    asked = [seen for seen in lab.cytomine.faults.requests if seen.path.endswith("/window")]
    assert len(asked) == 1
