import numpy as np
import pytest
import shapely
from hypothesis import given

from app.geometry.contours import trace_polygons
from tests.strategies import masks


def painted(polygons: list[shapely.Polygon], shape: tuple[int, int]) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    if not polygons:
        return np.zeros(shape, bool)
    return shapely.contains_xy(shapely.MultiPolygon(polygons), columns, rows)


@given(masks)
def test_polygons_redraw_their_mask(mask) -> None:
    polygons = trace_polygons(mask)
    assert all(polygon.is_valid for polygon in polygons)
    assert sum(polygon.area for polygon in polygons) == mask.sum()
    assert np.array_equal(painted(polygons, mask.shape), mask)


@given(masks)
def test_moving_the_mask_moves_its_polygons(mask) -> None:
    moved = trace_polygons(np.pad(mask, ((3, 1), (7, 2))))
    for before, after in zip(trace_polygons(mask), moved, strict=True):
        assert shapely.equals(shapely.affinity.translate(before, 7, 3), after)


def test_one_pixel_is_a_unit_square() -> None:
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    (polygon,) = trace_polygons(mask)
    assert polygon.equals(shapely.box(3, 2, 4, 3))


def test_a_ring_has_its_hole_and_the_disc_in_it_is_its_own_polygon() -> None:
    mask = np.ones((9, 9), bool)
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    ring, dot = trace_polygons(mask)
    assert len(ring.interiors) == 1
    assert ring.area == 81 - 25
    assert dot.equals(shapely.box(4, 4, 5, 5))


@pytest.mark.parametrize(
    "rows",
    [
        ("#.", ".#"),  # two pixels that touch by a corner
        ("###", "#.#", "##."),  # a hole that touches the outside by a corner
        ("####", "#.##", "##.#", "####"),  # two holes that touch by a corner
        ("#####", "#.#.#", "#####", "#.#.#", "#####"),
    ],
)
def test_touching_corners_give_valid_polygons(rows: tuple[str, ...]) -> None:
    mask = np.array([[cell == "#" for cell in row] for row in rows])
    polygons = trace_polygons(mask)
    assert all(polygon.is_valid for polygon in polygons)
    assert np.array_equal(painted(polygons, mask.shape), mask)


def test_an_empty_mask_has_no_polygon() -> None:
    assert trace_polygons(np.zeros((4, 4), bool)) == []
