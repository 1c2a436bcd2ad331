import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import shapely.affinity
from fastapi.testclient import TestClient

from app.api.guards import Presence, replay
from app.api.logs import RequestIdFilter
from app.main import assemble
from app.settings import Settings
from tests.api.conftest import BOX, SECRET
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

WORK = "/sam/annotations/7/refine"


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", SECRET.upper(), "é"])
def test_a_wrong_secret_is_401_before_anything_is_read(client: TestClient, gateway: FakeGateway, secret: str) -> None:
    answer = client.post(WORK, headers={"X-Refine-Secret": secret.encode()}, content=b"{ rubbish")
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("not-authenticated")
    assert gateway.reads == 0


@pytest.mark.parametrize("token", ["Bearer", "Bearer two words", "Basic abc", "Bearer =", "Bearer " + "x" * 9000])
def test_what_is_no_token_is_401(client: TestClient, gateway: FakeGateway, token: str) -> None:
    del client.headers["X-Refine-Secret"]
    assert client.post(WORK, headers={"authorization": token}).status_code == 401
    assert gateway.reads == 0


def test_a_bearer_token_acts_as_its_user(client: TestClient, gateway: FakeGateway) -> None:
    gateway.add_point(12, 505, 405, user_id=62)
    del client.headers["X-Refine-Secret"]
    answer = client.post(WORK, headers={"authorization": "bearer 62"})
    assert answer.json()["points_used"] == [12]


def test_a_wrong_secret_is_not_saved_by_a_token(client: TestClient) -> None:
    headers = {"X-Refine-Secret": "wrong", "authorization": "Bearer 62"}
    assert client.post(WORK, headers=headers).status_code == 401


def test_tokens_can_be_switched_off(settings: Settings, gateway: FakeGateway) -> None:
    api = settings.api.model_copy(update={"bearer": False})
    app = assemble(settings.model_copy(update={"api": api}), gateway, DiscReader(), DarkSegmenter())
    with TestClient(app) as client:
        answer = client.post(WORK, headers={"authorization": "Bearer 62"})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Credentials are missing: the header X-Refine-Secret is needed."


def test_a_prefix_of_the_server_opens_nothing(settings: Settings, gateway: FakeGateway) -> None:
    app = assemble(settings, gateway, DiscReader(), DarkSegmenter())
    with TestClient(app, root_path="/mounted") as client:
        assert client.get("/mounted/health").status_code == 200
        assert client.post(f"/mounted{WORK}").status_code == 401
        assert client.post(f"/mounted{WORK}", headers={"X-Refine-Secret": SECRET}).status_code == 200
    assert gateway.reads


def test_no_secret_is_401(client: TestClient, gateway: FakeGateway) -> None:
    del client.headers["X-Refine-Secret"]
    for url in (WORK, "/sam/prediction", "/sam/nowhere", "/sam/autonomous_prediction?annotation_id=7"):
        assert client.post(url).status_code == 401
    assert gateway.reads == 0


@pytest.mark.parametrize("url", ["/", "/health", "/metrics", "/sam/openapi.json", "/sam/docs"])
def test_what_does_no_work_is_open(client: TestClient, url: str) -> None:
    del client.headers["X-Refine-Secret"]
    assert client.get(url).status_code == 200


def test_bodies_over_the_limit_are_413(client: TestClient, gateway: FakeGateway) -> None:
    answer = client.post(WORK, content=b" " * 5000)
    assert answer.status_code == 413
    assert answer.json()["limit_bytes"] == 4096
    assert gateway.reads == 0


def test_bodies_of_untold_length_are_cut_off_too(client: TestClient, gateway: FakeGateway) -> None:
    sent = []

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            sent.append(1)
            yield b" " * 1000

    assert client.post(WORK, content=chunks()).status_code == 413
    assert gateway.reads == 0


def test_bodies_that_are_nested_too_deep_are_400_before_they_are_parsed(client: TestClient) -> None:
    for headers in ({}, {"content-type": "application/json"}, {"content-type": "text/plain"}):
        answer = client.post("/sam/annotations/7/refine", content=b'{"a":' * 40 + b"1" + b"}" * 40, headers=headers)
        assert answer.status_code == 400
        assert "nested" in answer.json()["detail"]
        assert answer.json()["max_nesting"] == 32


def test_bodies_in_pieces_arrive_whole(client: TestClient) -> None:
    answer = client.post(WORK, content=iter([b'{"dry_', b'run": true}']), headers={"content-type": "application/json"})
    assert answer.json()["message"].startswith("Dry run")


def refine_of(number: int, gateway: FakeGateway) -> str:
    """Draw another annotation elsewhere; refines of one annotation, or of one window, would wait for one another."""
    box = shapely.affinity.translate(shapely.from_wkt(BOX), number, number)
    gateway.annotations[number] = annotation(number, box.wkt)
    return f"/sam/annotations/{number}/refine"


def test_more_requests_than_the_limit_are_503(
    client: TestClient, gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    go_on = threading.Event()
    inside = threading.Semaphore(0)
    encode = segmenter.encode

    def slow(image, claim):
        inside.release()
        assert go_on.wait(30)
        return encode(image, claim)

    segmenter.encode = slow  # type: ignore[method-assign]
    body = {"dry_run": True}
    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(client.post, refine_of(number, gateway), json=body) for number in (21, 22, 23, 24)]
        for _ in held:
            assert inside.acquire(timeout=20)
        answer = client.post(WORK, json=body)
        go_on.set()
        assert {future.result(20).status_code for future in held} == {200}
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert client.post(WORK, json=body).status_code == 200


def test_request_ids_are_taken_or_made(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-Id": "a.b-1"}).headers["x-request-id"] == "a.b-1"
    made = client.get("/health", headers={"X-Request-Id": "no spaces please"}).headers["x-request-id"]
    assert len(made) == 32


def test_a_caller_who_goes_away_while_sending_is_let_go(settings, gateway: FakeGateway) -> None:
    app = assemble(settings, gateway, DiscReader(), DarkSegmenter())
    scope = {
        "type": "http", "method": "POST", "path": WORK, "raw_path": WORK.encode(), "query_string": b"", "root_path": "",
        "scheme": "http", "http_version": "1.1", "server": ("test", 80), "client": ("test", 1),
        "headers": [(b"x-refine-secret", SECRET.encode())],
    }  # fmt: skip
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    statuses = []

    async def receive() -> dict:
        return next(messages)

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    anyio.run(app, scope, receive, send)
    assert statuses == [400]
    assert gateway.writes == []


def test_a_client_that_leaves_is_noticed_by_whoever_works_for_it() -> None:
    """The application may ask for the next message, or look from another thread."""
    messages: list[dict] = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def work() -> tuple[list[str], bool]:
        may_leave = anyio.Event()

        async def receive() -> dict:
            await may_leave.wait()
            return messages.pop(0)

        presence = Presence(receive)
        with presence.watched():
            replayed = replay(b"body", presence)
            first = await replayed()
            assert (first["body"], presence.is_gone()) == (b"body", False)
            may_leave.set()
            second = await replayed()
            return [first["type"], second["type"]], presence.is_gone()

    assert anyio.run(work) == (["http.request", "http.disconnect"], True)


def test_a_request_that_the_server_cancels_was_given_up() -> None:
    presence = Presence(anyio.sleep_forever)

    async def work() -> None:
        with presence.watched():
            await anyio.sleep_forever()

    async def cancelled() -> None:
        task = asyncio.ensure_future(work())
        await anyio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    anyio.run(cancelled)
    assert presence.is_gone()


def test_log_lines_carry_the_request_id() -> None:
    record = logging.LogRecord("app", logging.INFO, "", 1, "text", None, None)
    assert RequestIdFilter().filter(record)
    assert record.request_id == "-"


def test_a_body_that_takes_for_ever_is_408(settings: Settings, gateway: FakeGateway) -> None:
    api = settings.api.model_copy(update={"body_timeout_s": 0.05})
    app = assemble(settings.model_copy(update={"api": api}), gateway, DiscReader(), DarkSegmenter())
    scope = {
        "type": "http", "method": "POST", "path": WORK, "raw_path": WORK.encode(), "query_string": b"", "root_path": "",
        "scheme": "http", "http_version": "1.1", "server": ("test", 80), "client": ("test", 1),
        "headers": [(b"x-refine-secret", SECRET.encode())],
    }  # fmt: skip
    statuses = []

    async def receive() -> dict:
        await anyio.sleep(10)
        raise AssertionError("waited too long")

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    anyio.run(app, scope, receive, send)
    assert statuses == [408]
    assert gateway.reads == 0


def test_no_other_origin_may_read_the_answers(client: TestClient) -> None:
    asked = {"origin": "http://elsewhere.example", "access-control-request-method": "POST"}
    assert not [name for name in client.options(WORK, headers=asked).headers if name.startswith("access-control")]
    assert "access-control-allow-origin" not in client.post(WORK, headers=asked).headers
