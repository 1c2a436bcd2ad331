import shapely

from app.geometry.polygons import clip_to_slide, iou, polygonal


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
