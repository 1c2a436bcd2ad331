import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.frames import Roi, SlideXY, WindowXY, flip_geometry, flip_y
from app.geometry.windows import WindowGrid
from tests.strategies import grids, sizes


@given(st.floats(0, 1e5), sizes)
def test_flipping_twice_changes_nothing(y: float, height: int) -> None:
    assert flip_y(flip_y(y, height), height) == pytest.approx(y, abs=1e-9)


def test_a_known_pixel_is_flipped_to_its_mirror_row() -> None:
    # the pixel in column 2 and row 0 of a slide of height 10 spans platform y 9..10
    pixel = shapely.box(2, 0, 3, 1)
    assert flip_geometry(pixel, 10).bounds == (2, 9, 3, 10)


def test_flipped_polygons_keep_area_and_holes() -> None:
    ring = shapely.box(0, 0, 10, 10).difference(shapely.box(2, 2, 4, 4))
    flipped = flip_geometry(ring, 50)
    assert flipped.area == ring.area
    assert flipped.is_valid
    assert len(flipped.interiors) == 1


@given(grids, st.lists(st.tuples(st.floats(-1e4, 1e5), st.floats(-1e4, 1e5)), max_size=5))
def test_there_and_back_is_identity(grid, points) -> None:
    slide = SlideXY(np.array(points, dtype=float).reshape(-1, 2))
    assert np.allclose(grid.to_slide(grid.to_window(slide)), slide, atol=1e-6)


@given(grids)
def test_area_grows_by_the_pixel_size(grid) -> None:
    square = shapely.box(0, 0, 3, 5)
    moved = shapely.transform(square, lambda xy: grid.to_slide(WindowXY(xy)))
    assert moved.area == pytest.approx(15 * grid.dx * grid.dy, rel=1e-6)


def test_a_resized_grid_covers_the_same_area() -> None:
    fine = WindowGrid(7, 9, 2.0, 3.0).resized((50, 100), (100, 400))
    assert (fine.x0, fine.y0) == (7, 9)
    assert fine.dx * 400 == 2.0 * 100
    assert fine.dy * 100 == 3.0 * 50


def test_points_on_the_border_are_not_surrounded() -> None:
    roi = Roi(10, 20, 30, 40)
    assert roi.surrounds(11, 21)
    for x, y in ((10, 30), (30, 30), (20, 20), (20, 40), (9, 30)):
        assert not roi.surrounds(x, y)


def test_a_box_grows_around_points() -> None:
    roi = Roi(10, 20, 30, 40)
    assert roi.around([]) == roi
    assert roi.around([(15, 50), (5, 30)]) == Roi(5, 20, 30, 50)


def test_clipping_gives_what_lies_on_the_slide() -> None:
    assert Roi(-5, -5, 200, 90).clipped(100, 80) == Roi(0, 0, 100, 80)
    outside = Roi(150, 10, 200, 20).clipped(100, 80)
    assert outside.width <= 0
