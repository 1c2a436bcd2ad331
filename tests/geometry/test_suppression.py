import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.polygons import iou
from app.geometry.suppression import Kept

places = st.integers(0, 60)
squares = st.builds(lambda x, y, side: shapely.box(x, y, x + side, y + side), places, places, st.integers(1, 30))


def is_double(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    common = one.intersection(other).area
    return iou(one, other) >= 0.5 or common >= 0.8 * min(one.area, other.area) > 0


@given(st.lists(squares, max_size=60))
def test_what_is_kept_is_what_a_comparison_of_all_with_all_keeps(shapes: list[shapely.Geometry]) -> None:
    kept, expected = Kept(0.5, 0.8), []
    for shape in shapes:
        wanted = not any(is_double(shape, other) for other in expected)
        assert kept.add(shape) == wanted
        expected += [shape] * wanted
    assert len(kept) == len(expected)


@given(st.lists(squares, min_size=1, max_size=20))
def test_nothing_is_kept_twice(shapes: list[shapely.Geometry]) -> None:
    kept = Kept(0.5)
    for shape in shapes:
        kept.add(shape)
    count = len(kept)
    assert not any(kept.add(shape) for shape in shapes)
    assert len(kept) == count


def test_outlines_that_only_touch_are_two_objects() -> None:
    kept = Kept(0.5, 0.0)
    assert kept.add(shapely.box(0, 0, 10, 10))
    assert kept.add(shapely.box(10, 0, 20, 10))


def test_ten_thousand_outlines_are_compared_with_their_neighbours_only(monkeypatch) -> None:
    compared = 0
    intersection = shapely.intersection

    def counted(*given):  # type: ignore[no-untyped-def]
        nonlocal compared
        compared += 1
        return intersection(*given)

    monkeypatch.setattr("app.geometry.suppression.shapely.intersection", counted)
    kept = Kept(0.5)
    for x, y in np.ndindex(100, 100):
        kept.add(shapely.box(20 * x, 20 * y, 20 * x + 21, 20 * y + 21))
    assert len(kept) == 10_000
    assert compared < 10 * 10_000
