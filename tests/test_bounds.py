"""What would end the process, or take it minutes, is refused before anybody parses it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from app.bounds import MAX_JSON_NESTING, MAX_WORD_CHARACTERS, bounded_wkt, check_json, wkt_kind
from app.errors import InvalidPrompt, InvalidRequest
from app.geometry.locations import read_geojson, read_location

DEEP = 30_000
BOX = [[0, 0], [9, 0], [9, 9], [0, 0]]


@pytest.mark.parametrize(
    "wkt",
    [
        "'GEOMETRYCOLLECTION(' * 30_000",
        "'GEOMETRYCOLLECTION(' * 30_000 + 'POINT (1 1)' + ')' * 30_000",
        "'SRID=1;GeometryCollection Z (' * 30_000",
        "'POLYGON' + '(' * 1_000_000",
        "'MULTIPOLYGON(' * 30_000",
        "'MULTISURFACE(' * 30_000",
        "' ' * 2_000_000 + 'LINE'",
        "'POLYGON ((' + '9' * 2_000_000 + ' 0, 1 1, 1 0, 0 0))'",
        "'POLYGON ((' + '9' * 400 + ' 0, 1 1, 1 0, 0 0))'",
        "'A' * 2_000_000",
        "'SRID' + '=' * 2_000_000",
        "'SRID=' + '1' * 2_000_000 + ';POINT (1 1)'",
        "'POLYGON ((' + ' ' * 9_000_000 + '0 0, 1 1, 1 0, 0 0))'",
    ],
)
def test_the_process_survives_any_location(wkt: str) -> None:
    script = f"""
from app.errors import InvalidPrompt
from app.geometry.locations import has_no_area, is_point, read_location
wkt = {wkt}
has_no_area(wkt), is_point(wkt)
try:
    read_location(wkt)
except InvalidPrompt as error:
    print("refused:", error.detail)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("refused: The location")
    assert len(told.stdout) < 200, "the error quotes what came"


@pytest.mark.parametrize(
    "wkt",
    [
        "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (1 1)))",
        "POLYGON ((((0 0, 9 0, 9 9, 0 0))))",
        "POLYGON ((0 0, 1e308 0, 9 9, 0 0))",
        "POLYGON ((0 0, -4294967297 0, 9 9, 0 0))",
        "POLYGON ((0 0, 1e400 0, 9 9, 0 0))",
        "POLYGON ((0 0, " + "9" * (MAX_WORD_CHARACTERS + 1) + " 0, 9 9, 0 0))",
        "POLYGON ((0 0, 9 0, 9 9, 0 0)) \0",
        "POLYGON ((0 0, 9 0, 9 9, 0 0)) \ud800",
        "\x1b[31mPOLYGON ((0 0, 9 0, 9 9, 0 0))",
        "POLYGON \x1b[31m((0 0, 9 0, 9 9, 0 0))",
        "SRID=0;SRID=0;POLYGON ((0 0, 9 0, 9 9, 0 0))",
        "CIRCULARSTRING (0 0, 1 1, 2 0)",
    ],
    ids=lambda wkt: repr(wkt)[:60],
)
def test_what_is_out_of_bounds_is_refused_and_not_quoted(wkt: str) -> None:
    with pytest.raises(InvalidPrompt) as caught:
        read_location(wkt)
    assert "\x1b" not in caught.value.detail
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON ((((0 0, 9 0, 9 9, 0 0))))",
        "GEOMETRYCOLLECTION (MULTIPOLYGON (((0 0, 9 0, 9 9, 0 0))))",
        "POINT (0." + "0" * MAX_WORD_CHARACTERS + "1 2)",
        "POINT (1 0." + "0" * MAX_WORD_CHARACTERS + ")",
    ],
)
def test_what_is_out_of_bounds_is_never_given_to_a_parser(wkt: str) -> None:
    with pytest.raises(InvalidPrompt):
        bounded_wkt(wkt)


@pytest.mark.parametrize(
    "wkt",
    [
        "POINT (1 2)",
        "POINT (0." + "0" * (MAX_WORD_CHARACTERS - 3) + "1 2)",
        "POINT EMPTY",
        "MULTIPOLYGON (((0 0, 4294967296 0, 9 9, 0 0)))",
    ],
)
def test_what_is_within_is_read(wkt: str) -> None:
    assert read_location(wkt).geom_type == wkt_kind(wkt)


def nested(depth: int) -> list[object]:
    inner: list[object] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("kind", ["Polygon", "MultiPolygon"])
@pytest.mark.parametrize(
    "coordinates",
    [
        nested(600),
        [[*BOX[:3], nested(600)]],
        [[[0, 0], [10**400, 0], [9, 9], [0, 0]]],
        [[[0, 0], [1e308, 0], [9, 9], [0, 0]]],
        [[[0, 0], [float("nan"), 0], [9, 9], [0, 0]]],
        [[[0, 0], [True, 0], [9, 9], [0, 0]]],
        [[[0, 0], ["9", 0], [9, 9], [0, 0]]],
        [[[0], [9, 0], [9, 9], [0]]],
        [[[0, 0], [9, 0]]],
        [[[n, n % 2] for n in range(100_002)]],
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, list) and value else "",
)
def test_geojson_out_of_bounds_is_refused(kind: str, coordinates: list[object]) -> None:
    with pytest.raises(InvalidPrompt):
        read_geojson(kind, coordinates if kind == "Polygon" else [coordinates])


def test_geojson_and_wkt_are_the_same_shape() -> None:
    hole = [[1, 0.5], [2, 0.5], [2, 0.75], [1, 0.5]]
    three = [[*place, 7] for place in BOX]
    wkt = "POLYGON ((0 0, 9 0, 9 9, 0 0), (1 0.5, 2 0.5, 2 0.75, 1 0.5))"
    assert read_geojson("Polygon", [three, hole]).equals(read_location(wkt))
    assert read_geojson("MultiPolygon", [[BOX, hole]]).geom_type == "MultiPolygon"
    assert read_geojson("Polygon", []).is_empty


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2_000_000,
        '{"a":' * 2_000_000,
        "[" * (MAX_JSON_NESTING + 1) + "]" * (MAX_JSON_NESTING + 1),
        '["\\"' + '", "' + '", ' + "[" * 100,
        '["\\\\", ' + "[" * 100,
        '["a", ' + "[" * 100,
    ],
    ids=lambda text: text[:20],
)
def test_json_that_is_too_deep_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="nested"):
        check_json(text.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_json_in_other_encodings_is_refused(encoding: str) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        check_json("{}".encode(encoding))


@pytest.mark.parametrize(
    "value",
    [
        None,
        nested(MAX_JSON_NESTING - 1),
        ["[" * 100, '"' + "[" * 100, "\\" + "{" * 100, '\\"' + "{" * 100, "é" * 9 + "[" * 100],
        [[]] * 1000,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_brackets_in_strings_and_side_by_side_are_not_deep(value: object) -> None:
    check_json(json.dumps(value).encode())
    check_json(json.dumps(value, ensure_ascii=False).encode())
