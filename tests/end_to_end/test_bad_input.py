"""Bad input over real HTTP: a clear error, and nothing lost."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import shapely
import torch

from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings
from demo.cytomine.faults import Fault, Kind
from tests.lab import BOX, DISC_X, DISC_Y, HEADERS, HEIGHT, WIDTH, Lab, serving, settings_for

_RING = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
_HUNDRED_THOUSAND = shapely.Polygon(np.stack([DISC_X + 70 * np.cos(_RING), DISC_Y + 70 * np.sin(_RING)], 1))


def check_untouched(lab: Lab, number: int, location: str, points: list[int]) -> None:
    """Nothing may be lost, and Core may not even have been asked to write."""
    assert lab.location(number) == location
    assert [lab.location(point) is not None for point in points] == [True] * len(points)


def check_problem(answer: httpx.Response, status: int) -> None:
    """An RFC 9457 problem with the facts that the contract promises."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert re.fullmatch(r"urn:cytomine-refine:[a-z-]+", problem["type"])
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "location",
    [
        pytest.param(f"POINT ({DISC_X} {DISC_Y})", id="Point"),
        pytest.param("LINESTRING (400 200, 600 400)", id="LineString"),
        pytest.param("POLYGON ((400 200, 600 200, 400 200))", id="zero area"),
        pytest.param("POLYGON ((400 200, 400 200, 400 200, 400 200))", id="zero size"),
        pytest.param("POLYGON EMPTY", id="empty Polygon"),
        pytest.param("MULTIPOLYGON EMPTY", id="empty MultiPolygon"),
        pytest.param("POLYGON ((NaN 200, 600 200, 600 400, NaN 200))", id="NaN"),
        pytest.param("POLYGON ((400 200, inf 200, 600 400, 400 200))", id="infinite"),
        pytest.param("POLYGON ((400 200, 600 200, 600 400, 400 400))", id="unclosed"),
        pytest.param("POLYGON ((-500 -500, -400 -500, -400 -400, -500 -500))", id="outside"),
        pytest.param(f"POLYGON (({WIDTH} 0, {WIDTH + 9} 0, {WIDTH + 9} 9, {WIDTH} 0))", id="beside the border"),
        pytest.param("GEOMETRYCOLLECTION (POINT (1 1), POLYGON ((4 2, 6 2, 6 4, 4 2)))", id="GeometryCollection"),
        pytest.param("CIRCULARSTRING (0 0, 1 1, 2 0)", id="unknown type"),
        pytest.param("a polygon", id="no WKT"),
    ],
)
def test_annotations_that_cannot_be_refined(lab: Lab, location: str) -> None:
    number, point = lab.draw(location), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.clear()
    check_problem(lab.refine(number), 422)
    check_untouched(lab, number, location, [point])
    assert lab.requests("PUT") == lab.requests("DELETE") == []


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("POLYGON ((420 220, 580 380, 580 220, 420 380, 420 220))", id="self-intersecting"),
        pytest.param("POLYGON Z ((425 230 1, 570 230 2, 570 370 3, 425 230 1))", id="3D"),
        pytest.param(f"SRID=0;{BOX.wkt}", id="SRID prefix"),
        pytest.param(_HUNDRED_THOUSAND.wkt, id="100,000 vertices"),
    ],
)
def test_odd_annotations_that_can(lab: Lab, location: str) -> None:
    number = lab.draw(location)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    assert lab.iou(number) > 0.8
    assert shapely.get_num_coordinates(shapely.from_wkt(lab.location(number))) < 200


def test_unknown_ids(lab: Lab) -> None:
    check_problem(lab.refine(10**12), 404)
    body = {"image_id": 10**12, "geometry": {"type": "Feature", "geometry": shapely.geometry.mapping(BOX)}}
    check_problem(httpx.post(f"{lab.service_url}/sam/prediction", json=body, headers=HEADERS, trust_env=False), 404)


@pytest.mark.parametrize("change", ["deleted", "moved", "touched"])
def test_annotation_changed_meanwhile(lab: Lab, change: str) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    elsewhere = "POLYGON ((1 1, 9 1, 9 9, 1 1))"
    act = {
        "deleted": lambda: lab.cytomine.store.remove(number),
        "moved": lambda: lab.cytomine.store.set_location(number, elsewhere),
        "touched": lambda: lab.cytomine.store.set_location(number, BOX.wkt),
    }[change]
    lab.cytomine.faults.clear()
    lab.cytomine.faults.add(Fault("slow", method="POST", path="/ims/.*/window", hook=act))
    check_problem(lab.refine(number), 409)
    assert lab.location(number) == {"deleted": None, "moved": elsewhere, "touched": BOX.wkt}[change]
    assert lab.location(point) is not None
    assert lab.requests("PUT") == lab.requests("DELETE") == []


@pytest.mark.parametrize("body", [b"{}", b'{"message":"later"}', b'{"collection":null}', b'{"collection":{}}'], ids=str)
@pytest.mark.parametrize("route", ["property", "attachedfile", "tag_domain_association", "annotationlink"])
def test_a_point_stays_where_core_does_not_tell_clearly_what_hangs_on_it(lab: Lab, route: str, body: bytes) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.add(Fault("status", path=rf"/{route}\.json", status=200, body=body, times=None))
    result = lab.refine(number).json()
    assert result["changed"]
    assert result["points_used"] == result["points_deleted"] == []
    assert lab.location(point) is not None


@pytest.mark.parametrize("is_tagged", [False, True])
def test_where_core_fails_to_list_tags_its_filter_tells(lab: Lab, is_tagged: bool) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    if is_tagged:
        lab.cytomine.store.add_tag(point, "seen")
    lab.cytomine.faults.add(Fault("status", path=r"/tag_domain_association\.json", status=500, times=None))
    result = lab.refine(number).json()
    assert result["points_used"] == result["points_deleted"] == ([] if is_tagged else [point])
    assert (lab.location(point) is not None) == is_tagged


def test_a_core_that_refuses_to_list_tags_is_at_fault(lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.add(Fault("status", path=r"/tag_domain_association\.json", status=503, times=None))
    check_problem(lab.refine(number), 502)
    check_untouched(lab, number, BOX.wkt, [point])


@pytest.mark.parametrize("body", [b"{}", b'{"collection":null}', b'{"collection":"x"}', b'{"collection":[5]}'], ids=str)
def test_a_list_of_points_that_is_none_is_cores_fault(lab: Lab, body: bytes) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.add(Fault("status", path=r"/annotation\.json", status=200, body=body))
    check_problem(lab.refine(number), 502)
    check_untouched(lab, number, BOX.wkt, [point])


@pytest.mark.parametrize(
    "meddle",
    [
        lambda store, point: store.add_property(point, "grade", "2"),
        lambda store, point: store.add_tag(point, "seen"),
        lambda store, point: store.set_location(point, "POINT (1 1)"),
        lambda store, point: store.remove(point),
    ],
    ids=["property", "tag", "moved", "deleted"],
)
def test_a_point_that_changes_while_the_outline_is_written_is_somebodys_work(lab: Lab, meddle) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.add(Fault("slow", method="PUT", hook=lambda: meddle(lab.cytomine.store, point)))
    result = lab.refine(number).json()
    assert (result["points_used"], result["points_deleted"], result["points_not_deleted"]) == ([point], [], [point])
    assert lab.requests("DELETE") == []


@pytest.mark.parametrize(("width", "height", "path"), [(None, HEIGHT, "discs.png"), (WIDTH, HEIGHT, None)])
def test_image_without_size_or_path(lab: Lab, width: int | None, height: int, path: str | None) -> None:
    lab.image = lab.cytomine.store.add_image(lab.project, lab.alice.id, path, width, height)
    number = lab.draw(BOX)
    check_problem(lab.refine(number), 422)
    check_untouched(lab, number, BOX.wkt, [])


def test_image_whose_file_is_gone(lab: Lab) -> None:
    lab.image = lab.cytomine.store.add_image(lab.project, lab.alice.id, "gone.tiff", WIDTH, HEIGHT)
    number = lab.draw(BOX)
    check_problem(lab.refine(number), 502)
    check_untouched(lab, number, BOX.wkt, [])


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("status", status=400, body=b'{"title":"Bad request"}'), 502),
        (Fault("status", status=404, body=b'{"title":"Filepath not found"}'), 502),
        (Fault("status", status=406), 502),
        (Fault("status", status=500, content_type="text/plain", body=b"Internal Server Error"), 502),
        (Fault("garbage"), 502),
        (Fault("truncate"), 502),
        (Fault("wrong_size"), 502),
        (Fault("redirect"), 502),
        (Fault("drop"), 502),
        (Fault("hang"), 504),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)
def test_failing_image_server(lab: Lab, fault: Fault, status: int) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    fault.path, fault.times = "/ims/.*/window", 1 + (fault.kind == "drop")
    lab.cytomine.faults.add(fault)
    check_problem(lab.refine(number), status)
    check_untouched(lab, number, BOX.wkt, [point])
    assert lab.refine(number).status_code == 200  # and it works again


@pytest.mark.parametrize("path", ["/api/annotation/", "/api/annotation.json", "/ims/.*/window"])
def test_a_kept_connection_that_was_closed_is_not_noticed(lab: Lab, path: str) -> None:
    number = lab.draw(BOX)
    lab.cytomine.faults.add(Fault("drop", method="GET|POST", path=path))
    assert lab.refine(number).status_code == 200
    assert lab.iou(number) > 0.8


@pytest.mark.parametrize("kind", ["gray", "rgba", "sixteen_bit"])
def test_odd_images_are_understood(lab: Lab, kind: Kind) -> None:
    number = lab.draw(BOX)
    lab.cytomine.faults.add(Fault(kind, path="/ims/.*/window"))
    assert lab.refine(number).status_code == 200
    assert lab.iou(number) > 0.8


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/annotation/"),
        ("GET", "/api/imageinstance/"),
        ("GET", "/api/annotation.json"),
        ("GET", "property.json"),
        ("PUT", "/api/annotation/"),
    ],
)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("html401"), 401),
        (Fault("status", status=403), 403),
        (Fault("status", status=500), 502),
        (Fault("redirect"), 502),
        (Fault("garbage"), 502),
        (Fault("drop"), 502),
        (Fault("hang"), 504),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)
def test_failing_core(lab: Lab, method: str, path: str, fault: Fault, status: int) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    fault.method, fault.path, fault.times = method, path, 1 + (fault.kind == "drop" and method == "GET")
    lab.cytomine.faults.clear()
    lab.cytomine.faults.add(fault)
    check_problem(lab.refine(number), status)
    check_untouched(lab, number, BOX.wkt, [point])
    assert lab.requests("DELETE") == []


@pytest.mark.parametrize("fault", [Fault("status", status=500), Fault("drop"), Fault("status", status=403)])
def test_a_point_that_cannot_be_deleted_is_told(lab: Lab, fault: Fault) -> None:
    number, points = lab.draw(BOX), [lab.point(DISC_X, DISC_Y), lab.point(DISC_X + 9, DISC_Y)]
    fault.method, fault.times = "DELETE", 1
    lab.cytomine.faults.add(fault)
    result = lab.refine(number).json()
    assert result["changed"]
    assert len(result["points_deleted"]) == len(result["points_not_deleted"]) == 1
    assert [point for point in points if lab.location(point) is not None] == result["points_not_deleted"]


def test_an_answer_lost_after_the_update(lab: Lab) -> None:
    """Core has stored the shape, but nobody said so: the points must stay, and the shape is the new one."""
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.add(Fault("drop", method="PUT", when="after"))
    check_problem(lab.refine(number), 502)
    assert lab.location(number) != BOX.wkt
    assert lab.location(point) is not None


def test_an_empty_mask_leaves_the_annotation(lab: Lab, tmp_path: Path) -> None:
    """A model that sees nothing anywhere: nothing is written or deleted, and the answer says so."""
    state = torch.load(EMBEDDED_MODEL, weights_only=True)["model"]
    for name in state:
        if "output_hypernetworks_mlps" in name and ".layers.2." in name:
            state[name].zero_()  # every raw value becomes 0, which is not object
    torch.save({"model": state}, tmp_path / "blind.pt")
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    settings = settings_for(lab.cytomine)
    blind = SegmenterSettings(device="cpu", checkpoint=tmp_path / "blind.pt", config="embedded")
    lab.cytomine.faults.clear()
    with serving(settings.model_copy(update={"segmenter": blind})) as url:
        answer = replace(lab, service_url=url).refine(number)
        body = {"image_id": lab.image, "geometry": {"type": "Feature", "geometry": shapely.geometry.mapping(BOX)}}
        predicted = httpx.post(f"{url}/sam/prediction", json=body, headers=HEADERS, timeout=30, trust_env=False)
    assert (answer.status_code, answer.json()["changed"]) == (200, False)
    assert answer.json()["location"] == BOX.wkt
    assert "nothing" in answer.json()["message"].lower() or "no object" in answer.json()["message"].lower()
    assert (predicted.status_code, predicted.content) == (204, b"")
    check_untouched(lab, number, BOX.wkt, [point])
    assert lab.requests("PUT") == lab.requests("DELETE") == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"{", 400, id="cut off"),
        pytest.param(b"[1, 2", 400, id="cut off list"),
        pytest.param(b'{"image_id": NaN}', 400, id="NaN"),
        pytest.param(b"\xff\xfe\x00", 400, id="no text"),
        pytest.param(b'{"image_id": "three", "geometry": 5}', 400, id="wrong types"),
        pytest.param(b"[" * 50_000, 400, id="deep"),
        pytest.param(b'{"image_id": 1, "geometry": "' + b"x" * 3_000_000 + b'"}', 413, id="huge"),
    ],
)
@pytest.mark.parametrize("route", ["prediction", "smart_prediction"])
def test_garbage(lab: Lab, route: str, content: bytes, status: int) -> None:
    headers = {**HEADERS, "Content-Type": "application/json"}
    url = f"{lab.service_url}/sam/{route}"
    check_problem(httpx.post(url, content=content, headers=headers, timeout=30, trust_env=False), status)


@pytest.mark.parametrize("options", [{"keep_points": "yes"}, {"points": "some"}, {"unknown": 1}, {"dry_run": 1}])
def test_wrong_options(lab: Lab, options: dict[str, object]) -> None:
    number = lab.draw(BOX)
    check_problem(lab.refine(number, **options), 400)
    check_untouched(lab, number, BOX.wkt, [])


def test_without_the_secret_nothing_is_asked(lab: Lab) -> None:
    number = lab.draw(BOX)
    lab.cytomine.faults.clear()
    for headers in ({}, {"X-Refine-Secret": "a guess of the same sort, long"}):
        url = f"{lab.service_url}/sam/annotations/{number}/refine"
        check_problem(httpx.post(url, json={}, headers=headers, trust_env=False), 401)
    assert lab.cytomine.faults.requests == []
    assert json.loads(httpx.get(f"{lab.service_url}/health", trust_env=False).text)["status"] == "healthy"
