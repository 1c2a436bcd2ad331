"""Core's refusals, rights and signatures, by their exact statuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import requests
import shapely

from demo.cytomine.identity import sign
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, Role, Store, User
from tests.demo.conftest import Core
from tests.lab import BOX, DISC_X, DISC_Y, Lab

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
        ({"location": "POLYGON ((-90 -90, -80 -90, -80 -80, -90 -90))"}, 200),
        ({"location": "POLYGON ((2000 10, 2100 10, 2100 90, 2000 10))"}, 400),
        ({"location": "MULTILINESTRING ((1 1, 2 2), (3 3, 4 5))"}, 400),
        ({"id": "abc"}, 500),
        ({"image": None}, 500),
        ({"image": 10**9}, 400),
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
        assert answer.text.startswith("<html>")
        assert answer.headers["content-type"] == "application/json"
    elif status != 200:
        assert answer.json()["success"] is False
        assert isinstance(answer.json()["errors"], str)
    assert (lab.location(number) == BOX.wkt) == (status != 200 or "created" in change)


TEXTS = [
    ({"id": None}, "class be.cytomine.domain.ontology.UserAnnotation null not found"),
    ({"id": 10**9}, f"class be.cytomine.domain.ontology.UserAnnotation {10**9} not found"),
    ({"location": "POLYGON ((10 10, 60 10"}, "Annotation location is not valid"),
    ({"location": "POLYGON ((0 0, 9 9, 9 0, 0 9, 0 0))"}, "Annotation location is not valid"),
    ({"location": "POLYGON EMPTY"}, "POLYGON EMPTY is an empty geometry!"),
    ({"location": "MULTILINESTRING ((1 1, 2 2), (3 3, 4 5))"}, "MultiLineString is not a valid geometry type!"),
    ({"location": "GEOMETRYCOLLECTION (POINT (1 1))"}, "GeometryCollection is not a valid geometry type!"),
    ({"image": 10**9}, "Annotation not associated with a valid image"),
    ({"slice": None}, "slice was not found with id: null"),
    ({"user": 10**9}, f"user was not found with id: {10**9}"),
]


@pytest.mark.parametrize(("change", "text"), TEXTS, ids=str)
def test_what_a_refused_update_says(lab: Lab, core: Core, change: dict[str, Any], text: str) -> None:
    number = lab.draw(BOX)
    body = {**record_of(core, lab.alice, number), **change}
    answer = core.call(lab.alice, "PUT", f"api/annotation/{number}.json", body)
    assert answer.json() == {"success": False, "errors": text, "errorValues": {}}


def test_an_update_needs_the_number_of_its_path_too(lab: Lab, core: Core) -> None:
    body = {**record_of(core, lab.alice, lab.draw(BOX)), "location": MOVED}
    answer = core.call(lab.alice, "PUT", "api/annotation/1.json", body)
    assert (answer.status_code, answer.json()) == (
        404,
        {"errors": {"message": "Annotation 1 not found"}, "errorValues": {}},
    )


def test_filling_goes_by_the_path_and_what_is_stored(lab: Lab, core: Core) -> None:
    ring = BOX.difference(shapely.Point(DISC_X, DISC_Y).buffer(20))
    number, line = lab.draw(ring), lab.draw("LINESTRING (5 5, 9 9)")
    answer = core.call(lab.alice, "PUT", f"api/annotation/{number}.json?fill=true", {"id": number})
    assert (answer.status_code, answer.json()["annotation"]["id"]) == (200, number)
    assert shapely.from_wkt(lab.location(number)).equals(BOX)
    refused = core.call(lab.alice, "PUT", f"api/annotation/{line}.json?fill=true", {})
    assert (refused.status_code, type(refused.json()["errors"])) == (400, dict)


def test_an_update_on_a_condition(lab: Lab, core: Core) -> None:
    number = lab.draw(BOX)
    before = record_of(core, lab.alice, number)
    path, body = f"api/annotation/{number}.json", {**before, "location": MOVED}
    for condition, status in (('"1"', 412), ("nonsense", 412), (f'"{before["updated"]}"', 200)):
        answer = core.call(lab.alice, "PUT", path, body, headers={"If-Match": condition})
        assert answer.status_code == status
        assert (lab.location(number) == MOVED) == (status == 200)
    again = core.call(lab.alice, "PUT", path, body, headers={"If-Match": f'"{before["updated"]}"'})
    assert (again.status_code, again.json()["success"]) == (412, False)


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
    assert shapely.get_num_coordinates(shapely.from_wkt(made["annotation"]["location"])) <= 1204 / 1.3


def test_simplification_takes_a_quarter_of_a_pixel_more_each_time(lab: Lab, core: Core) -> None:
    angles = np.linspace(0, 2 * np.pi, 399, endpoint=False)
    radii = 100 + 3 * np.sin(20 * angles)
    ring = np.column_stack([400 + radii * np.cos(angles), 400 + radii * np.sin(angles)])
    made = core.call(
        lab.alice, "POST", "api/annotation.json", {"location": shapely.Polygon(ring).wkt, "image": lab.image}
    ).json()["annotation"]
    assert made["geometryCompression"] == 0.25
    assert 100 <= shapely.get_num_coordinates(shapely.from_wkt(made["location"])) < 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"location": "POINT (5 5)"}, 200),
        ({"location": "LINESTRING (5 5, 5 9)"}, 200),
        ({"location": "MULTIPOINT (5 5, 5 9)"}, 400),
        ({"location": "POLYGON ((0 0, 9 9, 9 0, 0 9, 0 0))"}, 400),
        ({"location": "POLYGON ((10 10, 60 10, 60 50, 20 20))"}, 400),
        ({"location": None}, 400),
        ({"location": "POLYGON ((-90 -90, -10 -90, -10 -10, -90 -90))"}, 200),
        ({"location": "POLYGON ((2000 10, 2100 10, 2100 90, 2000 10))"}, 400),
        ({"location": "POLYGON ((10 10, 10.5 10, 10.5 60, 10 10))"}, 400),
        ({"location": MOVED, "image": 10**9}, 404),
        ({"location": MOVED, "image": None}, 400),
        ({"location": MOVED, "term": [10**9]}, 404),
        (5, 400),
    ],
    ids=str,
)
def test_create(lab: Lab, core: Core, body: Any, status: int) -> None:
    with_image = {"image": lab.image, **body} if isinstance(body, dict) else body
    answer = core.call(lab.alice, "POST", "api/annotation.json", with_image)
    assert answer.status_code == status, answer.text
    assert len(lab.cytomine.store.annotation_ids(lab.image)) == (status == 200)


def test_a_shape_wholly_outside_leaves_the_point_in_which_it_touches(lab: Lab, core: Core) -> None:
    body = {"location": "POLYGON ((-90 -90, -10 -90, -10 -10, -90 -90))", "image": lab.image}
    made = core.call(lab.alice, "POST", "api/annotation.json", body).json()["annotation"]
    assert (made["location"], made["area"]) == ("POINT (-10 -10)", 0)


def test_a_list_of_new_annotations_is_answered_with_200(lab: Lab, core: Core) -> None:
    good, bad = {"location": MOVED, "image": lab.image}, {"location": "no", "image": lab.image}
    both = core.call(lab.alice, "POST", "api/annotation.json", [good, good])
    first, second = lab.cytomine.store.annotation_ids(lab.image)
    assert both.json() == {"data": {"message": f"userannotations {first},{second} added"}, "status": 200}
    mixed = core.call(lab.alice, "POST", "api/annotation.json", [good, bad])
    assert (mixed.status_code, mixed.text) == (200, "invalid json string")
    assert len(lab.cytomine.store.annotation_ids(lab.image)) == 3
    told = core.call(lab.alice, "POST", "api/annotation.json", [{"image": lab.image}]).json()
    assert (told["status"], told["data"]["message"]) == (400, "No entry saved")


def test_a_new_annotation_was_updated_when_it_was_created(lab: Lab, core: Core) -> None:
    body = {"location": MOVED, "image": lab.image}
    made = core.call(lab.alice, "POST", "api/annotation.json", body).json()["annotation"]
    assert made["updated"] == made["created"] is not None
    (row,) = core.call(lab.alice, "GET", f"api/annotation.json?image={lab.image}").json()["collection"]
    assert (row["updated"], type(row["updated"])) == (float(made["updated"]), float)


def test_restricted_projects_let_owners_delete_points_with_others_terms(lab: Lab, core: Core) -> None:
    store = lab.cytomine.store
    project = store.add_project("restricted terms", restricted=True)
    store.add_member(project, lab.alice.id, Mask.WRITE)
    store.add_member(project, lab.account.id, Mask.ADMINISTRATION)
    lab.image = store.add_image(project, lab.alice.id, "discs.png", 1200, 900)
    number, term = lab.point(5, 5), store.add_term(project, "gland")
    body = {"userannotation": number, "term": term}
    set_by_manager = core.call(lab.account, "POST", f"api/annotation/{number}/term/{term}.json", body)
    assert set_by_manager.status_code == 200
    assert core.call(lab.alice, "DELETE", f"api/annotation/{number}.json").status_code == 200
    assert lab.location(number) is None


def test_nobody_but_managers_draws_for_others_in_restricted_projects(lab: Lab, core: Core) -> None:
    store = lab.cytomine.store
    project = store.add_project("restricted layers", restricted=True)
    store.add_member(project, lab.alice.id, Mask.WRITE)
    store.add_member(project, lab.account.id, Mask.ADMINISTRATION)
    image = store.add_image(project, lab.alice.id, "discs.png", 1200, 900)
    body = {"location": MOVED, "image": image, "user": lab.bob.id}
    assert core.call(lab.alice, "POST", "api/annotation.json", body).status_code == 403
    assert core.call(lab.account, "POST", "api/annotation.json", body).status_code == 200


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
        assert answer.text.startswith("<html>")
    other = httpx.get(f"{core.url}{path}?{query}&max=1", headers=headers, trust_env=False)
    assert other.status_code == 401  # the query is signed too


def test_the_short_signature_of_2026(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path, signature="short") as cytomine:
        user = cytomine.store.add_user("alice")
        for text, status in (("GET\n\n\nnow", 200), ("GET\n\n\nnow\n/api/user/current.json", 401)):
            headers = {"date": "now", "authorization": f"CYTOMINE {user.public_key}:{sign(user.private_key, text)}"}
            answer = httpx.get(f"{cytomine.base_url}/api/user/current.json", headers=headers, trust_env=False)
            assert answer.status_code == status


def test_core_of_2026_fails_to_list_tags_unless_an_administrator_asks(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path, signature="short") as cytomine:
        store = cytomine.store
        alice, root = store.add_user("alice"), store.add_user("root", role=Role.SUPER_ADMIN)
        project = store.add_project("tags")
        store.add_member(project, alice.id, Mask.WRITE)
        image = store.add_image(project, alice.id, "discs.png", 100, 100)
        point = store.add_annotation(image, alice.id, "POINT (5 5)")
        path = f"/api/domain/be.cytomine.domain.ontology.UserAnnotation/{point}/tag_domain_association.json"
        for user, status in ((alice, 500), (root, 200)):
            signed = sign(user.private_key, "GET\n\n\nnow")
            headers = {"date": "now", "authorization": f"CYTOMINE {user.public_key}:{signed}"}
            assert httpx.get(f"{cytomine.base_url}{path}", headers=headers, trust_env=False).status_code == status


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
    refused = httpx.post(f"{core.url}/api/annotation.json", headers=short, json={}, trust_env=False)
    assert (refused.status_code, refused.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "HTTP Status 500" in refused.text
    assert httpx.get(me, headers={"Authorization": "Bearer x.y.z"}, trust_env=False).status_code == 401
    wrong = {**login, "password": "no"}
    assert httpx.post(f"{core.url}/api/authenticate", json=wrong, trust_env=False).status_code == 400
    wrong = {**login, "password": "another"}
    assert httpx.post(f"{core.url}/api/authenticate", json=wrong, trust_env=False).status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"project": 10**9}, 404),
        ({"image": 10**9}, 500),
        ({"bbox": "POLYGON ((0 0"}, 500),
        ({"bbox": "nonsense"}, 500),
        ({"user": 10**9}, 404),
        ({"image": "x"}, 500),
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


def test_data_of_an_older_demo_are_kept(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "cytomine.sqlite") as old:
        old.executescript(
            """
            CREATE TABLE commands (id INTEGER PRIMARY KEY, user INTEGER, kind TEXT, annotation INTEGER, stack TEXT);
            CREATE TABLE annotation_terms (
              id INTEGER PRIMARY KEY, annotation INTEGER, term INTEGER, user INTEGER, UNIQUE (annotation, term, user));
            CREATE TABLE annotations (
              id INTEGER PRIMARY KEY, kind TEXT, image INTEGER, slice INTEGER, project INTEGER, user INTEGER,
              location TEXT, compression REAL, created INTEGER, updated INTEGER);
            INSERT INTO annotations VALUES (7, 'user', 1, 1, 1, 1, 'POINT (1 1)', 0, 5, NULL);
            """
        )
    old.close()
    for _ in range(2):
        store = Store(tmp_path / "cytomine.sqlite")
        assert store.location(7) == "POINT (1 1)"
        with store.transaction() as db:
            assert db.execute("SELECT updated FROM annotations").fetchone()[0] == 5
            assert db.execute("SELECT verb, created FROM commands, annotation_terms").fetchall() == []
