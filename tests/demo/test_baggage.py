"""What hangs on annotations: its routes, and what becomes of it when its annotation is deleted and brought back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.demo.conftest import Core
from tests.lab import Lab

CLASS = "be.cytomine.domain.ontology.UserAnnotation"


def listed(core: Core, lab: Lab, path: str) -> list[dict[str, Any]]:
    """Read a list as alice."""
    answer = core.call(lab.alice, "GET", f"api/{path}.json")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["collection"]
    return found


def filtered(core: Core, lab: Lab, query: str) -> list[int]:
    """List the ids of annotations that a filter lets through."""
    answer = core.call(lab.alice, "GET", f"api/annotation.json?image={lab.image}&{query}")
    return [each["id"] for each in answer.json()["collection"]]


def undone(core: Core, lab: Lab, command: int, verb: str = "undo") -> list[dict[str, Any]]:
    """Undo or redo a command of alice."""
    return listed(core, lab, f"command/{command}/{verb}")


def test_tags(lab: Lab, core: Core) -> None:
    point = lab.point(5, 5)
    name = f"urgent {point}"
    tag = core.call(lab.alice, "POST", "api/tag.json", {"name": name}).json()["tag"]
    assert (tag["name"], tag["creatorName"]) == (name, "alice")
    body = {"tag": tag["id"], "domainClassName": CLASS, "domainIdent": point}
    path = f"domain/{CLASS}/{point}/tag_domain_association"
    made = core.call(lab.alice, "POST", f"api/{path}.json", body).json()
    assert made["message"] == f"TagDomainAssociation between {name} and {point} {CLASS} added"
    (association,) = listed(core, lab, path)
    assert association == made["tagdomainassociation"]
    assert (association["tagName"], association["domainIdent"]) == (name, point)
    untagged = lab.point(5, 5)
    untagged_alone = filtered(core, lab, "tags=0&noTag=true")
    assert untagged in untagged_alone
    assert point not in untagged_alone
    assert filtered(core, lab, f"tags={tag['id']}") == [point]
    twice = core.call(lab.alice, "POST", "api/tag_domain_association.json", body)
    assert (twice.status_code, twice.json()["success"]) == (400, False)
    assert core.call(lab.alice, "DELETE", f"api/tag_domain_association/{association['id']}.json").status_code == 200
    assert listed(core, lab, path) == []


def test_attached_files(lab: Lab, core: Core) -> None:
    point = lab.point(5, 5)
    query = f"domainIdent={point}&domainClassName={CLASS}"
    answer = core.call(lab.alice, "POST", f"api/attachedfile.json?{query}", files={"files[]": ("a/note.txt", b"seen")})
    made = answer.json()
    assert (answer.status_code, made["filename"], made["domainIdent"]) == (200, "note.txt", point)
    assert listed(core, lab, f"domain/{CLASS}/{point}/attachedfile") == [made]
    assert core.call(lab.alice, "GET", made["url"].lstrip("/")).content == b"seen"
    assert core.call(lab.alice, "DELETE", f"api/attachedfile/{made['id']}.json").status_code == 200
    assert listed(core, lab, f"domain/{CLASS}/{point}/attachedfile") == []


def test_tracks(lab: Lab, core: Core) -> None:
    point = lab.point(5, 5)
    track = core.call(lab.alice, "POST", "api/track.json", {"name": "cell 1", "color": "#fff", "image": lab.image})
    number = track.json()["track"]["id"]
    body = {"annotationIdent": point, "track": number}
    link = core.call(lab.alice, "POST", "api/annotationtrack.json", body).json()["annotationtrack"]
    assert (link["annotationIdent"], link["annotationClassName"], link["track"]) == (point, CLASS, number)
    assert listed(core, lab, f"annotation/{point}/annotationtrack") == [link]
    rows = core.call(lab.alice, "GET", f"api/annotation.json?image={lab.image}&showTrack=true").json()["collection"]
    assert [(each["track"], each["annotationTrack"]) for each in rows] == [
        ([number], [{"id": link["id"], "track": number}])
    ]
    assert core.call(lab.alice, "GET", "api/annotation/999999999/annotationtrack.json").status_code == 404
    assert core.call(lab.alice, "DELETE", f"api/annotationtrack/{point}/{number}.json").status_code == 200
    assert listed(core, lab, f"annotation/{point}/annotationtrack") == []


def test_links_are_those_of_the_group(lab: Lab, core: Core) -> None:
    one, two, alone = lab.point(5, 5), lab.point(6, 6), lab.point(7, 7)
    group = lab.cytomine.store.add_link([one, two])
    links = listed(core, lab, f"annotation/{one}/annotationlink")
    assert [(each["annotationIdent"], each["group"], each["image"]) for each in links] == [
        (one, group, lab.image),
        (two, group, lab.image),
    ]
    assert listed(core, lab, f"annotation/{alone}/annotationlink") == []
    assert listed(core, lab, "annotation/999999999/annotationlink") == []
    body = {"annotationIdent": alone, "group": group}
    assert core.call(lab.alice, "POST", "api/annotationlink.json", body).status_code == 200
    assert len(listed(core, lab, f"annotationgroup/{group}/annotationlink")) == 3
    assert core.call(lab.alice, "DELETE", f"api/annotationgroup/{group}/annotation/{alone}.json").status_code == 200
    assert len(listed(core, lab, f"annotation/{one}/annotationlink")) == 2


def test_descriptions(lab: Lab, core: Core) -> None:
    point = lab.point(5, 5)
    path, body = f"api/domain/{CLASS}/{point}/description.json", {"domainClassName": CLASS, "domainIdent": point}
    missing = core.call(lab.alice, "GET", path)
    text = f'Description {{"domainIdent":{point},"domainClassName":"{CLASS}"}} not found'
    assert (missing.status_code, missing.json()["errors"]) == (404, {"message": text})
    assert core.call(lab.alice, "POST", path, {**body, "data": "seen"}).status_code == 200
    assert core.call(lab.alice, "POST", path, {**body, "data": "again"}).status_code == 400
    assert core.call(lab.alice, "GET", path).json()["data"] == "seen"
    assert core.call(lab.alice, "DELETE", path).status_code == 200
    assert core.call(lab.alice, "GET", path).status_code == 404


def test_properties(lab: Lab, core: Core) -> None:
    point = lab.point(5, 5)
    path = f"domain/{CLASS}/{point}/property"
    made = core.call(lab.alice, "POST", f"api/{path}.json", {"key": "grade", "value": "2"}).json()
    assert (made["printMessage"], made["callback"]["method"]) == (True, "be.cytomine.AddPropertyCommand")
    assert listed(core, lab, path) == listed(core, lab, f"annotation/{point}/property") == [made["property"]]
    one = f"api/{path}/{made['property']['id']}.json"
    assert core.call(lab.bob, "PUT", one, {"key": "grade"}).status_code == 400
    edited = core.call(lab.alice, "PUT", one, {"key": "grade", "value": "3"}).json()
    assert [each["value"] for each in listed(core, lab, path)] == ["3"]
    assert core.call(lab.alice, "PUT", f"api/{path}/999999999.json", {"key": "a", "value": "b"}).status_code == 404
    undone(core, lab, edited["command"])
    assert listed(core, lab, path) == [made["property"]]
    undone(core, lab, made["command"])
    assert listed(core, lab, path) == []


def test_terms(lab: Lab, core: Core) -> None:
    term, point = lab.cytomine.store.add_term(lab.project, "gland"), lab.point(5, 5)
    path, body = f"api/annotation/{point}/term/{term}.json", {"userannotation": point, "term": term}
    made = core.call(lab.alice, "POST", path, body).json()
    assert made["message"] == f"Term gland is added to annotation {point}"
    assert made["callback"]["annotationtermID"] == str(made["annotationterm"]["id"])
    twice = core.call(lab.alice, "POST", path, body)
    assert (twice.status_code, type(twice.json()["errors"])) == (400, dict)
    assert "already exist!" in twice.json()["errors"]["message"]
    others = core.call(lab.bob, "DELETE", path)
    assert (others.status_code, type(others.json()["errors"])) == (404, str)
    assert core.call(lab.alice, "DELETE", path).json()["annotationterm"] == made["annotationterm"]
    foreign = lab.cytomine.store.add_term(lab.cytomine.store.add_project(f"other {point}"), "x")
    wrong = core.call(lab.alice, "POST", path, {"userannotation": point, "term": foreign})
    assert wrong.status_code == 400


def test_comments_are_at_user_annotations_only(lab: Lab, core: Core) -> None:
    point = lab.point(5, 5)
    made = core.call(lab.alice, "POST", f"api/userannotation/{point}/comment.json", {"comment": "look"})
    assert made.status_code == 200
    (comment,) = listed(core, lab, f"userannotation/{point}/comment")
    assert (comment["comment"], comment["sender"], comment["annotationIdent"]) == ("look", lab.alice.id, point)
    assert core.call(lab.alice, "GET", f"api/annotation/{point}.json").json()["nbComments"] == 1
    assert core.call(lab.alice, "GET", f"api/annotation/{point}/comment.json").status_code == 404


def test_a_deleted_point_comes_back_with_all_but_its_links(lab: Lab, core: Core) -> None:
    store, term = lab.cytomine.store, lab.cytomine.store.add_term(lab.project, "gland")
    point, other = lab.point(5, 5, terms=(term,)), lab.point(6, 6)
    store.add_property(point, "grade", "2")
    store.add_description(point, "seen")
    store.add_comment(point, lab.alice.id, "look")
    store.add_tag(point, "urgent")
    store.add_track(point, "cell 1")
    store.add_link([point, other])
    lists = (
        f"annotation/{point}/term", f"annotation/{point}/property", f"userannotation/{point}/comment",
        f"domain/{CLASS}/{point}/tag_domain_association", f"annotation/{point}/annotationtrack",
    )  # fmt: skip
    before = [listed(core, lab, path) for path in lists]
    assert all(len(each) == 1 for each in before)
    command = core.call(lab.alice, "DELETE", f"api/annotation/{point}.json").json()["command"]
    assert lab.location(point) is None
    items = undone(core, lab, command)
    assert [listed(core, lab, path) for path in lists] == before
    assert core.call(lab.alice, "GET", f"api/domain/{CLASS}/{point}/description.json").json()["data"] == "seen"
    assert listed(core, lab, f"annotation/{point}/annotationlink") == []
    assert [each["annotationIdent"] for each in listed(core, lab, f"annotation/{other}/annotationlink")] == [other]
    assert len(items) == 7
    assert all("command" not in each for each in items)
    first = items[0]["annotation"]
    assert (first["id"], first["area"], first["areaUnit"], first["perimeter"]) == (point, None, None, None)
    assert first["term"] == []


def test_a_redone_deletion_begins_with_what_hangs_on_the_point(lab: Lab, core: Core) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    point = lab.point(5, 5, terms=(term,))
    command = core.call(lab.alice, "DELETE", f"api/annotation/{point}.json").json()["command"]
    undone(core, lab, command)
    items = undone(core, lab, command, "redo")
    assert items[0]["annotationterm"]["term"] == term
    assert items[0]["callback"]["method"] == "be.cytomine.DeleteAnnotationTermCommand"
    assert items[1]["annotation"]["id"] == point
    assert lab.location(point) is None
    undone(core, lab, command)
    assert lab.location(point) == "POINT (5 5)"


def test_a_point_with_a_file_never_comes_back(lab: Lab, core: Core) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    point = lab.point(5, 5, terms=(term,))
    lab.cytomine.store.add_attached_file(point, "note.txt")
    command = core.call(lab.alice, "DELETE", f"api/annotation/{point}.json").json()["command"]
    for _ in range(2):
        answer = core.call(lab.alice, "GET", f"api/command/{command}/undo.json")
        assert answer.status_code == 400
        assert answer.json()["errors"]["message"].startswith("Cannot persists object:")
        assert lab.location(point) is None


def test_nothing_to_undo(lab: Lab, core: Core) -> None:
    stranger = lab.cytomine.store.add_user("who did nothing")
    for verb in ("undo", "redo"):
        answer = core.call(stranger, "GET", f"api/command/{verb}.json").json()
        nothing = {"success": True, "message": f"Nothing to {verb}", "callback": None, "printMessage": True}
        assert answer["collection"] == [nothing]
    mine = core.call(lab.alice, "DELETE", f"api/annotation/{lab.point(5, 5)}.json").json()["command"]
    (item,) = core.call(stranger, "GET", f"api/command/{mine}/undo.json").json()["collection"]
    assert item["message"] == "Nothing to undo"


@pytest.mark.parametrize("gone", [False, True])
def test_undoing_a_creation(lab: Lab, core: Core, gone: bool) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    body = {"location": "POINT (5 5)", "image": lab.image, "term": [term]}
    made = core.call(lab.alice, "POST", "api/annotation.json", body).json()
    if gone:
        lab.cytomine.store.remove(made["annotation"]["id"])
        assert core.call(lab.alice, "GET", f"api/command/{made['command']}/undo.json").status_code == 500
        return
    items = undone(core, lab, made["command"])
    assert [next(iter({"annotationterm", "annotation"} & set(each))) for each in items] == [
        "annotationterm",
        "annotation",
    ]
    assert lab.location(made["annotation"]["id"]) is None


def test_an_edit_is_redone_after_another_edit(lab: Lab, core: Core) -> None:
    number, other = lab.point(5, 5), lab.point(6, 6)

    def moved(which: int, to: str) -> int:
        path = f"api/annotation/{which}.json"
        record = core.call(lab.alice, "GET", path).json()
        return int(core.call(lab.alice, "PUT", path, {**record, "location": to}).json()["command"])

    command = moved(number, "POINT (8 8)")
    (item,) = undone(core, lab, command)
    assert (lab.location(number), item["annotation"]["area"]) == ("POINT (5 5)", 0)
    moved(other, "POINT (9 9)")
    undone(core, lab, command, "redo")
    assert lab.location(number) == "POINT (8 8)"
