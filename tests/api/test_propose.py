"""The route that proposes: its lines, its refusals, and how it ends when something goes wrong in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import CallerGone, DeviceOutOfMemory, PlatformTimeout, PlatformUnavailable
from app.main import assemble
from app.settings import Settings
from tests.api.conftest import SECRET
from tests.fakes.discs import PLACES, ManyDiscs, Pointing
from tests.fakes.rooms import FakeGateway, annotation

SQUARE = [[[0, 0], [500, 0], [500, 400], [0, 400], [0, 0]]]
REGION = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": SQUARE}}
ASKED = {"image_id": 5, "geometry": REGION}
INSIDE = sum(x < 500 and y > 400 for x, y in PLACES)


@pytest.fixture
def reader() -> ManyDiscs:
    return ManyDiscs()


@pytest.fixture
def gateway() -> FakeGateway:
    wkt = "POLYGON ((300 470, 360 470, 360 530, 300 530, 300 470))"
    return FakeGateway(annotations={7: annotation(7, wkt), 8: annotation(8, "POINT (1 1)")})


@pytest.fixture
def client(gateway: FakeGateway, reader: ManyDiscs) -> Iterator[TestClient]:
    given = {"api": {"shared_secret": SECRET}, "propose": {"max_area_px0": 1000 * 700}}
    app = assemble(Settings.model_validate(given), gateway, reader, Pointing())
    with TestClient(app, headers={"X-Refine-Secret": SECRET}, raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, **body: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    answer = client.post("/sam/propose", json={**ASKED, **body})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["x-accel-buffering"] == "no"
    *found, last = (json.loads(line) for line in answer.text.splitlines())
    return found, last


def test_lines_of_features_and_then_the_end(client: TestClient, gateway: FakeGateway) -> None:
    found, last = ask(client)
    assert len(found) == INSIDE
    for number, feature in enumerate(found, 1):
        assert (feature["type"], feature["geometry"]["type"]) == ("Feature", "Polygon")
        told = feature["properties"]
        assert (told["proposal"], told["confidence"], told["likeness"]) == (number, None, None)
        assert 1 <= told["tile"] <= told["tiles"] == last["tiles"]
        assert told["area_px0"] == pytest.approx(2827, rel=0.1)
        assert set(told) == {
            *("proposal", "score", "confidence", "likeness", "area_px0", "tile", "tiles", "doubts", "doubtful")
        }
    assert (last["done"], last["proposals"], last["stopped"]) == (True, INSIDE, None)
    assert last["model"]["checkpoint_sha256"]
    assert last["timings_ms"]["total"] > 0
    assert gateway.writes == []
    assert 'refine_requests_total{outcome="done",use_case="propose"} 1.0' in client.get("/metrics").text


def test_others_like_an_annotation_tell_their_likeness(client: TestClient) -> None:
    found, last = ask(client, like=[7], detail=20)
    assert found
    assert all(0 < each["properties"]["likeness"] <= 1 for each in found)
    assert all(len(each["geometry"]["coordinates"][0]) <= 20 for each in found)
    assert last["done"]


def test_the_limit_is_told(client: TestClient) -> None:
    found, last = ask(client, limit=2)
    assert (len(found), last["stopped"]) == (2, "limit")
    assert 'outcome="limit",use_case="propose"' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"geometry": None}, 400, "invalid-request"),
        ({"annotation_id": 7}, 400, "invalid-request"),
        ({"image_id": None}, 400, "invalid-request"),
        ({"unlike": [7]}, 400, "invalid-request"),
        ({"like": [7] * 21}, 400, "invalid-request"),
        ({"limit": 0}, 400, "invalid-request"),
        ({"min_confidence": 1.1}, 400, "invalid-request"),
        ({"something": 1}, 400, "invalid-request"),
        ({"image_id": 99}, 404, "image-not-found"),
        ({"like": [99]}, 404, "annotation-not-found"),
        ({"like": [8]}, 422, "invalid-prompt"),
    ],
)
def test_what_cannot_be_done_is_a_problem(client: TestClient, body: dict[str, Any], status: int, kind: str) -> None:
    given = {name: value for name, value in {**ASKED, **body}.items() if value is not None}
    answer = client.post("/sam/propose", json=given)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, kind)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_region_that_is_too_large_is_refused_with_its_limit(client: TestClient) -> None:
    whole = {"type": "Polygon", "coordinates": [[[0, 0], [1000, 0], [1000, 800], [0, 800], [0, 0]]]}
    answer = client.post("/sam/propose", json={"image_id": 5, "geometry": {"type": "Feature", "geometry": whole}})
    assert answer.status_code == 413
    assert answer.json()["limit_px0"] == 1000 * 700


def test_nobody_asks_without_credentials(client: TestClient) -> None:
    assert client.post("/sam/propose", json=ASKED, headers={"X-Refine-Secret": "wrong"}).status_code == 401


def test_pixels_that_fail_at_once_are_a_problem_and_in_the_middle_the_last_line(
    client: TestClient, reader: ManyDiscs
) -> None:
    reader.error_at = {1: PlatformTimeout("slow")}
    assert client.post("/sam/propose", json=ASKED).status_code == 504
    reader.read_windows, reader.error_at = [], {4: PlatformUnavailable("down")}
    found, last = ask(client)
    assert 0 < len(found) < INSIDE
    assert last["done"] is False
    problem = last["problem"]
    assert (problem["status"], problem["type"]) == (502, "urn:cytomine-refine:platform-unavailable")
    assert problem["instance"] == "/sam/propose"
    figures = client.get("/metrics").text
    assert 'refine_problems_total{type="platform-unavailable"} 1.0' in figures
    assert 'outcome="failed",use_case="propose"' in figures


def test_a_first_tile_that_cannot_be_looked_at_is_a_problem_and_no_line(client: TestClient, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise DeviceOutOfMemory("full", retry_after_s=5)

    monkeypatch.setattr("app.usecases.proposing.find_automatically", full)
    answer = client.post("/sam/propose", json=ASKED)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_what_nobody_foresaw_ends_the_lines_too(client: TestClient, reader: ManyDiscs) -> None:
    reader.error_at = {4: ZeroDivisionError()}
    _, last = ask(client)
    assert last["problem"]["status"] == 500


def test_for_whoever_has_gone_nothing_more_is_written(client: TestClient, reader: ManyDiscs, monkeypatch) -> None:
    tiles = iter(range(2))

    def gone_later(*_: object) -> list[object]:
        if next(tiles, None) is None:
            raise CallerGone("gone")
        return []

    monkeypatch.setattr("app.usecases.proposing.find_automatically", gone_later)
    assert client.post("/sam/propose", json=ASKED).text.strip() == ""
    assert 'outcome="gone",use_case="propose"' in client.get("/metrics").text


def test_a_tile_without_an_object_is_a_blank_that_readers_of_lines_do_not_see(
    client: TestClient, reader: ManyDiscs
) -> None:
    nothing = {"type": "Polygon", "coordinates": [[[180, 150], [270, 150], [270, 250], [180, 250], [180, 150]]]}
    body = {"image_id": 5, "geometry": {"type": "Feature", "geometry": nothing}}
    answer = client.post("/sam/propose", json=body)
    last = json.loads(answer.text)
    assert (last["proposals"], len(answer.text) - len(answer.text.lstrip(" "))) == (0, last["tiles"])
