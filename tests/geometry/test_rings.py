import numpy as np
import pytest
import shapely

from app.geometry.rings import balanced, components_of, corners, fewest, signed_area, smoothed


def disc(x: float, y: float, radius: float, side: int = 1024) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return np.hypot(columns - x, rows - y) < radius


def circle(radius: float, count: int = 360) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.column_stack((np.cos(angles), np.sin(angles))) * radius


def test_components_are_listed_with_their_holes_the_largest_first() -> None:
    mask = disc(700, 300, 60) | (disc(300, 500, 200) & ~disc(300, 500, 80)) | disc(300, 500, 30)
    ring, dot, island = components_of(mask, holes=True)
    assert [len(each.holes) for each in (ring, dot, island)] == [1, 0, 0]
    assert shapely.Polygon(ring.shell).centroid.distance(shapely.Point(300, 500)) < 0.1
    assert signed_area(ring.shell) * signed_area(ring.holes[0]) < 0
    assert len(components_of(mask, holes=False)) == 2  # the island belongs to what surrounds it
    assert components_of(np.zeros((8, 8), bool), holes=True) == []


@pytest.mark.parametrize("radius", [5, 30, 120, 400])
def test_a_smoothed_disc_keeps_its_size_and_its_place(radius: float) -> None:
    (found,) = components_of(disc(512, 500, radius), holes=True)
    curve = shapely.Polygon(smoothed(found.shell, 12))
    assert curve.area == pytest.approx(np.pi * radius**2, rel=0.03)
    assert curve.centroid.distance(shapely.Point(512, 500)) < 0.2
    assert curve.length == pytest.approx(2 * np.pi * radius, rel=0.03)


def test_a_smoothed_hole_keeps_its_size() -> None:
    (found,) = components_of(disc(512, 500, 300) & ~disc(512, 500, 100), holes=True)
    assert shapely.Polygon(smoothed(found.holes[0], 12)).area == pytest.approx(np.pi * 100**2, rel=0.01)


@pytest.mark.parametrize("holes", [False, True])
def test_what_is_too_small_for_a_curve_is_drawn_as_its_box(holes: bool) -> None:
    mask = np.zeros((20, 20), bool)
    mask[3, 4] = True
    (found,) = components_of(mask, holes=True)
    assert shapely.Polygon(smoothed(found.shell, 12)).equals(shapely.box(4, 3, 5, 4))
    (around,) = components_of(~mask, holes=True)
    assert shapely.Polygon(smoothed(around.holes[0], 12)).equals(shapely.box(4, 3, 5, 4))


def test_a_ragged_ring_is_smoothed_less_than_would_spoil_it() -> None:
    star = np.zeros((400, 400), bool)
    star[190:210, 20:380] = star[20:380, 190:210] = True
    (found,) = components_of(star, holes=True)
    curve = shapely.Polygon(smoothed(found.shell, 100))
    truth = shapely.union(shapely.box(20, 190, 380, 210), shapely.box(190, 20, 210, 380))
    assert curve.intersection(truth).area / curve.union(truth).area > 0.93


def test_corners_are_those_that_the_tolerance_needs() -> None:
    square = np.array([(x, 0.0) for x in range(10)] + [(10.0, y) for y in range(10)])
    ring = np.concatenate((square, 10 - square))
    assert corners(ring, 0.5).tolist() == [0, 10, 20, 30]
    assert 3 <= len(corners(circle(1), 100)) <= 360


def test_of_a_ring_without_an_area_every_point_is_a_corner() -> None:
    assert corners(np.zeros((5, 2)), 1.0).tolist() == [0, 1, 2, 3, 4]


def test_the_corners_that_change_the_least_area_go_first_and_each_ring_keeps_three() -> None:
    large, small = circle(100, 40), circle(1, 40)
    whole = [np.arange(40), np.arange(40)]
    left = fewest([large, small], whole, 30)
    assert [len(each) for each in left] == [27, 3]
    assert [len(each) for each in fewest([large, small], whole, 1)] == [3, 3]
    assert [len(each) for each in fewest([large, small], whole, 100)] == [40, 40]


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("count", [8, 24])
def test_balanced_corners_enclose_the_area_of_their_curve(count: int, turn: int) -> None:
    ring = circle(100)[::turn]
    chosen = np.arange(0, 360, 360 // count)
    area = shapely.Polygon(balanced(ring, chosen)).area
    assert area == pytest.approx(np.pi * 100**2, rel=0.01)
    assert shapely.Polygon(ring[chosen]).area < area


def test_a_corner_that_a_ring_passes_twice_is_where_it_passes_last() -> None:
    ring = np.array([[0, 0], [4, 0], [4, 4], [2, 2], [0, 4], [2, 2.0]])
    assert corners(ring, 0.0).tolist() == [0, 1, 2, 4, 5]


def test_borders_lie_where_the_mask_lies() -> None:
    mask = np.zeros((40, 50), bool)
    mask[30:38, 41:49], mask[33:35, 44:46] = True, False
    (component,) = components_of(mask, holes=True)
    assert component.shell.min(axis=0).tolist() == [41.5, 30.5]
    assert component.shell.max(axis=0).tolist() == [48.5, 37.5]
    assert component.holes[0].min(axis=0).tolist() == [43.5, 32.5]
    (strided,) = components_of(np.repeat(mask, 2, axis=1)[:, ::2], holes=True)
    assert np.array_equal(strided.shell, component.shell)
