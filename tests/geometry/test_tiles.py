import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.frames import Roi
from app.geometry.tiles import Tiling


@st.composite
def cases(draw):  # type: ignore[no-untyped-def]
    width, height = draw(st.integers(20, 3000)), draw(st.integers(20, 3000))
    side = draw(st.integers(16, 700))
    x0, y0 = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
    x1, y1 = draw(st.floats(x0 + 1, width)), draw(st.floats(y0 + 1, height))
    return Tiling(side, draw(st.integers(0, side // 2))), (x0, y0, x1, y1), width, height


@given(cases(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_object_of_usual_size_lies_whole_in_the_tile_that_owns_it(case, across, down, size) -> None:
    tiling, (x0, y0, x1, y1), width, height = case
    tiles = tiling.cover(shapely.box(x0, y0, x1, y1), width, height)
    x, y = x0 + across * (x1 - x0), y0 + down * (y1 - y0)
    owners = [tile for tile in tiles if tile.owns(x, y)]
    assert len(owners) == 1
    half = max(0.0, size * tiling.overlap_px0 / 2 - 1.5)  # tiles start at whole pixels
    thing = Roi(x - half, y - half, x + half, y + half).clipped(width, height)
    assert owners[0].window.holds(thing)


@given(cases())
def test_tiles_are_counted_as_they_are_made_and_stay_on_the_slide(case) -> None:
    tiling, bounds, width, height = case
    tiles = tiling.cover(shapely.box(*bounds), width, height)
    assert len(tiles) == tiling.count(Roi(*bounds), width, height)
    for tile in tiles:
        assert tile.window.side_px0 == tiling.side_px0
        assert tile.window.region.width >= 1
        assert tile.window.region.height >= 1
        for start, limit in ((tile.window.x0, width), (tile.window.y0, height)):
            assert start >= min(0, limit - tiling.side_px0)
            assert start + tiling.side_px0 <= max(limit, tiling.side_px0)


def test_tiles_that_a_winding_region_does_not_meet_are_left_out() -> None:
    corner = shapely.Polygon([(0, 0), (1000, 0), (1000, 50), (50, 50), (50, 1000), (0, 1000)])
    tiles = Tiling(100, 20).cover(corner, 1000, 1000)
    assert 20 < len(tiles) < 40
    assert Tiling(100, 20).count(Roi(0, 0, 1000, 1000), 1000, 1000) == pytest.approx(169, abs=30)
