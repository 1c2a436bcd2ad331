import cv2
import numpy as np
import pytest
import shapely

from app.geometry.contours import trace_polygons
from app.geometry.polygons import (
    LEAST_IOU,
    MOST_VERTICES,
    clip_to_slide,
    iou,
    outline,
    polygonal,
    simplify,
)
from app.geometry.windows import WindowGrid

UNIT = WindowGrid(0, 0, 1, 1)


def disc(x: float, y: float, radius: float, side: int = 1024) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return np.hypot(columns - x, rows - y) < radius


@pytest.mark.parametrize("radius", [30, 120, 400])
def test_a_disc_is_outlined_closely_with_few_vertices(radius: float) -> None:
    mask = disc(512, 512, radius)
    shape = outline(mask, UNIT)
    assert shape is not None
    assert shape.is_valid
    assert shapely.get_num_coordinates(shape) <= MOST_VERTICES
    assert iou(shape, shapely.union_all(trace_polygons(mask))) >= LEAST_IOU
    assert iou(shape, shapely.Point(512, 512).buffer(radius, quad_segs=64)) >= 0.98


def test_a_ragged_shape_keeps_its_iou() -> None:
    noise = np.random.default_rng(3).standard_normal((1024, 1024)).astype(np.float32)
    mask = (cv2.GaussianBlur(noise, (0, 0), 12) * 12 + 3 * (disc(512, 512, 300) - 0.5)) > 0
    exact = polygonal(shapely.union_all(trace_polygons(mask)))
    shape = outline(mask, UNIT, holes="keep")
    assert shape is not None
    assert exact is not None
    assert shape.is_valid
    assert iou(shape, exact) >= LEAST_IOU
    assert shapely.get_num_coordinates(shape) < shapely.get_num_coordinates(exact) / 2


def test_a_shape_that_any_tolerance_would_spoil_is_left_as_it_is() -> None:
    pixel = shapely.box(0, 0, 1, 1)
    tooth = shapely.union(pixel, shapely.box(1, 0, 1.5, 0.5))
    assert simplify(tooth).equals(tooth)


def test_many_parts_may_need_more_vertices_than_the_aim() -> None:
    mask = np.zeros((1024, 1024), bool)
    for row in range(20, 1000, 100):
        for column in range(20, 1000, 100):
            mask[row : row + 60, column : column + 60] = True
    shape = outline(mask, UNIT)
    assert shape is not None
    assert shape.equals(shapely.union_all(trace_polygons(mask)))
    assert shapely.get_num_coordinates(shape) > MOST_VERTICES


def test_holes_are_filled_or_kept() -> None:
    ring = disc(512, 512, 300) & ~disc(512, 512, 100)
    filled, kept = outline(ring, UNIT), outline(ring, UNIT, holes="keep")
    assert isinstance(filled, shapely.Polygon)
    assert isinstance(kept, shapely.Polygon)
    assert len(filled.interiors) == 0
    assert len(kept.interiors) == 1


def test_several_components_are_kept_or_only_the_largest() -> None:
    mask = disc(250, 512, 200) | disc(800, 512, 120)
    both, one = outline(mask, UNIT), outline(mask, UNIT, parts="largest")
    assert isinstance(both, shapely.MultiPolygon)
    assert isinstance(one, shapely.Polygon)
    assert one.contains(shapely.Point(250, 512))


def test_a_component_inside_a_filled_hole_disappears_into_it() -> None:
    mask = (disc(512, 512, 300) & ~disc(512, 512, 200)) | disc(512, 512, 100)
    shape = outline(mask, UNIT)
    assert isinstance(shape, shapely.Polygon)
    assert shape.area == pytest.approx(np.pi * 300**2, rel=0.01)


def test_outlines_lie_where_the_grid_says() -> None:
    shape = outline(disc(512, 256, 100), WindowGrid(1000, 2000, 2.0, 0.5))
    assert shape is not None
    assert shape.centroid.x == pytest.approx(1000 + 2 * 512, abs=1)
    assert shape.centroid.y == pytest.approx(2000 + 0.5 * 256, abs=0.3)
    assert shape.area == pytest.approx(np.pi * 100**2, rel=0.01)


def test_an_empty_mask_has_no_outline() -> None:
    assert outline(np.zeros((1024, 1024), bool), UNIT) is None


def test_clipping_leaves_what_lies_on_the_slide() -> None:
    clipped = clip_to_slide(shapely.box(-10, -10, 50.0001, 50), 40, 100)
    assert clipped is not None
    assert clipped.bounds == (0, 0, 40, 50)
    assert clip_to_slide(shapely.box(-10, -10, -5, -5), 40, 100) is None


def test_only_areas_remain_of_a_mixed_geometry() -> None:
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    mended = polygonal(bow_tie)
    assert isinstance(mended, shapely.MultiPolygon)
    assert mended.is_valid
    mixed = shapely.GeometryCollection(
        [shapely.box(0, 0, 1, 1), shapely.LineString([(5, 5), (6, 6)]), shapely.Point(9, 9)]
    )
    assert polygonal(mixed) == shapely.box(0, 0, 1, 1)
    assert polygonal(shapely.LineString([(0, 0), (1, 1)])) is None
    assert polygonal(shapely.GeometryCollection([mixed, shapely.box(3, 3, 4, 4)])) is not None


def test_iou_of_nothing_is_zero() -> None:
    assert iou(shapely.Polygon(), shapely.Polygon()) == 0.0
