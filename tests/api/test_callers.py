"""Who may ask, in which way, and how often."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from fastapi.testclient import TestClient

from app.api.signatures import Signatures, SignedRequest
from app.errors import ModelBusy, NotAuthenticated, PlatformUnauthorized
from app.main import assemble
from app.settings import Settings
from app.usecases.ports import ApiKeys, BearerToken, Caller, Credentials
from demo.cytomine.identity import sign
from tests.api.test_guards import refine_of
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

WORK = "/sam/annotations/7/refine"
PUBLIC, PRIVATE = "62-public", "a private key"
DRY = b'{"dry_run": true}'


@contextmanager
def serving(gateway: FakeGateway, segmenter: DarkSegmenter | None = None, **api: object) -> Iterator[TestClient]:
    settings = Settings.model_validate({"api": {"signatures": "full", **api}})
    app = assemble(settings, gateway, DiscReader(), segmenter or DarkSegmenter())
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(gateway: FakeGateway) -> Iterator[TestClient]:
    gateway.keys[PUBLIC] = PRIVATE
    gateway.add_point(12, 505, 405, user_id=62)
    with serving(gateway) as client:
        yield client


def now(late_s: float = 0) -> str:
    return format_datetime(datetime.now(UTC) - timedelta(seconds=late_s))


def headers(date: str, uri: str = WORK, *, private: str = PRIVATE, kind: str = "application/json") -> dict[str, str]:
    signature = sign(private, f"POST\n\n{kind}\n{date}\n{uri}")
    return {"authorization": f"CYTOMINE {PUBLIC}:{signature}", "date": date, "content-type": "application/json"}


def test_a_signature_acts_as_its_user(client: TestClient) -> None:
    answer = client.post(WORK, content=DRY, headers=headers(now()))
    assert answer.status_code == 200, answer.text
    assert answer.json()["points_used"] == [12]


def test_a_signature_without_the_content_type_counts_as_for_core(client: TestClient) -> None:
    assert client.post(WORK, content=DRY, headers=headers(now(), kind="")).status_code == 200


def test_the_query_is_signed_as_it_was_sent(client: TestClient) -> None:
    uri = "/sam/autonomous_prediction?annotation_id=7&points=%61uto"
    assert client.post(uri, headers=headers(now(), uri)).status_code == 200
    changed = uri.replace("annotation_id=7", "annotation_id=8")
    assert client.post(changed, headers=headers(now(1), uri)).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"authorization": f"CYTOMINE {PUBLIC}:{'A' * 28}"},
        {"authorization": f"CYTOMINE {PUBLIC}:ü".encode()},
        {"authorization": f"CYTOMINE {PUBLIC}:"},
        {"authorization": f"CYTOMINE {PUBLIC}"},
        {"authorization": "CYTOMINE :abc"},
        {"authorization": "CYTOMINE nobody:abc"},
        {"authorization": "CYTOMINE ..:abc"},
        {"date": "yesterday"},
        {"date": "Sat, 28 Nov 2026 10:00:00 +99999999999999999999"},
        {"date": "Sat, 28 Nov 9999 10:00:00 -9999"},
        {"date": ""},
        {"date": now(10_000)},
    ],
)
def test_what_is_no_good_signature_is_401(client: TestClient, gateway: FakeGateway, wrong: dict) -> None:
    answer = client.post(WORK, content=b"{ rubbish", headers={**headers(now()), **wrong})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"]
    assert PRIVATE not in answer.text
    assert gateway.reads == 0


@pytest.mark.parametrize("late_s", [400, -400])
def test_signatures_of_another_time_are_refused_before_anybody_is_asked(
    client: TestClient, gateway: FakeGateway, late_s: float
) -> None:
    answer = client.post(WORK, content=DRY, headers=headers(now(late_s)))
    assert answer.status_code == 401
    assert abs(answer.json()["seconds_off"] - 400) <= 2
    assert gateway.looked_up == 0


def test_dates_without_a_zone_are_those_of_greenwich(client: TestClient) -> None:
    date = now().replace("+0000", "-0000")
    assert client.post(WORK, content=DRY, headers=headers(date)).status_code == 200


def test_the_same_signature_counts_once(client: TestClient) -> None:
    signed = headers(now())
    assert client.post(WORK, content=DRY, headers=signed).status_code == 200
    again = client.post(WORK, content=DRY, headers=signed)
    assert again.status_code == 401
    assert "already received" in again.json()["detail"]


def test_keys_are_looked_up_once_a_minute(client: TestClient, gateway: FakeGateway) -> None:
    for late_s in range(3):
        assert client.post(WORK, content=DRY, headers=headers(now(10 * late_s))).status_code == 200
    assert (gateway.looked_up, gateway.identified) == (1, 1)


def test_a_token_is_identified_once_a_minute(client: TestClient, gateway: FakeGateway) -> None:
    for _ in range(3):
        assert client.post(WORK, json={"dry_run": True}, headers={"authorization": "Bearer 62"}).status_code == 200
    assert gateway.identified == 1


def short(date: str, *, kind: str = "", md5: str = "", method: str = "POST") -> dict[str, str]:
    """Sign as 2026 does: neither path nor body."""
    signature = sign(PRIVATE, f"{method}\n{md5}\n{kind}\n{date}")
    told = {"content-type": kind} if kind else {}
    told |= {"content-md5": md5} if md5 else {}
    return {"authorization": f"CYTOMINE {PUBLIC}:{signature}", "date": date, **told}


def nonce(value: object) -> str:
    return f"application/json; nonce={value}"


def test_the_short_form_signs_no_path(gateway: FakeGateway) -> None:
    gateway.keys[PUBLIC] = PRIVATE
    signed = short(now())
    with serving(gateway, signatures="short") as client:
        assert client.post(WORK, headers=signed).status_code == 200
    with serving(gateway, signatures="full") as client:
        assert client.post(WORK, headers=signed).status_code == 401


def test_jobs_that_run_side_by_side_are_no_replays(gateway: FakeGateway) -> None:
    """Sixteen short signatures of one second: a nonce in the content type is signed, and tells them apart."""
    gateway.keys[PUBLIC] = PRIVATE
    date = now()
    paths = [refine_of(number, gateway) for number in range(21, 37)]
    with (
        serving(gateway, signatures="short", max_in_flight_per_caller=16) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = pool.map(
            lambda path: client.post(path, content=DRY, headers=short(date, kind=nonce(path[-9:-7]))), paths
        )
        assert [answer.status_code for answer in answers] == [200] * 16


@pytest.mark.parametrize("path", [WORK, "/sam/annotations/8/refine", "/sam/prediction"])
@pytest.mark.parametrize("change", [{}, {"content-type": nonce(2)}, {"date": now(1)}, {"content-md5": "x"}])
def test_an_overheard_short_signature_opens_nothing_else(gateway: FakeGateway, path: str, change: dict) -> None:
    gateway.keys[PUBLIC] = PRIVATE
    signed = short(now(), kind=nonce(1))
    with serving(gateway, signatures="short") as client:
        assert client.post(WORK, content=DRY, headers=signed).status_code == 200
        assert client.post(path, content=DRY, headers={**signed, **change}).status_code == 401


@pytest.mark.parametrize("form", ["short", "full"])
def test_a_signed_digest_holds_the_body_fast(gateway: FakeGateway, form: str) -> None:
    gateway.keys[PUBLIC] = PRIVATE
    md5 = base64.b64encode(hashlib.md5(DRY).digest()).decode()
    uri = f"\n{WORK}" if form == "full" else ""
    with serving(gateway, signatures=form) as client:
        for late_s, body, status in ((0, DRY, 200), (1, b"{}", 400)):
            date = now(late_s)
            signature = sign(PRIVATE, f"POST\n{md5}\n{nonce(late_s)}\n{date}{uri}")
            signed = {"authorization": f"CYTOMINE {PUBLIC}:{signature}", "date": date, "content-md5": md5}
            answer = client.post(WORK, content=body, headers={**signed, "content-type": nonce(late_s)})
            assert answer.status_code == status, answer.text
    assert gateway.writes == []


@contextmanager
def crowd(gateway: FakeGateway, client: TestClient, tokens: range) -> Iterator[threading.Event]:
    """Let so many with bogus tokens ask at once, of a Core that takes its time over them."""
    identify, asked, go_on = gateway.identify, threading.Semaphore(0), threading.Event()

    def slow(credentials: Credentials) -> Caller:
        if isinstance(credentials, BearerToken) and int(credentials.text) in tokens:
            asked.release()
            assert go_on.wait(60)
            raise PlatformUnauthorized("Core does not accept the credentials.")
        return identify(credentials)

    gateway.identify = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(len(tokens)) as pool:
        held = [pool.submit(client.post, WORK, headers=bearer(token)) for token in tokens]
        try:
            for _ in range(16):
                assert asked.acquire(timeout=60)
            yield go_on
        finally:
            go_on.set()
        assert {answer.result(60).status_code for answer in held} == {401, 429}


def bearer(user: int) -> dict[str, str]:
    return {"authorization": f"Bearer {user}"}


def test_bogus_tokens_and_a_slow_core_crowd_nobody_out(gateway: FakeGateway) -> None:
    with serving(gateway) as client:
        assert client.post(WORK, json={"dry_run": True}, headers=bearer(62)).status_code == 200
        elsewhere = TestClient(client.app, client=("10.0.0.2", 5))
        with crowd(gateway, client, range(1000, 1070)):
            known = client.post(WORK, json={"dry_run": True}, headers=bearer(62))
            new = elsewhere.post(WORK, json={"dry_run": True}, headers=bearer(63))
            same = client.post(WORK, json={"dry_run": True}, headers=bearer(64))
        assert (known.status_code, new.status_code, same.status_code) == (200, 200, 429)
        assert same.headers["retry-after"] == "2"
        assert client.post(WORK, json={"dry_run": True}, headers=bearer(64)).status_code == 200


def test_a_token_that_core_refused_is_not_asked_about_again_at_once(gateway: FakeGateway) -> None:
    asked = []

    def refuse(credentials: Credentials) -> Caller:
        asked.append(credentials)
        raise PlatformUnauthorized("Core does not accept the credentials.")

    gateway.identify = refuse  # type: ignore[method-assign]
    with serving(gateway) as client:
        answers = [client.post(WORK, headers=bearer(1)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 401]
        assert len(asked) == 1
        client.post(WORK, headers=bearer(2))
    assert len(asked) == 2


def test_a_crop_which_core_is_not_asked_about_again_asks_who_sends_it_each_time(gateway: FakeGateway) -> None:
    """A user who was disabled since has no way in."""
    with serving(gateway) as client:
        assert client.post(WORK, json={"dry_run": True}, headers=bearer(62)).status_code == 200
        assert client.post("/sam/annotations/refine", headers=bearer(62)).status_code == 400
        assert gateway.identified == 2

        def refuse(credentials: Credentials) -> Caller:
            raise PlatformUnauthorized("Core does not accept the credentials.")

        gateway.identify = refuse  # type: ignore[method-assign]
        assert client.post("/sam/annotations/refine", headers=bearer(62)).status_code == 401


def test_signatures_are_off_by_default(gateway: FakeGateway) -> None:
    gateway.keys[PUBLIC] = PRIVATE
    with serving(gateway, signatures="off") as client:
        answer = client.post(WORK, headers=headers(now()))
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Credentials are missing: a bearer token is needed."


def test_where_no_way_is_open_nobody_comes_in(gateway: FakeGateway) -> None:
    with serving(gateway, signatures="off", bearer=False) as client:
        assert client.post(WORK).status_code == 401


def test_more_signatures_than_can_be_remembered_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.signatures._MOST_REMEMBERED", 2)
    signatures, keys = Signatures("full", 300), ApiKeys(PUBLIC, PRIVATE)

    def signed(path: str) -> SignedRequest:
        return SignedRequest(PUBLIC, sign(PRIVATE, f"GET\n\n\n\n{path}"), "GET", "", "", "", path)

    for path in ("/a", "/b"):
        signatures.check(signed(path), keys)
    with pytest.raises(NotAuthenticated):
        signatures.check(signed("/a"), keys)
    with pytest.raises(ModelBusy):
        signatures.check(signed("/c"), keys)


def test_one_caller_gets_no_more_than_their_share_in_a_minute(gateway: FakeGateway) -> None:
    with serving(gateway, max_per_minute_per_caller=3) as client:
        hers, his = ({"authorization": f"Bearer {user}"} for user in (62, 63))
        statuses = [client.post(WORK, json={"dry_run": True}, headers=hers).status_code for _ in range(4)]
        assert client.post(WORK, json={"dry_run": True}, headers=his).status_code == 200
        refused = client.post(WORK, json={"dry_run": True}, headers=hers)
    assert statuses == [200, 200, 200, 429]
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.json()["per_minute"] == 3


def test_one_caller_cannot_fill_the_queue(gateway: FakeGateway, segmenter: DarkSegmenter) -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)
    encode = segmenter.encode

    def slow(image, claim):  # type: ignore[no-untyped-def]
        inside.release()
        assert go_on.wait(30)
        return encode(image, claim)

    segmenter.encode = slow  # type: ignore[method-assign]
    hers, his = ({"authorization": f"Bearer {user}"} for user in (62, 63))
    with serving(gateway, segmenter, max_in_flight_per_caller=2) as client, ThreadPoolExecutor(8) as pool:
        held = [
            pool.submit(client.post, refine_of(number, gateway), json={"dry_run": True}, headers=hers)
            for number in (21, 22)
        ]
        for _ in held:
            assert inside.acquire(timeout=20)
        refused = client.post(WORK, json={"dry_run": True}, headers=hers)
        assert refused.status_code == 429
        other = pool.submit(client.post, WORK, json={"dry_run": True}, headers=his)
        go_on.set()
        assert {future.result(20).status_code for future in [*held, other]} == {200}
        assert client.post(WORK, json={"dry_run": True}, headers=hers).status_code == 200
    assert refused.json()["at_once"] == 2
    assert refused.headers["retry-after"] == "1"
