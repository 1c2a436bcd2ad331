"""Outlines without a geometry library, held to one."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
import shapely
from hypothesis import given

from cytomine_refine.geojson import feature
from cytomine_refine.outlines import Slide
from cytomine_refine.wkt import read_wkt, same_outline, shape_of

number = st.floats(-1e5, 1e6, allow_nan=False).map(lambda each: round(each, 3))
boxes = st.builds(
    lambda x, y, w, h: shapely.box(x, y, x + w, y + h), number, number, st.floats(2, 500), st.floats(2, 500)
)
RING = shapely.Point(50, 60).buffer(30) - shapely.Point(50, 60).buffer(10)
SHAPES = [
    "POINT (3 4.5)",
    "LINESTRING (0 0, 1 2, 3 4)",
    RING.wkt,
    shapely.MultiPolygon([RING, shapely.box(200, 0, 210, 7)]).wkt,
    "MULTIPOLYGON (((0 0,9 0,9 9,0 0)))",
    "POLYGON((-1e2 +.5, 9. 0, 9 9, -100 0.5))",
]


@given(boxes, boxes)
def test_area_bounds_and_text_are_those_of_shapely(one: shapely.Polygon, other: shapely.Polygon) -> None:
    hole = shapely.box(*(shapely.Point(one.centroid).buffer(0.5).bounds))
    shape = one - hole if other.area > one.area else one
    read = read_wkt(shape.wkt)
    assert read.area == pytest.approx(shapely.from_wkt(shape.wkt).area, rel=1e-9)
    assert read.bounds == pytest.approx(shapely.from_wkt(shape.wkt).bounds)
    assert shapely.from_wkt(read.wkt).equals_exact(shapely.from_wkt(shape.wkt), 0)


@pytest.mark.parametrize("text", SHAPES)
def test_every_type_is_read_and_written_as_shapely_does(text: str) -> None:
    expected = shapely.from_wkt(text)
    assert shapely.from_geojson(json.dumps(read_wkt(text).geojson)).equals_exact(expected, 0)
    assert shapely.from_wkt(read_wkt(f"SRID=4326;{text.lower()}").wkt).equals_exact(expected, 0)
    assert shape_of(json.loads(shapely.to_geojson(expected))) == read_wkt(text)
    turned = read_wkt(text).upside_down(100)
    assert same_outline(turned.upside_down(100).wkt, text)
    assert read_wkt(text).area == pytest.approx(expected.area)


@pytest.mark.parametrize(
    "text",
    ["", "no", "POLYGON", "POLYGON ((0 0, 1))", "POLYGON (())", "POLYGON ((a b, c d))", "CIRCULARSTRING (0 0, 1 1)",
     "POLYGON ((0 0, 1e999 1, 1 1, 0 0))", "POLYGON ((0 0, nan 1, 1 1, 0 0))", "GEOMETRYCOLLECTION (POINT (0 0))"],
)  # fmt: skip
def test_what_is_no_outline_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an outline"):
        read_wkt(text)


@pytest.mark.parametrize("geometry", [None, {}, {"type": "Polygon"}, {"type": "Polygon", "coordinates": [["x"]]}])
def test_what_is_no_geometry_is_refused(geometry: object) -> None:
    with pytest.raises(ValueError, match=r"geometry|type|convert"):
        shape_of(geometry)


def test_an_empty_one_is_one() -> None:
    assert read_wkt("POLYGON EMPTY").wkt == "POLYGON EMPTY"
    assert read_wkt("POLYGON EMPTY").area == 0


@given(boxes, st.integers(0, 3), st.booleans(), st.floats(-0.006, 0.006))
def test_the_same_outline_however_it_is_written(box: shapely.Polygon, start: int, turned: bool, by: float) -> None:
    corners = list(box.exterior.coords)[:-1]
    again = corners[start:] + corners[:start]
    ring = [(x + by, y) for x, y in (again[::-1] if turned else again)]
    assert same_outline(box.wkt, shapely.Polygon(ring).wkt)
    assert not same_outline(box.wkt, shapely.Polygon([(x + 0.05, y) for x, y in ring]).wkt)


def test_parts_and_holes_may_come_in_any_order() -> None:
    one, other = RING, shapely.box(200, 0, 210, 7)
    assert same_outline(shapely.MultiPolygon([one, other]).wkt, shapely.MultiPolygon([other, one]).wkt)
    assert not same_outline(shapely.MultiPolygon([one, other]).wkt, shapely.MultiPolygon([one]).wkt)
    assert not same_outline(RING.wkt, shapely.Polygon(RING.exterior).wkt)
    assert not same_outline(RING.wkt, "unreadable")


def test_a_feature_lies_as_viewers_see_it() -> None:
    slide = Slide(7, "a.svs", 1000, 400)
    told = feature(3, shapely.box(10, 20, 30, 60).wkt, slide, score=0.5)
    assert shapely.from_geojson(json.dumps(told["geometry"])).bounds == (10, 340, 30, 380)
    assert (told["id"], told["properties"]["image"], told["properties"]["score"]) == (3, 7, 0.5)
    assert "id" not in feature(None, shapely.box(10, 20, 30, 60).wkt, slide)
