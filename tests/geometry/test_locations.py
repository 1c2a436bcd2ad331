import numpy as np
import pytest
import shapely

from app.errors import InvalidPrompt, RoiOutsideSlide
from app.geometry.frames import Roi
from app.geometry.locations import has_no_area, is_finite_point, is_point, read_location, roi_of, write_location
from app.geometry.polygons import polygonal

WIDTH, HEIGHT = 1000, 800


def roi(wkt: str) -> Roi:
    return roi_of(read_location(wkt), WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON ((100 200, 180 200, 180 260, 100 260, 100 200))",
        "SRID=4326;POLYGON ((100 200, 180 200, 180 260, 100 260, 100 200))",
        "POLYGON Z ((100 200 5, 180 200 5, 180 260 5, 100 260 5, 100 200 5))",
        "POLYGON ((100 200, 180 260, 180 200, 100 260, 100 200))",  # a bow tie: the envelope is clear all the same
        "POLYGON ((100 200, 180 200, 180 260, 100 260, 100 200), (120 220, 130 220, 130 230, 120 220))",
        "MULTIPOLYGON (((100 200, 110 200, 110 210, 100 200)), ((180 260, 170 260, 170 250, 180 260)))",
    ],
)
def test_the_box_is_the_envelope_with_y_down(wkt: str) -> None:
    assert roi(wkt) == Roi(100, 540, 180, 600)


@pytest.mark.parametrize(
    "wkt",
    [
        "POINT (10 10)",
        "MULTIPOINT ((10 10), (20 20))",
        "LINESTRING (0 0, 10 10)",
        "GEOMETRYCOLLECTION (POLYGON ((0 0, 1 0, 1 1, 0 0)))",
        "POLYGON EMPTY",
        "POLYGON ((10 10, 20 20, 30 30, 10 10))",
        "POLYGON ((10 10, 10 10, 10 10, 10 10))",
        "POLYGON ((0 0, 10 0, 10 10, 0 10))",  # not closed
        "POLYGON ((nan 0, 10 0, 10 10, nan 0))",
        "POLYGON ((0 0, inf 0, 10 10, 0 0))",
        "POLYGON ((0 0",
        "",
        "<html>",
    ],
)
def test_what_has_no_box_is_refused(wkt: str) -> None:
    with pytest.raises(InvalidPrompt):
        roi(wkt)


def test_boxes_are_clipped_to_the_slide() -> None:
    assert roi("POLYGON ((-50 700, 100 700, 100 900, -50 900, -50 700))") == Roi(0, 0, 100, 100)


@pytest.mark.parametrize("x", [-200, 1000, 5000])
def test_boxes_outside_the_slide_are_refused(x: int) -> None:
    with pytest.raises(RoiOutsideSlide) as caught:
        roi(f"POLYGON (({x} 10, {x + 100} 10, {x + 100} 90, {x} 90, {x} 10))")
    assert caught.value.facts["slide"] == [WIDTH, HEIGHT]


def test_a_hundred_thousand_vertices_are_no_trouble() -> None:
    angle = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    ring = np.column_stack((400 + 100 * np.cos(angle), 400 + 100 * np.sin(angle)))
    assert roi(shapely.Polygon(ring).wkt).longer_side == pytest.approx(200, abs=1e-3)


def test_more_vertices_than_anybody_draws_are_refused_unread() -> None:
    with pytest.raises(InvalidPrompt, match="vertices"):
        read_location("POLYGON ((" + "0 0, " * 100_001 + "0 0))")


def test_a_star_whose_edges_all_cross_costs_no_time() -> None:
    steps = np.arange(5002) * 2500 % 5001
    angle = 2 * np.pi * steps / 5001
    star = shapely.Polygon(np.column_stack((400 + 100 * np.cos(angle), 400 + 100 * np.sin(angle))))
    assert roi(star.wkt).longer_side == pytest.approx(200, abs=1e-3)
    assert polygonal(star).area == pytest.approx(np.pi * 100**2, rel=1e-3)


def test_written_locations_read_back_exactly() -> None:
    shape = shapely.Polygon([(0.1, 1 / 3), (99_999.996, 2), (3, 4.25)])
    assert shapely.equals_exact(read_location(write_location(shape)), shape)


def test_points_of_no_place_are_told() -> None:
    assert is_finite_point(1, 2)
    assert not is_finite_point(float("nan"), 2)
    assert not is_finite_point(1, float("inf"))


def test_points_are_told_from_their_first_word() -> None:
    assert is_point("POINT (1 2)")
    assert is_point(" srid=4326; Point Z (1 2 3)")
    assert not is_point("MULTIPOINT ((1 2))")
    assert not is_point("POINTLESS")
    assert not is_point("")


@pytest.mark.parametrize(
    ("wkt", "none"),
    [("POINT (1 2)", True), ("LINESTRING (0 0, 1 1)", True), ("POLYGON EMPTY", False), ("no shape", False)],
)
def test_types_without_area_are_told_from_their_first_word(wkt: str, none: bool) -> None:
    assert has_no_area(wkt) is none
