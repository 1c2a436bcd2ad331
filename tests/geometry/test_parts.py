import numpy as np
import pytest

from app.geometry.outlines import outline_of
from app.geometry.parts import part_of
from app.geometry.windows import WindowGrid
from tests.geometry.test_automatic import disc


@pytest.mark.parametrize(("x", "y", "radius"), [(32, 32, 6), (5, 60, 4), (55, 30, 8), (32, 32, 31), (20.5, 33, 1)])
def test_a_part_shows_the_object_where_it_is(x: float, y: float, radius: float) -> None:
    logits, grid = disc(x, y, radius, steep=1.0), WindowGrid(1000, 500, 2, 2)
    part, placed, shape = part_of(logits, grid, (128, 128))
    assert part.shape == shape
    assert part.shape[0] == part.shape[1] == min(64, 2 * max(np.ptp(np.nonzero(logits > 0), axis=1) + 1))
    found = outline_of(part, placed, shape)
    assert found is not None
    assert (found.centroid.x, found.centroid.y) == pytest.approx((1000 + 4 * x, 500 + 4 * y), abs=8)


def test_a_mask_without_a_pixel_gives_a_part_without_one() -> None:
    part, _, _ = part_of(np.full((64, 64), -1, np.float32), WindowGrid(0, 0, 1, 1), (64, 64))
    assert (part < 0).all()
