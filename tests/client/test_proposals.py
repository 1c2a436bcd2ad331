"""Proposals as they come over the wire: broken off, refused, left early."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cytomine_refine import ApiKeyAuth, RefineClient, RefineFailed
from tests.fakes.scripted_server import Answer, ScriptedServer
from tests.fakes.unfinished_answer import unfinished_answer

WHERE = "POLYGON ((0 0, 90 0, 90 90, 0 90, 0 0))"
AT_CORE, AT_SERVICE = "/api/imageinstance/3/sam/propose", "/sam/propose"
NDJSON = "application/x-ndjson"


def line(number: int, **changes: object) -> dict[str, object]:
    told = {
        "proposal": number, "score": 0.9, "confidence": None, "likeness": 0.7, "area_px0": 64.0, "tile": 1, "tiles": 2,
    }  # fmt: skip
    ring = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 1]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {**told, **changes},
    }


END = {"done": True, "proposals": 2, "tiles": 2, "timings_ms": {"total": 5.0}, "stopped": "limit", "model": {}}


def body(*lines: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


@contextmanager
def answering(said: bytes, path: str = AT_CORE) -> Iterator[tuple[ScriptedServer, RefineClient]]:
    server = ScriptedServer()
    with server.serving():
        server.answers[path] = Answer(body=said, kind=NDJSON)
        direct = f"{server.url}/sam" if path == AT_SERVICE else None
        with RefineClient(server.url, ApiKeyAuth("a", "b"), service_url=direct) as client:
            yield server, client


@pytest.mark.parametrize("path", [AT_CORE, AT_SERVICE])
def test_what_is_asked_and_what_is_read(path: str) -> None:
    with answering(body(line(1, doubts=["It is small."]), line(2), END), path) as (server, client):
        proposals = client.propose(3, WHERE, like=[7], unlike=[], limit=9, detail=None)
        first, second = proposals
        asked = json.loads(server.calls[-1].body)
        assert asked.pop("image_id", 3) == 3
        assert ("image_id" in json.loads(server.calls[-1].body)) == (path == AT_SERVICE)
        assert asked.pop("geometry")["geometry"]["coordinates"][0][2] == [90, 90]
        assert asked == {"like": [7], "limit": 9}
        assert (first.location, first.doubts) == ("POLYGON ((1 1, 9 1, 9 9, 1 9, 1 1))", ("It is small.",))
        assert (second.number, second.likeness, second.confidence, second.tiles) == (2, 0.7, None, 2)
        assert proposals.ended is not None
        assert proposals.ended.stopped == "limit"


def test_an_annotation_may_be_the_region() -> None:
    with answering(body(END)) as (server, client):
        assert list(client.propose(3, 44)) == []
        assert json.loads(server.calls[-1].body) == {"annotation_id": 44}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (body(line(1)), "stopped early"),
        (
            body(line(1), {"done": False, "problem": {"status": 504, "title": "Too slow", "detail": "a tile"}}),
            "504 Too",
        ),
        (body(line(1), {"done": False}), "stopped early"),
        (body(line(1)) + b"<html>", "not an answer from the refine service"),
        (body(line(1), [1]), "not an answer from the refine service"),
        (body(line(1), line(2, tile=None)), "not an answer from the refine service"),
        (body(line(1), {"done": True}), "not an answer from the refine service"),
    ],
)
def test_what_breaks_off_in_the_middle_is_an_error_after_what_came(said: bytes, words: str) -> None:
    with answering(said) as (_, client):
        proposals = client.propose(3, WHERE)
        assert next(proposals).number == 1
        with pytest.raises(RefineFailed, match=words) as caught:
            list(proposals)
        assert caught.value.written is False


def test_a_busy_service_is_asked_again() -> None:
    with answering(body(END)) as (server, client):
        busy = {"type": "urn:cytomine-refine:model-busy", "title": "Busy"}
        server.answers[AT_CORE] = Answer(503, busy, headers={"Retry-After": "0"})
        with pytest.raises(RefineFailed, match="503 Busy"):
            list(client.propose(3, WHERE))
        assert len(server.calls) == 5


def test_an_option_that_there_is_not() -> None:
    with answering(body(END)) as (server, client):
        with pytest.raises(TypeError, match="no option most"):
            client.propose(3, WHERE, most=3)  # type: ignore[call-arg]
        assert server.calls == []


def test_leaving_the_loop_closes_the_connection() -> None:
    """The other end sends one proposal, and then waits until nobody listens any more."""
    with unfinished_answer(body(line(1)), NDJSON) as search, RefineClient(search.url, ApiKeyAuth("a", "b")) as client:
        for proposal in client.propose(3, WHERE):
            assert proposal.number == 1
            break
        assert search.gone.wait(30)
