"""The route of the stock Core of 2026, with crops cut as that Core has them cut."""

from __future__ import annotations

import dataclasses

import httpx
import pytest
import shapely

from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, DISC, DISC_X, DISC_Y, HEADERS, HEIGHT, WIDTH, Lab, serving, settings_for

SQUARE = {"context_factor": 2.0, "try_square": True, "level": 0, "z_slices": 0, "timepoints": 0}


def crop_of(lab: Lab, location: str) -> bytes:
    """Cut what Core sends: the drawing without a colour, twice the longer side, JPEG."""
    answer = httpx.post(
        f"{lab.cytomine.pims_url}/image/discs.png/annotation/drawing",
        json={**SQUARE, "annotations": [{"geometry": location, "stroke_color": None, "stroke_width": None}]},
        headers={"Accept": "image/jpeg", "X-Annotation-Origin": "LEFT_BOTTOM"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def post(
    lab: Lab, location: str, crop: bytes, *, width: object = WIDTH, height: object = HEIGHT, **headers: str
) -> httpx.Response:
    """Send what Core sends."""
    return httpx.post(
        f"{lab.service_url}/sam/annotations/refine",
        files={"annotation_crop": ("7.jpg", crop, "image/jpeg")},
        data={"image_width": str(width), "image_height": str(height), "location": location},
        headers=headers or HEADERS,
        timeout=60,
        trust_env=False,
    )


def outline(answer: httpx.Response) -> shapely.Geometry:
    """Read the answer as Core does; always one valid Polygon inside the image."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "Feature"
    shape = shapely.geometry.shape(answer.json()["geometry"])
    assert shape.geom_type == "Polygon"
    assert shape.is_valid
    assert shape.area > 0
    assert shape.within(shapely.box(0, 0, WIDTH, HEIGHT))
    return shape


def test_the_disc_is_found_where_it_is(lab: Lab) -> None:
    lab.cytomine.faults.clear()
    found = outline(post(lab, BOX.wkt, crop_of(lab, BOX.wkt)))
    assert found.intersection(DISC).area / found.union(DISC).area > 0.85
    assert found.centroid.distance(shapely.Point(DISC_X, DISC_Y)) < 3
    assert [seen.path for seen in lab.cytomine.faults.requests] == ["/ims/image/discs.png/annotation/drawing"]


@pytest.mark.parametrize(
    ("x", "y"), [(1100, 120), (1100, 760), (760, 120)], ids=["right border", "upper right", "lower border"]
)
def test_crops_that_were_moved_at_borders(lab: Lab, x: int, y: int) -> None:
    disc = shapely.Point(x, y).buffer(60)
    box = shapely.box(x - 70, y - 90, min(x + 95, WIDTH), y + 66)
    found = outline(post(lab, box.wkt, crop_of(lab, box.wkt)))
    assert found.intersection(disc).area / found.union(disc).area > 0.8


@pytest.mark.parametrize(
    "location",
    [
        shapely.box(5, 5, WIDTH - 5, HEIGHT - 5).wkt,
        shapely.box(0, 290, WIDTH, 310).wkt,
        "POLYGON ((420 220, 580 380, 580 220, 420 380, 420 220))",
        shapely.union(BOX, shapely.box(700, 250, 740, 330)).wkt,
        f"SRID=0;{BOX.wkt}",
    ],
    ids=["not square", "a strip", "self-intersecting", "MultiPolygon", "SRID"],
)
def test_any_shape_gives_one_valid_polygon(lab: Lab, location: str) -> None:
    outline(post(lab, location, crop_of(lab, location.rpartition(";")[2])))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"location": "POINT (5 5)"}, 422),
        ({"location": "POLYGON EMPTY"}, 422),
        ({"location": "no shape"}, 422),
        ({"location": "POLYGON ((-9 -9, -5 -9, -5 -5, -9 -9))"}, 422),
        ({"location": "POLYGON ((-9 -9, 50 -9, 50 -5, -5 -5, -5 50, -9 50, -9 -9))"}, 422),
        ({"crop": b"no image"}, 400),
        ({"crop": b""}, 400),
        ({"width": 50}, 422),
        ({"location": "POLYGON ((1 1, 9 1, 9 9, 1 1))", "width": 100, "height": 100}, 400),
        ({"width": "wide"}, 400),
        ({"height": 0}, 400),
    ],
    ids=str,
)
def test_bad_parts(lab: Lab, change: dict[str, object], status: int) -> None:
    parts = {"location": BOX.wkt, "crop": crop_of(lab, BOX.wkt), **change}
    answer = post(lab, parts.pop("location"), parts.pop("crop"), **parts)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_secret_is_asked_for_unless_crops_are_open(lab: Lab, cytomine: EmbeddedCytomine) -> None:
    crop = crop_of(lab, BOX.wkt)
    assert post(lab, BOX.wkt, crop, **{"X-Refine-Secret": "a wrong secret, long"}).status_code == 401
    with serving(settings_for(cytomine, open_crops=True)) as url:
        stock = dataclasses.replace(lab, service_url=url)
        assert post(stock, BOX.wkt, crop, **{"X-None": "1"}).status_code == 200
        assert httpx.post(f"{url}/sam/annotations/7/refine", json={}, trust_env=False).status_code == 401


def test_large_crops_are_taken_and_huge_ones_refused(lab: Lab, cytomine: EmbeddedCytomine) -> None:
    crop = crop_of(lab, BOX.wkt)
    padded = crop + b"\0" * 4_000_000  # more than other bodies may have
    assert post(lab, BOX.wkt, padded).status_code == 200
    with serving(settings_for(cytomine, max_crop_bytes=2**16)) as url:
        assert post(dataclasses.replace(lab, service_url=url), BOX.wkt, padded).status_code == 413
