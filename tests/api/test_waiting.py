"""Requests that meet at one annotation: what they share, and how long they wait for each other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.main import assemble
from app.settings import Settings
from app.usecases.ports import Caller, Credentials
from tests.api.conftest import SECRET
from tests.fakes.rooms import DarkEmbedding, DarkSegmenter, DiscReader, FakeGateway

PATIENCE_S = 30


class Counted(Caller):
    """Counts how often it is compared: a request whose caller is compared is about to join another one."""

    compared = threading.Semaphore(0)

    def __eq__(self, other: object) -> bool:
        Counted.compared.release()
        return isinstance(other, Caller) and self.user_id == other.user_id

    __hash__ = Caller.__hash__


class Meeting(FakeGateway):
    """Holds the first refine at its second read until it may go on."""

    def identify(self, credentials: Credentials) -> Caller:
        found = super().identify(credentials)
        return Counted(found.user_id, found.credentials)

    def acting_as(self, caller: Caller) -> FakeGateway:
        return self


@contextmanager
def held(gateway: FakeGateway) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Give the events "it has come to its second read" and "it may go on"."""
    come, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        come.set()
        assert go_on.wait(PATIENCE_S)

    gateway.before_reread = hold
    try:
        yield come, go_on
    finally:
        go_on.set()


@contextmanager
def serving(settings: Settings, gateway: FakeGateway) -> Iterator[TestClient]:
    with TestClient(assemble(settings, gateway, DiscReader(), DarkSegmenter())) as client:
        yield client


def test_joined_requests_are_counted_and_written_down_once(
    settings: Settings, gateway: FakeGateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(annotations=gateway.annotations, points=gateway.points)
    first_token, *tokens = ({"Authorization": f"Bearer {text}"} for text in ("61", "061", "0061"))  # all of one user
    with serving(settings, meeting) as client, held(meeting) as (come, go_on), ThreadPoolExecutor(3) as pool:
        monkeypatch.setattr(logging.getLogger("app"), "propagate", True)
        caplog.set_level("INFO", "app")
        first = pool.submit(client.post, "/sam/annotations/7/refine", headers=first_token)
        assert come.wait(PATIENCE_S)
        others = [pool.submit(client.post, "/sam/annotations/7/refine", headers=token) for token in tokens]
        for _ in others:
            assert Counted.compared.acquire(timeout=PATIENCE_S)
        go_on.set()
        answers = [each.result(PATIENCE_S) for each in (first, *others)]
        figures = client.get("/metrics").text
    assert [answer.status_code for answer in answers] == [200] * 3
    assert all(answer.json()["changed"] for answer in answers)
    assert all("total;dur=" in answer.headers["Server-Timing"] for answer in answers)
    assert meeting.writes == ["store 7", "delete 11"]
    written = {
        record for record in caplog.records if "refined for" in record.getMessage()
    }  # caplog may have two handlers
    assert len(written) == 1
    assert 'outcome="changed",use_case="refine"} 1.0' in figures


def test_health_answers_while_every_place_is_taken_by_a_model_that_hangs(
    settings: Settings, gateway: FakeGateway
) -> None:
    go_on, at_work = threading.Event(), threading.Semaphore(0)

    class Hanging(DarkSegmenter):
        def decode(self, embedding: DarkEmbedding, prompts: Prompts) -> Masks:
            at_work.release()
            assert go_on.wait(PATIENCE_S)
            return super().decode(embedding, prompts)

    numbers = range(7, 7 + settings.api.max_in_flight)
    gateway.annotations.update({number: replace(gateway.annotations[7], id=number) for number in numbers})
    secret = {"X-Refine-Secret": SECRET}
    app = assemble(settings, gateway, DiscReader(), Hanging())
    with TestClient(app) as client, ThreadPoolExecutor(len(numbers) + 1) as pool:
        asked = [pool.submit(client.post, f"/sam/annotations/{number}/refine", headers=secret) for number in numbers]
        try:
            for _ in numbers:
                assert at_work.acquire(timeout=PATIENCE_S)
            for path in ("/health", "/sam/ready", "/metrics"):
                assert pool.submit(client.get, path).result(PATIENCE_S / 2).status_code == 200
            assert not any(each.done() for each in asked)
        finally:
            go_on.set()
        assert [each.result(PATIENCE_S).status_code for each in asked] == [200] * len(numbers)


def test_the_time_runs_while_a_request_waits_for_another_one(settings: Settings, gateway: FakeGateway) -> None:
    hasty = settings.model_copy(update={"refine": settings.refine.model_copy(update={"deadline_s": 1.0})})
    secret = {"X-Refine-Secret": SECRET}
    with serving(hasty, gateway) as client, held(gateway) as (come, go_on), ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/sam/annotations/7/refine", headers=secret)
        assert come.wait(PATIENCE_S)
        second = pool.submit(client.post, "/sam/annotations/7/refine", headers=secret, json={"points": "ignore"})
        late = second.result(PATIENCE_S / 2)
        assert (late.status_code, late.json()["type"]) == (503, "urn:cytomine-refine:model-busy")
        go_on.set()
        assert first.result(PATIENCE_S).status_code == 503
    assert gateway.writes == []
