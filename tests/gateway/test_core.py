import base64
import hashlib
import hmac
import json
import math

import pytest

from app.errors import (
    AnnotationChanged,
    AnnotationNotFound,
    InvalidPrompt,
    PlatformForbidden,
    PlatformTimeout,
    PlatformUnauthorized,
    PlatformUnavailable,
    ServiceError,
    SlideNotFound,
    SlideNotReadable,
)
from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.geometry.frames import Roi
from app.settings import PlatformSettings
from app.usecases.ports import ApiKeys, BearerToken, Caller, Plane, PointAnnotation, Slide, Stored
from tests.fakes.scripted_server import Answer, ScriptedServer

DOMAIN = "be.cytomine.domain.ontology.UserAnnotation"
RECORD = {
    "class": DOMAIN, "id": 7, "created": "1747200000000", "updated": "1747200100000", "slice": 5002, "image": 5,
    "project": 4, "user": 61, "location": "POLYGON ((0 0, 10 0, 10 10, 0 0))", "geometryCompression": 12.5,
    "term": [321], "nbComments": 0, "reviewed": False, "area": 50.0,
}  # fmt: skip
IMAGE = {"class": "ImageInstance", "id": 5, "width": 1000, "height": 800, "path": "17/a b.svs", "bitPerSample": 8}
SLIDE = Slide(5, 1000, 800, "17/a b.svs")
POINT = PointAnnotation(11, 1, 2, 61, frozenset(), True, DOMAIN)
LISTED = {
    "class": DOMAIN, "id": 12, "updated": 1747200100000.25, "user": 61, "image": 5, "slice": 5002,
    "nbComments": 0, "countReviewedAnnotations": 0,
    "reviewed": False, "location": "POINT (20 750)", "term": [], "track": [], "annotationTrack": [],
}  # fmt: skip
HANGING = {
    "/api/domain/{domain}/{point}/property.json": {"collection": []},
    "/api/domain/{domain}/{point}/attachedfile.json": {"collection": []},
    "/api/domain/{domain}/{point}/tag_domain_association.json": {"collection": []},
    "/api/annotation/{point}/annotationlink.json": {"collection": []},
}
NO_DESCRIPTION = {"errors": {"message": 'Description {"domainIdent":11} not found'}, "errorValues": {}}


def error_of(gateway: CoreGateway) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        gateway.annotation(7)
    return caught.value


def test_an_annotation_is_read(gateway: CoreGateway, server: ScriptedServer) -> None:
    server.answers["/api/annotation/7.json"] = Answer(body=RECORD)
    found = gateway.annotation(7)
    assert (found.id, found.slide_id, found.slice_id, found.user_id) == (7, 5, 5002, 61)
    assert found.term_ids == {321}
    assert found.updated == "1747200100000"
    assert found.location == RECORD["location"]


def test_calls_are_signed_as_core_checks_them(gateway: CoreGateway, server: ScriptedServer) -> None:
    server.answers["/api/annotation.json"] = Answer(body={"collection": []})
    server.answers["/api/annotation/11.json"] = Answer(body={})
    gateway.points_in(SLIDE, 61, Roi(0, 0, 10, 10))
    gateway.delete(11)
    for call in server.calls:
        text = f"{call.method}\n\n{call.headers.get('content-type', '')}\n{call.headers['date']}\n{call.path}"
        expected = base64.b64encode(hmac.new(b"priv", text.encode(), hashlib.sha1).digest()).decode()
        assert call.headers["authorization"] == f"CYTOMINE pub:{expected}"
        assert call.headers["date"].endswith(" +0000")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(401, b"<html>who?</html>"), PlatformUnauthorized, "credentials"),
        (Answer(403, {"errors": {"message": "You don't have the right"}}), PlatformForbidden, "don't have the right"),
        (Answer(403, {"success": False, "errors": "read only"}), PlatformForbidden, "read only"),
        (Answer(404, {"errors": {"message": "none"}}), AnnotationNotFound, "7"),
        (Answer(500, b"<html>oops</html>"), PlatformUnavailable, "500"),
        (Answer(500, b"{", "application/json"), PlatformUnavailable, "500"),
        (Answer(500, [1], "application/json"), PlatformUnavailable, "500"),
        (Answer(400, {"errors": {"message": "bad"}}), PlatformUnavailable, "400: bad"),
        (Answer(302, b"", headers={"Location": "/login"}), PlatformUnavailable, "302"),
        (Answer(201, {}), PlatformUnavailable, "201"),
        (Answer(200, b"<html>hello</html>"), PlatformUnavailable, "not JSON"),
        (Answer(200, [1, 2]), PlatformUnavailable, "not a JSON object"),
        (Answer(200, {"class": DOMAIN, "id": 7, "location": "POINT (1 1)"}), PlatformUnavailable, "(annotation)"),
        (Answer(200, {**RECORD, "user": "x"}), PlatformUnavailable, "(annotation)"),
        (Answer(200, {**RECORD, "id": 8}), PlatformUnavailable, "(annotation)"),
        (Answer(200, {**RECORD, "class": None}), PlatformUnavailable, "(annotation)"),
        (Answer(200, {**RECORD, "class": 7}), PlatformUnavailable, "(annotation)"),
        (Answer(200, {**RECORD, "location": None}), InvalidPrompt, "no location"),
        (Answer(200, {**RECORD, "class": "be.cytomine.domain.ontology.ReviewedAnnotation"}), InvalidPrompt, "Reviewed"),
        (Answer(drop=True), PlatformUnavailable, "could not be reached"),
        (Answer(200, RECORD, cut=50), PlatformUnavailable, "could not be reached"),
        (Answer(200, RECORD, wait_s=30), PlatformTimeout, "in time"),
    ],
)
def test_each_failure_keeps_its_meaning(
    gateway: CoreGateway, server: ScriptedServer, answer: Answer, error: type[ServiceError], words: str
) -> None:
    server.answers["/api/annotation/7.json"] = answer
    found = error_of(gateway)
    assert type(found) is error
    assert words in found.detail


def test_a_core_that_is_not_there_is_unavailable() -> None:
    settings = PlatformSettings.model_validate({"host": "http://127.0.0.1:9", "public_key": "a", "private_key": "b"})
    http = CoreHttp(settings)
    assert "ConnectionRefusedError" in error_of(CoreGateway(http)).detail
    http.close()


def test_a_slide_is_read(gateway: CoreGateway, server: ScriptedServer) -> None:
    server.answers["/api/imageinstance/5.json"] = Answer(body=IMAGE)
    assert gateway.slide(5) == SLIDE


@pytest.mark.parametrize(
    ("record", "missing"),
    [({**IMAGE, "width": None}, ["width"]), ({**IMAGE, "path": None, "height": 0}, ["height", "path"])],
)
def test_a_slide_without_size_or_path_is_not_readable(
    gateway: CoreGateway, server: ScriptedServer, record: dict, missing: list[str]
) -> None:
    server.answers["/api/imageinstance/5.json"] = Answer(body=record)
    with pytest.raises(SlideNotReadable) as caught:
        gateway.slide(5)
    assert caught.value.facts["missing"] == missing


@pytest.mark.parametrize(("slice_", "found"), [({"path": "17/a b.svs"}, True), ({"path": None}, False), (None, False)])
def test_the_path_that_a_blind_project_hides_is_that_of_the_slice(
    gateway: CoreGateway, server: ScriptedServer, slice_: dict | None, found: bool
) -> None:
    server.answers["/api/imageinstance/5.json"] = Answer(body={**IMAGE, "path": None})
    if slice_ is not None:
        server.answers["/api/imageinstance/5/sliceinstance/reference.json"] = Answer(body=slice_)
    if found:
        assert gateway.slide(5) == SLIDE
    else:
        with pytest.raises(SlideNotReadable):
            gateway.slide(5)


def test_an_unknown_slide_is_told(gateway: CoreGateway) -> None:
    with pytest.raises(SlideNotFound):
        gateway.slide(5)


def test_planes_are_asked_for_only_where_there_are_several(gateway: CoreGateway, server: ScriptedServer) -> None:
    assert gateway.plane(SLIDE, 5002) == Plane()
    assert server.calls == []
    server.answers["/api/imageinstance/5.json"] = Answer(body={**IMAGE, "depth": 9, "channels": 2})
    stack = gateway.slide(5)
    server.answers["/api/sliceinstance/5002.json"] = Answer(body={"channel": 1, "zStack": 4, "time": 2})
    server.answers["/api/imageinstance/5/sliceinstance/reference.json"] = Answer(body={"channel": None, "zStack": 3})
    assert gateway.plane(stack, 5002) == Plane(1, 4, 2)
    assert gateway.plane(stack, None) == Plane(None, 3, 0)
    with pytest.raises(PlatformUnavailable):
        gateway.plane(stack, 9)


def test_a_slide_of_one_channel_has_no_number_for_it(gateway: CoreGateway, server: ScriptedServer) -> None:
    """PIMS would take the number for one of the three colours."""
    server.answers["/api/imageinstance/5.json"] = Answer(body={**IMAGE, "depth": 9, "channels": 1})
    server.answers["/api/sliceinstance/5002.json"] = Answer(body={"channel": 0, "zStack": 4, "time": 0})
    assert gateway.plane(gateway.slide(5), 5002) == Plane(None, 4, 0)


@pytest.mark.parametrize("odd", [{"zStack": "x"}, {"time": [1]}, {"channel": {}}])
def test_an_odd_plane_is_no_answer(gateway: CoreGateway, server: ScriptedServer, odd: dict) -> None:
    server.answers["/api/imageinstance/5.json"] = Answer(body={**IMAGE, "channels": 2})
    server.answers["/api/sliceinstance/5002.json"] = Answer(body=odd)
    with pytest.raises(PlatformUnavailable, match=r"valid data \(slice\)"):
        gateway.plane(gateway.slide(5), 5002)


def test_points_are_asked_for_by_box_and_user(gateway: CoreGateway, server: ScriptedServer) -> None:
    listed = [
        {**LISTED, "term": [3], "nbComments": 2},
        {**LISTED, "id": 11, "location": "SRID=0;POINT (15 755)"},
        {**LISTED, "id": 13, "location": "POLYGON ((0 0, 1 0, 1 1, 0 0))"},
        {**LISTED, "id": 14, "location": "POINT EMPTY"},
        {**LISTED, "id": 16, "location": "POINT (1 2 3 4 5)"},
        {**LISTED, "id": 15, "location": None},
    ]
    server.answers["/api/annotation.json"] = Answer(body={"collection": listed})
    points = gateway.points_in(SLIDE, 61, Roi(10, 40, 30, 60))
    assert [point.id for point in points] == [11, 12, 14, 16]
    assert all(math.isnan(point.x) for point in points[2:])
    assert (points[1].x, points[1].y, points[1].term_ids, points[1].is_bare) == (20, 750, {3}, False)
    assert (points[0].is_bare, points[0].user_id, points[0].updated) == (True, 61, "1747200100000.25")
    (call,) = server.calls
    assert "image=5" in call.path
    assert "user=61" in call.path
    assert "bbox=POLYGON" in call.path
    assert "showTrack=True" in call.path
    for corner in ("30+740", "30+760", "10+760", "10+740"):
        assert corner in call.path


def test_points_of_a_user_who_is_gone_are_none(gateway: CoreGateway) -> None:
    assert gateway.points_in(SLIDE, 61, Roi(0, 0, 1, 1)) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"collection": [{"location": "POINT (1 1)"}]},
        {"collection": [{**LISTED, "id": "12"}]},
        {"collection": [{**LISTED, "id": True}]},
        {"collection": [5]},
        {"collection": [[]]},
        {"collection": "x"},
        {"collection": None},
        {"collection": {}},
        {"message": "later"},
        {},
    ],
    ids=str,
)
def test_a_broken_list_is_unavailable(gateway: CoreGateway, server: ScriptedServer, answer: dict[str, object]) -> None:
    server.answers["/api/annotation.json"] = Answer(body=answer)
    with pytest.raises(PlatformUnavailable):
        gateway.points_in(SLIDE, 61, Roi(0, 0, 1, 1))


@pytest.mark.parametrize(
    "odd",
    [
        {"nbComments": 1}, {"nbComments": None}, {"nbComments": "0"}, {"nbComments": {}}, {"nbComments": False},
        {"countReviewedAnnotations": 1}, {"countReviewedAnnotations": None}, {"term": None}, {"term": "[]"},
        {"term": {}}, {"term": [None]}, {"term": ["3"]}, {"track": [4]}, {"track": None}, {"track": {}},
        {"class": None}, {"class": "be.cytomine.domain.ontology.AlgoAnnotation"}, {"class": "../7"}, {"class": 7},
        {"user": 62}, {"user": None}, {"image": 6}, {"image": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_point_of_which_the_list_says_more_or_odd_things_is_not_bare(
    gateway: CoreGateway, server: ScriptedServer, odd: dict[str, object]
) -> None:
    missing = {name: value for name, value in LISTED.items() if name not in odd}
    server.answers["/api/annotation.json"] = Answer(body={"collection": [LISTED, {**LISTED, **odd}, missing]})
    assert [point.is_bare for point in gateway.points_in(SLIDE, 61, Roi(0, 0, 1, 1))] == [True, False, False]


@pytest.mark.parametrize("term", [None, "321", {}, {"collection": []}, ["321"], [True], 321], ids=str)
def test_an_annotation_whose_terms_are_not_understood_is_not_worked_on(
    gateway: CoreGateway, server: ScriptedServer, term: object
) -> None:
    server.answers["/api/annotation/7.json"] = Answer(body={**RECORD, "term": term})
    with pytest.raises(PlatformUnavailable):
        gateway.annotation(7)


@pytest.fixture
def hanging(server: ScriptedServer) -> dict[str, Answer]:
    """Answer that nothing hangs on the point."""
    for path, body in HANGING.items():
        server.answers[path.format(domain=DOMAIN, point=11)] = Answer(body=body)
    server.answers[f"/api/domain/{DOMAIN}/11/description.json"] = Answer(404, NO_DESCRIPTION)
    return server.answers


def test_a_point_on_which_nothing_hangs_is_plain(gateway: CoreGateway, hanging: dict[str, Answer]) -> None:
    assert gateway.is_plain(POINT) is True


@pytest.mark.parametrize("path", HANGING)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(body={"collection": [{"id": 1}]}),
        Answer(body={}),
        Answer(body={"message": "later"}),
        Answer(body={"collection": None}),
        Answer(body={"collection": {}}),
        Answer(body={"collection": ""}),
        Answer(body={"collection": 0}),
        Answer(body={"collection": False}),
        Answer(404, {"errors": {"message": "Annotation 11 not found"}}),
        Answer(404, b"<html>404</html>"),
    ],
    ids=lambda answer: f"{answer.status} {answer.body}",
)
def test_what_hangs_on_a_point_or_is_not_understood_keeps_it(
    gateway: CoreGateway, hanging: dict[str, Answer], path: str, answer: Answer
) -> None:
    hanging[path.format(domain=DOMAIN, point=11)] = answer
    assert gateway.is_plain(POINT) is False


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body={"data": "mitosis"}),
        Answer(body={}),
        Answer(404, b"<html>404</html>"),
        Answer(404, {"errors": {"message": f"{DOMAIN} 11 not found"}}),
        Answer(404, {"title": "Not Found", "detail": "No static resource."}),
    ],
    ids=lambda answer: f"{answer.status} {answer.body}",
)
def test_only_cores_own_word_says_that_there_is_no_description(
    gateway: CoreGateway, hanging: dict[str, Answer], answer: Answer
) -> None:
    hanging[f"/api/domain/{DOMAIN}/11/description.json"] = answer
    assert gateway.is_plain(POINT) is False


def test_a_core_that_fails_to_tell_what_hangs_on_a_point_fails(
    gateway: CoreGateway, hanging: dict[str, Answer]
) -> None:
    hanging["/api/annotation/11/annotationlink.json"] = Answer(500, b"")
    with pytest.raises(PlatformUnavailable):
        gateway.is_plain(POINT)


def test_a_location_is_written_with_everything_else_as_it_was(gateway: CoreGateway, server: ScriptedServer) -> None:
    url = "/api/annotation/7.json"
    server.answers[url] = Answer(body=RECORD)
    read = gateway.annotation(7)
    server.answers[url] = Answer(body={"annotation": {"location": "POLYGON ((1 1, 2 1, 2 2, 1 1))"}, "command": 88})
    stored = gateway.store_location(read, "POLYGON ((1 1, 2 1, 2 2, 1 1))")
    assert stored.command == 88
    sent = json.loads(server.calls[-1].body)
    assert sent["location"] == "POLYGON ((1 1, 2 1, 2 2, 1 1))"
    assert sent["geometryCompression"] == 0.0
    for name in ("id", "image", "slice", "user", "created", "updated", "project"):
        assert sent[name] == RECORD[name]
    assert read.record["geometryCompression"] == 12.5
    server.answers[url] = Answer(404, {"errors": {"message": "gone"}})
    with pytest.raises(AnnotationChanged):
        gateway.store_location(read, "POLYGON ((1 1, 2 1, 2 2, 1 1))")
    server.answers[url] = Answer(412, {"success": False, "errors": "The annotation was changed meanwhile."})
    with pytest.raises(AnnotationChanged):
        gateway.store_location(read, "POLYGON ((1 1, 2 1, 2 2, 1 1))")
    assert server.calls[-1].headers["if-match"] == f'"{RECORD["updated"]}"'
    for odd in ({"message": "odd"}, {"annotation": 5}, {"annotation": {"location": None}, "command": True}):
        server.answers[url] = Answer(body=odd)
        assert gateway.store_location(read, "POLYGON ((1 1, 2 1, 2 2, 1 1))") == Stored("", None)


def test_deleting_what_is_gone_is_told(gateway: CoreGateway) -> None:
    with pytest.raises(AnnotationNotFound):
        gateway.delete(11)


def test_two_accounts_at_once_keep_their_own_keys(server: ScriptedServer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server.answers["/api/annotation/7.json"] = Answer(body=RECORD)
    https = [
        CoreHttp(PlatformSettings.model_validate({"host": server.url, "public_key": key, "private_key": key}))
        for key in ("alice", "bob")
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: CoreGateway(https[number % 2]).annotation(7), range(40)))
    senders = [call.headers["authorization"].split()[1].split(":")[0] for call in server.calls]
    assert (senders.count("alice"), senders.count("bob")) == (20, 20)
    for http in https:
        http.close()


def test_whoever_asks_is_asked_for_with_their_own_credentials(gateway: CoreGateway, server: ScriptedServer) -> None:
    server.answers["/api/user/current.json"] = Answer(body={"id": 61, "username": "alice"})
    server.answers["/api/annotation/7.json"] = Answer(body=RECORD)
    for credentials, shown in ((BearerToken("t"), "Bearer t"), (ApiKeys("hers", "key"), "CYTOMINE hers:")):
        caller = gateway.identify(credentials)
        assert caller == Caller(61, credentials)
        acting = gateway.acting_as(caller)
        assert acting.caller() == 61
        acting.annotation(7)
        assert all(call.headers["authorization"].startswith(shown) for call in server.calls[-2:])
        assert "key" not in repr(caller)
    assert gateway.caller() is None


def test_a_core_that_does_not_know_who_asks(gateway: CoreGateway, server: ScriptedServer) -> None:
    with pytest.raises(PlatformUnavailable, match="who the caller is"):
        gateway.identify(BearerToken("t"))
    server.answers["/api/user/current.json"] = Answer(body={"username": "no id"})
    with pytest.raises(PlatformUnavailable):
        gateway.identify(BearerToken("t"))


def test_keys_are_looked_up(gateway: CoreGateway, server: ScriptedServer) -> None:
    path = "/api/userkey/a%2Fb/keys.json"
    server.answers[path] = Answer(body={"publicKey": "a/b", "privateKey": "secret"})
    assert gateway.keys_of("a/b") == ApiKeys("a/b", "secret")
    assert gateway.keys_of("nobody") is None
    server.answers[path] = Answer(403, {"errors": {"message": "no"}})
    with pytest.raises(PlatformUnavailable, match="may not look up"):
        gateway.keys_of("a/b")
    server.answers[path] = Answer(body={"publicKey": "a/b"})
    with pytest.raises(PlatformUnavailable):
        gateway.keys_of("a/b")


PROPERTIES = f"/api/domain/{DOMAIN}/7/property"


def test_a_text_takes_the_place_of_what_hangs_under_its_key(gateway: CoreGateway, server: ScriptedServer) -> None:
    server.answers["/api/annotation/7.json"] = Answer(body=RECORD)
    hanging = [{"id": 3, "key": "grade", "value": "2"}, {"id": 4, "key": "made-by", "value": "one"}]
    server.answers[f"{PROPERTIES}.json"] = Answer(body={"collection": hanging})
    server.answers[f"{PROPERTIES}/4.json"] = Answer(body={"command": 88})
    assert gateway.put_property(7, "made-by", "two") == 88
    *_, call = server.calls
    assert (call.method, call.path) == ("PUT", f"{PROPERTIES}/4.json")
    told = {"domainClassName": DOMAIN, "domainIdent": 7, "key": "made-by", "value": "two", "id": 4}
    assert json.loads(call.body) == told


@pytest.mark.parametrize(
    ("record", "listed"),
    [
        ({**RECORD, "class": "../../user"}, {"collection": []}),
        ({**RECORD, "class": None}, {"collection": []}),
        (RECORD, {"collection": None}),
        (RECORD, {"collection": [{"id": "4/../5", "key": "made-by"}]}),
        (RECORD, {"collection": [{"id": True, "key": "made-by"}]}),
        (RECORD, {"collection": [{"id": 4}]}),
    ],
)
def test_where_core_tells_of_properties_oddly_none_is_written(
    gateway: CoreGateway, server: ScriptedServer, record: dict[str, object], listed: dict[str, object]
) -> None:
    server.answers["/api/annotation/7.json"] = Answer(body=record)
    server.answers[f"{PROPERTIES}.json"] = Answer(body=listed)
    with pytest.raises(PlatformUnavailable, match="valid data"):
        gateway.put_property(7, "made-by", "two")
    assert {call.method for call in server.calls} == {"GET"}
