"""Core's refusals, rights and signatures, by their exact statuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import shapely

from demo.cytomine.identity import sign
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, Role, User
from tests.demo.conftest import Core
from tests.lab import BOX, Lab

MOVED = "POLYGON ((10 10, 60 10, 60 50, 10 10))"


def record_of(core: Core, user: User, number: int) -> dict[str, Any]:
    """Read an annotation as it is put back."""
    found: dict[str, Any] = core.call(user, "GET", f"api/annotation/{number}.json").json()
    return found


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"location": MOVED}, 200),
        ({"id": None}, 404),
        ({"id": 10**9}, 404),
        ({"location": "POLYGON ((10 10, 60 10"}, 400),
        ({"location": "POLYGON ((0 0, 9 9, 9 0, 0 9, 0 0))"}, 400),
        ({"location": "POLYGON ((10 10, 60 10, 60 50, 20 20))"}, 500),
        ({"location": None}, 500),
        ({"location": "POLYGON EMPTY"}, 400),
        ({"location": "GEOMETRYCOLLECTION (POINT (1 1))"}, 400),
        ({"location": "POLYGON ((-90 -90, -80 -90, -80 -80, -90 -90))"}, 400),
        ({"image": None}, 400),
        ({"slice": None}, 400),
        ({"user": None}, 400),
        ({"user": 10**9}, 400),
        ({"location": "POINT (5 5)"}, 200),
        ({"location": "LINESTRING (5 5, 9 9)"}, 200),
        ({"created": None}, 200),
    ],
    ids=str,
)
def test_update(lab: Lab, core: Core, change: dict[str, Any], status: int) -> None:
    number = lab.draw(BOX)
    body = {**record_of(core, lab.alice, number), **change}
    answer = core.call(lab.alice, "PUT", f"api/annotation/{number}.json", body)
    assert answer.status_code == status, answer.text
    if status == 500:
        assert "html" in answer.headers["content-type"]
    elif status != 200:
        assert answer.json()["success"] is False
        assert isinstance(answer.json()["errors"], str)
    assert (lab.location(number) == BOX.wkt) == (status != 200 or "created" in change)


def test_update_goes_by_the_id_of_the_body(lab: Lab, core: Core) -> None:
    first, second = lab.draw(BOX), lab.draw(BOX)
    body = {**record_of(core, lab.alice, second), "location": MOVED}
    assert core.call(lab.alice, "PUT", f"api/annotation/{first}.json", body).status_code == 200
    assert (lab.location(first), lab.location(second)) == (BOX.wkt, MOVED)


def test_update_clips_and_simplifies(lab: Lab, core: Core) -> None:
    number = lab.draw(BOX)
    over = {**record_of(core, lab.alice, number), "location": "POLYGON ((-50 0, 50 0, 50 40, -50 40, -50 0))"}
    answer = core.call(lab.alice, "PUT", f"api/annotation/{number}.json", over)
    assert shapely.from_wkt(lab.location(number)).equals(shapely.box(0, 0, 50, 40))
    assert answer.json()["annotation"]["area"] == 2000
    wavy = shapely.Point(300, 300).buffer(100)
    for compression, least, most in ((0.0, 60, 65), (10.0, 4, 20)):
        body = {**record_of(core, lab.alice, number), "location": wavy.wkt, "geometryCompression": compression}
        assert core.call(lab.alice, "PUT", f"api/annotation/{number}.json", body).status_code == 200
        assert least <= shapely.get_num_coordinates(shapely.from_wkt(lab.location(number))) <= most


def test_freehand_shapes_are_simplified_when_made(lab: Lab, core: Core) -> None:
    wavy = shapely.Point(300, 300).buffer(100, quad_segs=300)
    made = core.call(lab.alice, "POST", "api/annotation.json", {"location": wavy.wkt, "image": lab.image}).json()
    assert made["annotation"]["geometryCompression"] > 0
    assert shapely.get_num_coordinates(shapely.from_wkt(made["annotation"]["location"])) <= 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"location": "POINT (5 5)"}, 200),
        ({"location": "LINESTRING (5 5, 5 9)"}, 200),
        ({"location": "MULTIPOINT (5 5, 5 9)"}, 400),
        ({"location": "POLYGON ((0 0, 9 9, 9 0, 0 9, 0 0))"}, 400),
        ({"location": MOVED, "image": 10**9}, 400),
        ({"location": MOVED, "term": [10**9]}, 400),
        ([{"location": MOVED}, {"location": "no"}], 206),
        ([{"location": "no"}], 400),
        (5, 400),
    ],
    ids=str,
)
def test_create(lab: Lab, core: Core, body: Any, status: int) -> None:
    with_image: Any = body
    if isinstance(body, dict):
        with_image = {"image": lab.image, **body}
    elif isinstance(body, list):
        with_image = [{"image": lab.image, **each} for each in body]
    assert core.call(lab.alice, "POST", "api/annotation.json", with_image).status_code == status


MODES = {"CLASSIC": {}, "RESTRICTED": {"restricted": True}, "READ_ONLY": {"read_only": True}}
MAY_EDIT = [
    ("CLASSIC", "member", 200), ("CLASSIC", "owner", 200), ("CLASSIC", "manager", 200), ("CLASSIC", "super", 200),
    ("RESTRICTED", "member", 403), ("RESTRICTED", "owner", 200), ("RESTRICTED", "manager", 200),
    ("RESTRICTED", "super", 200), ("READ_ONLY", "member", 403), ("READ_ONLY", "owner", 403),
    ("READ_ONLY", "manager", 200), ("READ_ONLY", "super", 200), ("CLASSIC", "stranger", 403),
    ("CLASSIC", "admin", 403),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "who", "status"), MAY_EDIT)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_who_may_edit(lab: Lab, core: Core, mode: str, who: str, status: int, method: str) -> None:
    store = lab.cytomine.store
    project = store.add_project(f"{mode} {who} {method}", **MODES[mode])
    users = {
        "owner": lab.alice,
        "member": lab.bob,
        "manager": store.add_user("the manager"),
        "super": store.add_user("superadmin", role=Role.SUPER_ADMIN),
        "stranger": store.add_user("a stranger"),
        "admin": store.add_user("admin", role=Role.ADMIN),
    }
    for name, mask in (("owner", Mask.WRITE), ("member", Mask.WRITE), ("manager", Mask.ADMINISTRATION)):
        store.add_member(project, users[name].id, mask)
    lab.image = store.add_image(project, lab.alice.id, "discs.png", 1200, 900)
    number = lab.draw(BOX)
    body = {**record_of(core, users["super"], number), "location": MOVED} if method == "PUT" else None
    assert core.call(users[who], method, f"api/annotation/{number}.json", body).status_code == status
    assert (lab.location(number) == BOX.wkt) == (status != 200)


def test_admin_sessions(lab: Lab, core: Core) -> None:
    admin = lab.cytomine.store.add_user("admin", role=Role.ADMIN)
    number = lab.draw(BOX)

    def session(verb: str) -> int:  # signed as a browser or a corrected client would
        date = "Mon, 23 Nov 2026 03:31:54 +0000"
        path = f"/session/admin/{verb}.json"
        text = f"GET\n\n\n{date}\n{path}"
        headers = {"date": date, "authorization": f"CYTOMINE {admin.public_key}:{sign(admin.private_key, text)}"}
        return requests.get(f"{core.url}{path}", headers=headers, timeout=20).status_code

    assert core.call(admin, "GET", f"api/annotation/{number}.json").status_code == 403
    assert session("open") == 200
    assert core.call(admin, "GET", f"api/annotation/{number}.json").status_code == 200
    assert core.call(admin, "GET", f"api/userkey/{lab.alice.public_key}/keys.json").json() == {
        "privateKey": lab.alice.private_key,
        "publicKey": lab.alice.public_key,
    }
    assert session("close") == 200
    assert core.call(admin, "GET", f"api/annotation/{number}.json").status_code == 403
    assert core.call(lab.bob, "GET", f"api/userkey/{lab.alice.public_key}/keys.json").status_code == 403


def test_blind_projects_hide_the_file(lab: Lab, core: Core) -> None:
    project = lab.cytomine.store.add_project("blind", blind=True)
    lab.cytomine.store.add_member(project, lab.alice.id, Mask.WRITE)
    lab.cytomine.store.add_member(project, lab.account.id, Mask.ADMINISTRATION)
    image = lab.cytomine.store.add_image(project, lab.alice.id, "discs.png", 1200, 900)
    assert core.call(lab.alice, "GET", f"api/imageinstance/{image}.json").json()["path"] is None
    assert core.call(lab.account, "GET", f"api/imageinstance/{image}.json").json()["path"] == "discs.png"


@pytest.mark.parametrize(
    ("content_type", "signed", "status"),
    [
        ("", "", 200),
        ("", "application/json", 200),
        ("application/json", "application/json", 200),
        ("application/json", "", 200),
        ("text/plain", "text/plain", 200),
        ("text/plain", "application/json", 401),
    ],
)
def test_signatures(lab: Lab, core: Core, content_type: str, signed: str, status: int) -> None:
    path, query, date = (
        "/api/annotation.json",
        f"image={lab.image}&bbox=POLYGON%28%280+0%2C9+0%2C9+9%2C0+0%29%29",
        "now",
    )
    text = f"GET\n\n{signed}\n{date}\n{path}?{query}"
    headers = {"date": date, "authorization": f"CYTOMINE {lab.alice.public_key}:{sign(lab.alice.private_key, text)}"}
    if content_type:
        headers["content-type"] = content_type
    answer = httpx.get(f"{core.url}{path}?{query}", headers=headers, trust_env=False)
    assert answer.status_code == status
    if status == 401:
        assert "html" in answer.headers["content-type"]
    other = httpx.get(f"{core.url}{path}?{query}&max=1", headers=headers, trust_env=False)
    assert other.status_code == 401  # the query is signed too


def test_the_short_signature_of_2026(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path, signature="short") as cytomine:
        user = cytomine.store.add_user("alice")
        for text, status in (("GET\n\n\nnow", 200), ("GET\n\n\nnow\n/api/user/current.json", 401)):
            headers = {"date": "now", "authorization": f"CYTOMINE {user.public_key}:{sign(user.private_key, text)}"}
            answer = httpx.get(f"{cytomine.base_url}/api/user/current.json", headers=headers, trust_env=False)
            assert answer.status_code == status


def test_browser_tokens(lab: Lab, core: Core) -> None:
    user = lab.cytomine.store.add_user("carol", password="a long password")
    login = {"username": "carol", "password": "a long password"}
    tokens = httpx.post(f"{core.url}/api/authenticate", json=login, trust_env=False).json()
    me = f"{core.url}/api/user/current.json"
    bearer = {"Authorization": f"Bearer {tokens['token']}"}
    assert httpx.get(me, headers=bearer, trust_env=False).json()["id"] == user.id
    by_query = httpx.get(me, params={"Authorization": f"Bearer {tokens['shortTermToken']}"}, trust_env=False)
    assert by_query.json()["id"] == user.id
    short = {"Authorization": f"Bearer {tokens['shortTermToken']}"}
    assert httpx.post(f"{core.url}/api/annotation.json", headers=short, json={}, trust_env=False).status_code == 403
    assert httpx.get(me, headers={"Authorization": "Bearer x.y.z"}, trust_env=False).status_code == 401
    wrong = {**login, "password": "another"}
    assert httpx.post(f"{core.url}/api/authenticate", json=wrong, trust_env=False).status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"project": 10**9}, 404),
        ({"image": 10**9}, 404),
        ({"bbox": "POLYGON ((0 0"}, 400),
        ({"user": 10**9}, 404),
        ({"image": "x"}, 400),
    ],
    ids=str,
)
def test_list_refusals(lab: Lab, core: Core, query: dict[str, Any], status: int) -> None:
    full = {"image": lab.image, **query} if set(query) <= {"bbox", "user"} and query else query
    text = "&".join(f"{name}={value}" for name, value in full.items()).replace(" ", "+")
    assert core.call(lab.alice, "GET", f"api/annotation.json?{text}").status_code == status


@pytest.mark.parametrize(
    ("query", "has_image", "has_location"),
    [
        ("", True, False),
        ("&showWKT=true", False, True),
        ("&showWKT=true&showDefault=true", True, True),  # as the web UI asks
        ("&showWKT=true&showDefault=true&hideMeta=true", False, True),
    ],
)
def test_the_columns_of_a_list(lab: Lab, core: Core, query: str, has_image: bool, has_location: bool) -> None:
    lab.draw(BOX)
    (row,) = core.call(lab.alice, "GET", f"api/annotation.json?image={lab.image}{query}").json()["collection"]
    assert ("image" in row, "location" in row) == (has_image, has_location)


def test_a_list_tells_the_links_that_are_asked_for(lab: Lab, core: Core) -> None:
    lab.draw(BOX)
    (row,) = core.call(lab.alice, "GET", f"api/annotation.json?image={lab.image}&showLink=true").json()["collection"]
    assert (row["group"], row["annotationLink"]) == (None, [])


def test_errors_by_their_origin(lab: Lab, core: Core) -> None:
    missing = core.call(lab.alice, "GET", "api/annotation/99999999.json")
    assert (missing.status_code, type(missing.json()["errors"])) == (404, dict)
    anonymous = httpx.get(f"{core.url}/api/user/current.json", trust_env=False)
    assert (anonymous.status_code, "html" in anonymous.headers["content-type"]) == (401, True)


def test_data_survive_a_restart(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path) as first:
        user = first.store.add_user("alice")
        project = first.store.add_project("p")
        image = first.store.add_image(project, user.id, "a.png", 10, 10)
        number = first.store.add_annotation(image, user.id, "POINT (1 1)")
    with EmbeddedCytomine(tmp_path) as second:
        assert second.store.location(number) == "POINT (1 1)"
        assert second.store.add_user("alice") == user
        assert second.store.add_annotation(image, user.id, "POINT (2 2)") > number


def test_an_annotation_has_no_tracks_and_no_links(core: Core, lab: Lab) -> None:
    number = lab.draw("POLYGON ((0 0, 9 0, 9 9, 0 0))")
    for kind in ("annotationtrack", "annotationlink"):
        answer = core.call(lab.alice, "GET", f"api/annotation/{number}/{kind}.json")
        assert answer.json()["collection"] == []
    assert core.call(lab.alice, "GET", "api/annotation/999999999/annotationtrack.json").status_code == 404
