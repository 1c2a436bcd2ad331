"""The time of a request runs from its arrival: what identification and a slow body take is taken from its deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fastapi.testclient import TestClient

from app.main import assemble
from app.settings import Settings
from app.usecases.ports import Caller, Credentials
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

URL = "/sam/annotations/7/refine"


def test_the_deadline_counts_from_before_the_caller_was_known(
    settings: Settings, gateway: FakeGateway, segmenter: DarkSegmenter, reader: DiscReader
) -> None:
    identify, known = gateway.identify, []

    def told(credentials: Credentials) -> Caller:
        known.append(time.monotonic())
        return identify(credentials)

    gateway.identify = told  # type: ignore[method-assign]
    with TestClient(assemble(settings, gateway, reader, segmenter)) as client:
        before = time.monotonic()
        assert client.post(URL, headers={"authorization": "Bearer 62"}).status_code == 200
    arrived = segmenter.claims[0].deadline - settings.refine.deadline_s
    assert before <= arrived <= known[0]


def test_the_deadline_counts_from_before_the_body_was_there(
    settings: Settings, client: TestClient, segmenter: DarkSegmenter
) -> None:
    sent = []

    def body() -> Iterator[bytes]:
        for piece in (b'{"dry_', b'run": ', b"true}"):
            sent.append(time.monotonic())
            yield piece

    assert client.post(URL, content=body(), headers={"content-type": "application/json"}).status_code == 200
    assert segmenter.claims[0].deadline - settings.refine.deadline_s <= sent[-1]
