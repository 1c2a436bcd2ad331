"""Proposals over real HTTP: from the service, and through Core's addition, with the caller's own rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import shapely
from shapely.geometry import mapping, shape

from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import User
from tests.lab import DISC_RADIUS, HEIGHT, Lab, settle, with_addition

JWT_SECRET = "a secret that signs the tokens of proposals, sixty-four bytes lon"
DISCS = [shapely.Point(x, y).buffer(DISC_RADIUS) for x in (760, 950, 1100) for y in range(120, 860, 160)]
REGION = shapely.box(660, 20, 1190, HEIGHT - 20)
"""Holds all of them."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), JWT_SECRET) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(whole[0], request.node.nodeid, whole[1])
    whole[0].faults.clear()


def bearer(user: User) -> dict[str, str]:
    token = Identity("full", JWT_SECRET).token(user.username, "ROLE_USER", "SESSION", 600)
    return {"authorization": f"Bearer {token}"}


def feature(region: shapely.Geometry) -> dict[str, Any]:
    return {"type": "Feature", "geometry": mapping(region)}


def from_service(lab: Lab, **body: Any) -> httpx.Response:
    asked = {"image_id": lab.image, "geometry": feature(REGION), **body}
    given = {name: value for name, value in asked.items() if value is not None}
    url = f"{lab.service_url}/sam/propose"
    return httpx.post(url, json=given, headers=bearer(lab.alice), timeout=60, trust_env=False)


def through_core(lab: Lab, user: User, **body: Any) -> httpx.Response:
    url = f"{lab.cytomine.base_url}/api/imageinstance/{lab.image}/sam/propose"
    asked = {"geometry": feature(REGION), **body}
    return httpx.post(url, json=asked, headers=bearer(user), timeout=60, trust_env=False)


def lines(answer: httpx.Response) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    *found, last = (json.loads(line) for line in answer.text.splitlines())
    return found, last


def found_discs(found: list[dict[str, Any]]) -> int:
    shapes = [shape(each["geometry"]) for each in found]
    return sum(any(disc.intersection(each).area > 0.5 * disc.union(each).area for each in shapes) for disc in DISCS)


@pytest.mark.parametrize("way", ["service", "core"])
def test_a_region_gives_its_objects(lab: Lab, way: str) -> None:
    answer = from_service(lab) if way == "service" else through_core(lab, lab.alice)
    found, last = lines(answer)
    assert found_discs(found) >= 5
    assert [each["properties"]["proposal"] for each in found] == list(range(1, len(found) + 1))
    assert all(shape(each["geometry"]).is_valid for each in found)
    assert last["done"]
    assert (last["proposals"], last["stopped"]) == (len(found), None)
    assert lab.requests("PUT") == lab.requests("DELETE") == []


def test_whoever_may_not_read_the_image_gets_no_proposals(lab: Lab) -> None:
    stranger = lab.cytomine.store.add_user("stranger")
    assert through_core(lab, stranger).status_code == 403
    url = f"{lab.service_url}/sam/propose"
    body = {"image_id": lab.image, "geometry": feature(REGION)}
    answer = httpx.post(url, json=body, headers=bearer(stranger), timeout=60, trust_env=False)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
