"""The place of a crop, re-derived from its size alone, against the rules of the image server that cut it."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import shapely
from hypothesis import given

from app.geometry.crops import crop_region, window_of_crop
from app.geometry.frames import Roi
from demo.cytomine.pims.shapes import read_shapes, region_of
from slides import Plane, SlideFile


class _NoPixels:
    def region(
        self, level: int, x: int, y: int, width: int, height: int, plane: Plane
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        raise AssertionError((level, x, y, width, height))


def slide_of(width: int, height: int) -> SlideFile:
    return SlideFile(width, height, ((width, height),), None, None, 8, 3, _NoPixels())


sides = st.integers(40, 3000)
steps = st.integers(0, 40_000).map(lambda value: value / 8)


@given(sides, sides, steps, steps, steps, steps, st.booleans())
def test_the_place_is_the_one_that_was_cut(
    width: int, height: int, a: float, b: float, c: float, d: float, square: bool
) -> None:
    x0, y0 = a % (width - 8), b % (height - 8)
    x1, y1 = min(x0 + 4 + c % 900, width), min(y0 + 4 + d % 900, height)
    body = {
        "annotations": [{"geometry": shapely.box(x0, y0, x1, y1).wkt}],
        "context_factor": 2.0,
        "level": 0,
    }
    slide = slide_of(width, height)
    cut = region_of(read_shapes(body, slide, "LEFT_BOTTOM"), body, slide, square=square)
    envelope = Roi(x0, height - y1, x1, height - y0)
    found = crop_region(envelope, cut.width, cut.height, width, height)
    assert (found.left, found.top, found.width, found.height) == (cut.left, cut.top, cut.width, cut.height)
    window = window_of_crop(found, envelope.clipped(width, height))
    assert window.x0 <= found.left
    assert window.y0 <= found.top
    assert window.x0 + window.side_px0 >= found.left + found.width
    assert window.y0 + window.side_px0 >= found.top + found.height


def test_a_simplified_annotation_keeps_its_middle() -> None:
    """Core asks with a simplified shape: the crop is a little smaller, and lies around the same middle."""
    found = crop_region(Roi(1000, 1000, 1100, 1080), 196, 196, 4000, 4000)
    assert (found.left + found.width / 2, found.top + found.height / 2) == (1050, 1039)
