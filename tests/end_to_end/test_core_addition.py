"""The whole way: Core's addition, the service, Core and PIMS, with the caller's own rights."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import shapely

from demo.cytomine.identity import Identity, sign
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import User
from tests.lab import BOX, DISC_X, DISC_Y, Lab, settle, with_addition

JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"
DATE = "Mon, 23 Nov 2026 03:31:54 +0000"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), JWT_SECRET) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Lab:
    return settle(whole[0], request.node.nodeid, whole[1])


def bearer(user: User) -> dict[str, str]:
    token = Identity("full", JWT_SECRET).token(user.username, "ROLE_USER", "SESSION", 600)
    return {"authorization": f"Bearer {token}"}


def press(lab: Lab, path: str, headers: dict[str, str], **sent: object) -> httpx.Response:
    url = f"{lab.cytomine.base_url}{path}"
    return httpx.post(url, headers=headers, timeout=60, trust_env=False, **sent)  # type: ignore[arg-type]


def test_the_button_moves_the_outline_onto_the_object(lab: Lab) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    answer = press(lab, f"/api/annotation/{annotation}/sam", bearer(lab.alice))
    body = answer.json()
    assert answer.status_code == 200, body
    assert lab.iou(annotation) > 0.8
    assert shapely.from_wkt(body["annotation"]["location"]).equals(shapely.from_wkt(lab.location(annotation)))
    assert body["annotation"]["id"] == annotation
    assert body["command"] == body["refinement"]["command"]
    assert body["refinement"]["points_deleted"] == [point]
    undo = f"{lab.cytomine.base_url}/api/command/{body['command']}/undo.json"
    assert httpx.get(undo, headers=bearer(lab.alice), trust_env=False).status_code == 200
    assert lab.location(annotation) == BOX.wkt


def test_options_travel_in_the_query_or_the_body(lab: Lab) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    dry = press(lab, f"/api/annotation/{annotation}/sam.json?dryRun=true", bearer(lab.alice)).json()
    assert not dry["refinement"]["changed"]
    assert lab.location(annotation) == BOX.wkt
    kept = press(lab, f"/api/annotation/{annotation}/sam", bearer(lab.alice), json={"keepPoints": True}).json()
    assert kept["refinement"]["points_deleted"] == []
    assert lab.location(point) is not None
    wrong = press(lab, f"/api/annotation/{annotation}/sam?keepPoints=perhaps", bearer(lab.alice))
    assert wrong.status_code == 400


def test_who_signs_with_keys_acts_as_themselves(lab: Lab) -> None:
    annotation = lab.draw(BOX, by=lab.bob)
    path = f"/api/annotation/{annotation}/sam"
    signature = sign(lab.bob.private_key, f"POST\n\n\n{DATE}\n{path}")
    headers = {"authorization": f"CYTOMINE {lab.bob.public_key}:{signature}", "date": DATE}
    answer = press(lab, path, headers)
    assert answer.status_code == 200, answer.text
    undo = f"{lab.cytomine.base_url}/api/command/undo.json"
    assert httpx.get(undo, headers=bearer(lab.bob), trust_env=False).status_code == 200
    assert lab.location(annotation) == BOX.wkt


def test_problems_of_the_service_pass_unchanged(lab: Lab) -> None:
    answer = press(lab, f"/api/annotation/{lab.draw('LINESTRING (1 1, 40 40)')}/sam", bearer(lab.alice))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


def test_rights_come_first(lab: Lab) -> None:
    annotation, stranger = lab.draw(BOX), lab.cytomine.store.add_user("stranger")
    assert press(lab, f"/api/annotation/{annotation}/sam", {}).status_code == 401
    assert press(lab, f"/api/annotation/{annotation}/sam", bearer(stranger)).status_code == 403
    assert press(lab, "/api/annotation/999999999/sam", bearer(lab.alice)).status_code == 404
    assert lab.location(annotation) == BOX.wkt


def test_a_service_that_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("alone")
    with EmbeddedCytomine(folder, jwt_secret=JWT_SECRET, refine_url="http://127.0.0.1:9/sam") as alone:
        lab = settle(alone, "alone", "")
        answer = press(lab, f"/api/annotation/{lab.draw(BOX)}/sam", bearer(lab.alice))
    assert answer.status_code == 502
    assert answer.json()["title"] == "Refine service unreachable"
