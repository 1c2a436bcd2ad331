import json

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app import errors
from app.api.problems import KINDS, ProblemMiddleware, kind_of
from tests.api.conftest import BOX
from tests.fakes.rooms import DarkSegmenter, FakeGateway, annotation


def leaves(parent: type[errors.ServiceError]) -> list[type[errors.ServiceError]]:
    children = parent.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [parent]


def test_every_leaf_that_can_reach_the_edge_has_a_row() -> None:
    ours = {leaf for leaf in leaves(errors.ServiceError) if leaf.__module__ == "app.errors"}
    started = set(leaves(errors.StartupError))
    assert ours - started - KINDS.keys() == set()
    assert KINDS.keys() & started == set()


def test_an_error_without_a_row_looks_like_its_parent() -> None:
    class Odd(errors.PlatformTimeout):
        pass

    assert kind_of(Odd("slow")).status == 504
    assert kind_of(errors.ServiceError("?")).status == 500


def test_types_are_unique_and_stable() -> None:
    types = [kind.type for kind in KINDS.values()]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("error", list(KINDS))
def test_each_error_leaves_with_its_status(
    client: TestClient, segmenter: DarkSegmenter, gateway: FakeGateway, error: type[errors.ServiceError]
) -> None:
    segmenter.error = error("One sentence.", annotation_id=7)
    answer = client.post("/sam/annotations/7/refine", headers={"X-Request-Id": "abc-1"})
    kind = KINDS[error]
    assert answer.status_code == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": f"urn:cytomine-refine:{kind.type}",
        "title": kind.title,
        "status": kind.status,
        "detail": "One sentence.",
        "instance": "/sam/annotations/7/refine",
        "request_id": "abc-1",
        "annotation_id": 7,
    }
    assert ("retry-after" in answer.headers) == issubclass(error, errors.ModelError | errors.TooManyRequests)
    assert ("www-authenticate" in answer.headers) == (error is errors.NotAuthenticated)
    assert gateway.writes == []


def test_every_problem_is_counted_those_of_the_door_and_of_the_framework_too(client: TestClient) -> None:
    def counted() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        rows = [line.split() for line in lines if line.startswith("refine_problems_total{")]
        return {name.split('"')[1]: float(value) for name, value in rows}

    assert client.post("/sam/prediction", headers={"X-Refine-Secret": "wrong"}).status_code == 401
    assert client.post("/sam/prediction", content=b" " * 5000).status_code == 413
    assert client.post("/sam/prediction", content=b"{").status_code == 400
    assert client.post("/sam/prediction?x=1", json={}).status_code == 400
    assert client.get("/nowhere").status_code == 404
    assert counted() == {"not-authenticated": 1, "body-too-large": 1, "invalid-request": 2, "not-found": 1}


def test_the_unforeseen_is_a_500_with_a_request_id(client: TestClient, segmenter: DarkSegmenter) -> None:
    segmenter.error = RuntimeError("secret inside")  # type: ignore[assignment]
    answer = client.post("/sam/annotations/7/refine")
    assert answer.status_code == 500
    assert "secret inside" not in answer.text
    assert len(answer.json()["request_id"]) == 32


@pytest.mark.parametrize(
    ("method", "url", "status"), [("GET", "/nowhere", 404), ("GET", "/sam/prediction", 405), ("POST", "/health", 405)]
)
def test_unknown_routes_and_methods_are_problems_too(client: TestClient, method: str, url: str, status: int) -> None:
    answer = client.request(method, url)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/sam/annotations/7/refine", b"{"),
        ("/sam/annotations/7/refine", b"\xff\xfe"),
        ("/sam/annotations/7/refine", b"[1, 2]"),
        ("/sam/annotations/7/refine", b'"text"'),
        ("/sam/annotations/7/refine", b'{"keep_points": "perhaps"}'),
        ("/sam/annotations/7/refine", b'{"keep_points": 1}'),
        ("/sam/annotations/7/refine", b'{"points": "some"}'),
        ("/sam/annotations/7/refine", b'{"keeppoints": true}'),
        ("/sam/annotations/seven/refine", b""),
        ("/sam/annotations/-1/refine", b""),
        ("/sam/annotations/99999999999999999999/refine", b""),
        ("/sam/autonomous_prediction", b""),
        ("/sam/autonomous_prediction?annotation_id=x", b""),
        ("/sam/autonomous_prediction?annotation_id=7&points=none", b""),
        ("/sam/prediction", b""),
        ("/sam/prediction", b"{}"),
        ("/sam/prediction", b'{"image_id": "5", "geometry": null}'),
        ("/sam/prediction", b'{"image_id": 5, "geometry": {"type": "Point"}}'),
        ("/sam/prediction", b"[" * 2000),
    ],
)
def test_malformed_requests_are_400_and_touch_nothing(
    client: TestClient, gateway: FakeGateway, url: str, body: bytes
) -> None:
    answer = client.post(url, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:cytomine-refine:invalid-request"
    assert gateway.annotations[7].location == BOX
    assert gateway.writes == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_coordinates_that_are_no_numbers_are_refused(client: TestClient, number: str) -> None:
    ring = f"[[[{number}, 0], [500, 0], [500, 500], [{number}, 0]]]"
    area = f'{{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": {ring}}}}}'
    body = f'{{"image_id": 5, "geometry": {area}}}'
    answer = client.post("/sam/prediction", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    json.loads(answer.text)


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("POINT (1 1)", "invalid-prompt"),
        ("POLYGON ((5000 0, 5100 0, 5100 100, 5000 0))", "outside-slide"),
    ],
)
def test_what_cannot_be_refined_is_422(client: TestClient, gateway: FakeGateway, location: str, kind: str) -> None:
    gateway.annotations[7] = annotation(7, location)
    answer = client.post("/sam/annotations/7/refine")
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(kind)


def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    counted: list[str] = []
    client = TestClient(ProblemMiddleware(breaks_off, counted.append))
    with pytest.raises(RuntimeError, match="in the middle"):
        client.get("/")
    assert counted == []
