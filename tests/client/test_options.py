"""What the client sends of a caller's choices, and what it reads of a preview."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cytomine_refine import ApiKeyAuth, Click, Options, RefineClient, RefineFailed
from cytomine_refine.batch import Batch
from cytomine_refine.journal import Journal
from cytomine_refine.outlines import Outline
from tests.fakes.scripted_server import Answer, ScriptedServer

BOX, DISC = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))", "POLYGON ((1 1, 8 1, 8 8, 1 8, 1 1))"
AT_CORE, AT_SERVICE = "/api/annotation/7/sam", "/sam/annotations/7/refine"
ALL: Options = {
    "keep_points": True, "points": "ignore", "dry_run": True, "holes": "keep", "parts": "largest",
    "box": (1, 2, 3.5, 4), "clicks": [Click(x=1, y=2, label=1), Click(x=3, y=4, label=0)], "proposal": 0,
    "detail": 60, "outline": "thesis", "doubtful": "refuse",
}  # fmt: skip


def answer(**changes: object) -> dict[str, object]:
    return {
        "changed": False, "score": 0.4, "location": DISC, "previous_location": BOX, "image_id": 3, "command": None,
        "points_used": [], "points_deleted": [], "commands": [], "doubts": ["It touches the edge."],
        "timings_ms": {"total": 5.0}, "confidence": 0.3, "doubtful": True, "preview": "a text", "proposal": "single",
        "box": [0, 0, 9, 9], "proposals": [{"index": 0, "score": 0.4, "area_px0": 49.0, "geometry": None}], **changes,
    }  # fmt: skip


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.answers = dict.fromkeys((AT_CORE, AT_SERVICE), Answer(body=answer()))
    with server.serving():
        yield server


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[RefineClient]:
    with RefineClient(server.url, ApiKeyAuth("a", "b")) as client:
        yield client


def sent(server: ScriptedServer) -> Any:
    return json.loads(server.calls[-1].body)


def test_all_options_are_sent_as_each_side_spells_them(server: ScriptedServer, client: RefineClient) -> None:
    client.refine(7, **ALL)
    at_core = sent(server)
    with RefineClient(server.url, ApiKeyAuth("a", "b"), service_url=f"{server.url}/sam") as direct:
        direct.refine(7, **ALL)
    at_service = sent(server)
    assert at_service == json.loads(json.dumps(ALL))
    assert at_core.pop("keepPoints") is at_core.pop("dryRun") is True
    assert at_core == {name: value for name, value in at_service.items() if name not in ("keep_points", "dry_run")}


def test_what_is_as_ever_is_not_sent(server: ScriptedServer, client: RefineClient) -> None:
    client.refine(7, holes="fill", parts="all", outline="smooth", box=None, detail=None, doubtful=None)
    assert sent(server) == {"keepPoints": False, "dryRun": False, "points": "auto"}


def test_an_option_that_there_is_not_is_no_refine(server: ScriptedServer, client: RefineClient) -> None:
    with pytest.raises(TypeError, match="no option dryrun"):
        client.refine(7, dryrun=True)  # type: ignore[call-arg]
    assert server.calls == []


def test_a_preview_is_read_and_accepted(server: ScriptedServer, client: RefineClient) -> None:
    shown = client.refine(7, dry_run=True)
    assert (shown.confidence, shown.doubtful, shown.preview, shown.proposal) == (0.3, True, "a text", "single")
    assert (shown.box, shown.proposals[0]["area_px0"]) == ((0, 0, 9, 9), 49.0)
    client.accept(7, "a text")
    assert sent(server) == {"preview": "a text", "keepPoints": False}
    with RefineClient(server.url, ApiKeyAuth("a", "b"), service_url=f"{server.url}/sam") as direct:
        direct.accept(7, "a text", keep_points=True)
    assert sent(server) == {"preview": "a text", "keep_points": True}


def test_a_preview_that_does_not_fit_was_not_written(server: ScriptedServer, client: RefineClient) -> None:
    problem = {"type": "urn:cytomine-refine:preview-unfit", "title": "This preview is no longer valid"}
    server.answers[AT_CORE] = Answer(409, {**problem, "reason": "too-old"})
    with pytest.raises(RefineFailed) as caught:
        client.accept(7, "a text")
    assert (caught.value.status, caught.value.written) == (409, False)


def test_an_older_service_tells_its_score_alone(server: ScriptedServer, client: RefineClient) -> None:
    new = ("confidence", "doubtful", "preview", "proposal", "proposals", "box")
    server.answers[AT_CORE] = Answer(body={name: value for name, value in answer().items() if name not in new})
    told = client.refine(7)
    assert (told.confidence, told.doubtful, told.preview, told.proposals, told.box) == (0.4, False, None, (), None)


@pytest.mark.parametrize(
    ("told", "choices", "outcome"),
    [
        ({}, {"doubtful": "preview"}, "doubtful"),
        ({"changed": True, "preview": None}, {"doubtful": "write"}, "changed"),
        ({"preview": None, "location": BOX}, {"doubtful": "preview"}, "unchanged"),
        ({}, {"doubtful": "preview", "dry_run": True}, "would be left"),
        ({}, {"doubtful": "write", "dry_run": True}, "would change"),
        ({"doubtful": False}, {"doubtful": "preview", "dry_run": True}, "would change"),
        ({"location": BOX}, {"doubtful": "preview", "dry_run": True}, "would not change"),
    ],
)
def test_a_batch_leaves_what_is_doubtful_and_writes_it_down(
    server: ScriptedServer,
    client: RefineClient,
    tmp_path: Path,
    told: dict[str, object],
    choices: Options,
    outcome: str,
) -> None:
    server.answers[AT_CORE] = Answer(body=answer(**told))
    with closing(Journal(tmp_path / "a.csv")) as journal:
        (row,) = Batch(client, journal).refine([Outline(7, 3, BOX)], choices, jobs=1)
        assert (row.outcome, row.confidence, row.doubts) == (outcome, 0.3, ("It touches the edge.",))
        assert journal.standing(7, BOX) == ("done" if outcome == "unchanged" else "to do")
