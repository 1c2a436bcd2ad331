"""Proposals over real HTTP: from the service, and through Core's addition, with the caller's own rights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import shapely
from shapely.geometry import mapping, shape

from app.settings import ProposeSettings
from demo.cytomine.faults import Fault
from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import User
from tests.lab import DISC_RADIUS, HEIGHT, WIDTH, Lab, serving, settings_for, settle, with_addition
from tests.waiting import until

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


def through_core_of(lab: Lab, **body: Any) -> httpx.Response:
    url = f"{lab.cytomine.base_url}/api/imageinstance/{lab.image}/sam/propose"
    return httpx.post(url, json=body, headers=bearer(lab.alice), timeout=60, trust_env=False)


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
    assert found_discs(found) >= 5  # tiles at the model's own scale cut some of them
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


def ring(lab: Lab, *which: int) -> list[int]:
    return [lab.draw(DISCS[at]) for at in which]


@pytest.mark.parametrize("way", ["service", "core"])
def test_from_two_discs_all_the_others_are_found(lab: Lab, way: str) -> None:
    like = ring(lab, 0, 7)
    answer = from_service(lab, like=like) if way == "service" else through_core(lab, lab.alice, like=like)
    found, last = lines(answer)
    assert found_discs(found) >= 0.8 * (len(DISCS) - 2)
    assert len(found) <= len(DISCS) + 2
    assert all(0 <= each["properties"]["likeness"] <= 1 for each in found)
    assert last["done"]


def test_an_annotation_is_a_region(lab: Lab) -> None:
    region = lab.draw(shapely.box(880, 20, 1190, HEIGHT - 20))
    like = ring(lab, 0)
    found, _ = lines(through_core_of(lab, annotation_id=region, like=like))
    assert 5 <= found_discs(found) <= 10
    other = lab.cytomine.store.add_image(lab.project, lab.alice.id, "discs.png", WIDTH, HEIGHT)
    url = f"{lab.cytomine.base_url}/api/imageinstance/{other}/sam/propose"
    answer = httpx.post(url, json={"annotation_id": region}, headers=bearer(lab.alice), timeout=60, trust_env=False)
    assert answer.status_code == 422


def test_an_exemplar_that_the_caller_may_not_see_shows_nothing(lab: Lab) -> None:
    project = lab.cytomine.store.add_project("somebody else's")
    owner = lab.cytomine.store.add_user("owner")
    image = lab.cytomine.store.add_image(project, owner.id, "discs.png", WIDTH, HEIGHT)
    hidden = lab.cytomine.store.add_annotation(image, owner.id, DISCS[0].wkt)
    assert from_service(lab, like=[hidden]).status_code == 403


def test_pixels_that_fail_in_the_middle_are_the_last_line_through_core_too(lab: Lab) -> None:
    fault = Fault("status", path="/window", skip=5, times=None, status=500)
    lab.cytomine.faults.add(fault)
    _, last = lines(through_core(lab, lab.alice))
    assert last["done"] is False
    assert last["problem"]["status"] == 502


def test_whoever_hangs_up_stops_the_work(lab: Lab) -> None:
    asked = {"geometry": feature(REGION)}
    url = f"{lab.cytomine.base_url}/api/imageinstance/{lab.image}/sam/propose"
    with httpx.stream("POST", url, json=asked, headers=bearer(lab.alice), timeout=60, trust_env=False) as answer:
        first = next(part for part in answer.iter_text() if "{" in part)
        tiles = json.loads(first.strip().splitlines()[0])["properties"]["tiles"]
    figures = f"{lab.service_url}/metrics"
    wanted = re.compile('outcome="gone",.*use_case="propose"')  # on Ray the replica is named between them
    until(lambda: wanted.search(httpx.get(figures, trust_env=False).text), "the end of work for nobody")
    assert sum("/window" in path for path in (seen.path for seen in lab.cytomine.faults.requests)) < tiles + 1


def test_the_deadline_ends_it_with_what_there_is(lab: Lab) -> None:
    settings = settings_for(lab.cytomine).model_copy(update={"propose": ProposeSettings(deadline_s=0.01)})
    with serving(settings) as url:
        asked = {"image_id": lab.image, "geometry": feature(REGION)}
        answer = httpx.post(f"{url}/sam/propose", json=asked, headers=bearer(lab.alice), timeout=60, trust_env=False)
    assert answer.status_code == 503  # not even the first tile came in time
    assert answer.headers["retry-after"]
