"""How Core writes its answers: types, pages, problems, and the shapes of its objects."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
import shapely
from PIL import Image
from shapely import affinity

from demo.cytomine.store import Mask
from tests.demo.conftest import Core
from tests.lab import BOX, Lab

LATIN = "text/plain;charset=ISO-8859-1"
CLASS = "be.cytomine.domain.ontology.UserAnnotation"


def test_a_401_is_a_page_under_the_type_asked_for_and_opens_a_session(lab: Lab, core: Core) -> None:
    for accept, given in (("application/json, */*", "application/json"), ("*/*", LATIN)):
        for method, path in (("GET", "api/user/current.json"), ("PUT", "api/annotation/1.json")):
            answer = core.call(None, method, path, headers={"accept": accept})
            assert (answer.status_code, answer.headers["content-type"]) == (401, given)
            assert answer.text.startswith("<html>")
            assert "Cytomine error 401" in answer.text
            assert answer.headers["set-cookie"].startswith("JSESSIONID=")
    assert "set-cookie" not in core.call(lab.alice, "GET", "api/user/current.json").headers


def test_a_500_is_a_page_under_the_type_asked_for(lab: Lab, core: Core) -> None:
    path = f"api/imageinstance/{lab.image}/annotation/included.json?annotation={lab.draw(BOX)}"
    answer = core.call(lab.alice, "GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    assert "Cytomine error 500" in answer.text


def test_commands_are_answered_in_latin_1_to_whoever_takes_anything(lab: Lab, core: Core) -> None:
    image = lab.cytomine.store.add_image(lab.project, lab.alice.id, "discs.png", 1200, 900, microns=0.5)
    body = {"location": BOX.wkt, "image": image}
    made = core.call(lab.alice, "POST", "api/annotation.json", body, headers={"accept": "*/*"})
    assert (made.status_code, made.headers["content-type"]) == (200, LATIN)
    assert b'"areaUnit": "micron\xb2"' in made.content
    asked = core.call(lab.alice, "POST", "api/annotation.json", body)
    assert (asked.headers["content-type"], asked.json()["annotation"]["areaUnit"]) == ("application/json", "micron²")
    refused = core.call(lab.alice, "POST", "api/annotation.json", {"image": image}, headers={"accept": "*/*"})
    assert (refused.status_code, refused.headers["content-type"]) == (400, LATIN)
    read = core.call(lab.alice, "GET", "api/user/current.json", headers={"accept": "*/*"})
    assert read.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "api/annotation/abc.json", 400, "Failed to convert 'id' with value: 'abc'"),
        ("GET", "api/annotation/5/comment.json", 404, "No endpoint GET /api/annotation/5/comment.json."),
        ("GET", "api/userannotation/5/property.json", 404, "No endpoint GET /api/userannotation/5/property.json."),
        ("PATCH", "api/annotation/5.json", 405, "Method 'PATCH' is not supported."),
    ],
)
def test_problems_of_the_framework(core: Core, lab: Lab, method: str, path: str, status: int, detail: str) -> None:
    answer = core.call(lab.alice, method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    title = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}[status]
    common = {"type": "about:blank", "title": title, "status": status}
    assert answer.json() == {**common, "detail": detail, "instance": f"/{path}"}


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "api/annotation/99999999.json", "Annotation 99999999 not found"),
        ("DELETE", "api/annotation/99999999.json", "Annotation 99999999 not found"),
        ("GET", "api/imageinstance/99999999.json", "ImageInstance 99999999 not found"),
        ("GET", "api/command/99999999/undo.json", "Command 99999999 not found"),
        ("GET", f"api/domain/{CLASS}/99999999/property.json", f"{CLASS} 99999999 not found"),
        (
            "GET",
            f"api/domain/{CLASS}/99999999/description.json",
            f"ACL error: class {CLASS} with id 99999999 was not found! Unable to process auth checking",
        ),
        ("GET", "api/userkey/nope/keys.json", "User {publicKey=nope} not found"),
    ],
)
def test_what_is_not_there(lab: Lab, core: Core, method: str, path: str, message: str) -> None:
    answer = core.call(lab.alice, method, path)
    assert (answer.status_code, answer.json()) == (404, {"errors": {"message": message}, "errorValues": {}})


def test_a_body_that_is_no_json(lab: Lab, core: Core) -> None:
    number = lab.draw(BOX)
    signed = {"content-type": "application/json"}
    for text in (b"{", b"[1]"):
        answer = httpx.put(f"{core.url}/api/annotation/{number}.json", content=text, headers=signed, trust_env=False)
        assert answer.status_code == 401  # who asks comes first
    answer = core.call(lab.alice, "PUT", f"api/annotation/{number}.json", [1])
    message = "The body cannot be parsed, is the body content in the good format?"
    assert (answer.status_code, answer.json()) == (400, {"errors": {"message": message}})


def test_the_shape_of_a_project(lab: Lab, core: Core) -> None:
    lab.draw(BOX)
    project = core.call(lab.alice, "GET", f"api/project/{lab.project}.json").json()
    assert "mode" not in project
    assert (project["isClosed"], project["isReadOnly"], project["isRestricted"]) == (False, False, False)
    assert (project["numberOfImages"], project["numberOfAnnotations"]) == (1, 1)
    assert isinstance(project["ontologyName"], str)


def test_the_shape_of_users_and_members(lab: Lab, core: Core) -> None:
    me = core.call(lab.alice, "GET", "api/user/current.json").json()
    assert me["privateKey"] == lab.alice.private_key
    assert (me["updated"], me["origin"]) == (me["created"], "BOOTSTRAP")
    other = core.call(lab.alice, "GET", f"api/user/{lab.bob.id}.json").json()
    assert not {"privateKey", "publicKey", "email", "passwordExpired"} & set(other)
    assert (other["admin"], other["user"], other["guest"]) == (False, True, False)
    members = core.call(lab.alice, "GET", f"api/project/{lab.project}/user.json").json()["collection"]
    assert {each["username"]: each["role"] for each in members} == {
        "alice": "contributor",
        "bob": "contributor",
        "refine-service": "manager",
    }
    assert all(not {"privateKey", "publicKey", "email"} & set(each) for each in members)


def test_the_shape_of_images_slices_and_terms(lab: Lab, core: Core) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    image = core.call(lab.alice, "GET", f"api/imageinstance/{lab.image}.json").json()
    assert image["updated"] == image["created"] is not None
    (place,) = core.call(lab.alice, "GET", f"api/imageinstance/{lab.image}/sliceinstance.json").json()["collection"]
    assert {"created", "updated", "mime", "rank", "channelName", "channelColor", "zName", "uploadedFile"} <= set(place)
    (listed,) = core.call(lab.alice, "GET", f"api/project/{lab.project}/imageinstance.json").json()["collection"]
    assert (listed["projectBlind"], isinstance(listed["projectName"], str)) == (False, True)
    assert {"comment", "parent", "updated"} <= set(core.call(lab.alice, "GET", f"api/term/{term}.json").json())


def test_blind_projects_name_images_by_number(lab: Lab, core: Core) -> None:
    store = lab.cytomine.store
    project = store.add_project("blind names", blind=True)
    store.add_member(project, lab.alice.id, Mask.WRITE)
    image: dict[str, Any] = core.call(
        lab.alice, "GET", f"api/imageinstance/{store.add_image(project, lab.alice.id, 'discs.png', 1200, 900)}.json"
    ).json()
    assert (image["blindedName"], image["filename"], image["fullPath"]) == (str(image["baseImage"]), None, None)


def test_included_annotations_tell_their_terms(lab: Lab, core: Core) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    box, point = lab.draw(BOX), lab.point(500, 300, terms=(term,))
    path = f"api/imageinstance/{lab.image}/annotation/included.json?annotation={box}&user={lab.alice.id}&showMeta=true"
    (row,) = core.call(lab.alice, "GET", path).json()["collection"]
    assert (row["id"], row["term"]) == (point, [term])


def test_an_empty_list_has_no_page(lab: Lab, core: Core) -> None:
    empty = core.call(lab.alice, "GET", f"api/annotation.json?image={lab.image}").json()
    assert empty == {"collection": [], "offset": 0, "perPage": 0, "size": 0, "totalPages": 0}


def size_of(answer: httpx.Response) -> tuple[int, int]:
    """Give width and height of an image that was sent."""
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as image:
        return image.size


def test_crops_are_of_a_simplified_shape_unless_all_of_it_is_asked_for(lab: Lab, core: Core) -> None:
    number = lab.draw(affinity.rotate(shapely.Point(500, 300).buffer(25, quad_segs=60), 22.5))
    for name in ("annotation", "userannotation"):
        path = f"api/{name}/{number}/crop.png"
        whole = size_of(core.call(lab.alice, "GET", f"{path}?complete=true"))
        plain = size_of(core.call(lab.alice, "GET", path))
        assert whole in {(50, 50), (51, 51)}
        assert 44 < min(plain) < 50
    assert core.call(lab.cytomine.store.add_user("an outsider"), "GET", path).status_code == 403


def test_drawings_are_squared_crops_are_not(lab: Lab, core: Core) -> None:
    path = f"api/annotation/{lab.draw(shapely.box(400, 300, 500, 340))}/crop.png"
    assert size_of(core.call(lab.alice, "GET", f"{path}?square=true")) == (100, 40)
    assert size_of(core.call(lab.alice, "GET", f"{path}?square=true&draw=true")) == (100, 100)
