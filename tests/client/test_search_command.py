"""``refine propose`` and ``similar`` when a search does not come to its end: what came before is kept, and said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.test_proposals import AT_CORE, NDJSON, body, line
from tests.fakes.scripted_server import Answer, ScriptedServer
from tests.fakes.unfinished_answer import unfinished_answer

ROOT = Path(__file__).resolve().parents[2]
SLIDE = {"id": 3, "originalFilename": "a.svs", "width": 100, "height": 100}
FAILED, PARTLY, INTERRUPTED = 1, 3, 130


def started(folder: Path, host: str, *words: str, service: str | None = None) -> subprocess.Popen[str]:
    path = f"{ROOT}{os.pathsep}{ROOT / 'client'}"
    keys = {"CYTOMINE_HOST": host, "CYTOMINE_PUBLIC_KEY": "a", "CYTOMINE_PRIVATE_KEY": "b", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "cytomine_refine", "propose", "3", "--box", "0", "0", "90", "90", *words]
    return subprocess.Popen(
        [*command, *(["--service", service] if service else [])],
        cwd=folder,
        env={**os.environ, **keys, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    _, said = process.communicate(timeout=120)
    return process.returncode, said.splitlines()


def numbers_in(file: Path) -> int:
    return len(json.loads(file.read_text())["features"])


@contextmanager
def answering(said: bytes, cut: int = 0) -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    with server.serving():
        server.answers["/api/imageinstance/3.json"] = Answer(body=SLIDE)
        server.answers[AT_CORE] = Answer(body=said, kind=NDJSON, cut=cut)
        yield server


def end(stopped: str | None) -> dict[str, object]:
    counts = {"proposals": 2, "tiles": 300, "tiles_empty": 44, "tiles_left": 1200}
    return {"done": True, **counts, "timings_ms": {}, "stopped": stopped, "model": {}}


def test_the_last_line_says_that_the_time_was_up_and_how_much_was_searched(tmp_path: Path) -> None:
    with answering(body(line(1), line(2), end("deadline"))) as server:
        status, said = ended(started(tmp_path, server.url, "--geojson", "found.geojson"))
    assert status == PARTLY
    assert said[0].startswith("2 proposals;")
    assert said[-1].startswith(
        "The time was up: 300 of 1,500 tiles were searched, 44 more show only glass. Search the rest in smaller"
    )
    assert numbers_in(tmp_path / "found.geojson") == 2


def test_a_limit_that_was_asked_for_is_no_failure(tmp_path: Path) -> None:
    with answering(body(line(1), line(2), end("limit"))) as server:
        status, said = ended(started(tmp_path, server.url))
    assert status == 0
    assert said[-1].startswith("The limit was reached: 300 of 1,500 tiles were searched")
    assert said[-1].endswith("raise --limit.")


def test_an_older_service_does_not_say_how_much_is_left(tmp_path: Path) -> None:
    old = {"done": True, "proposals": 1, "tiles": 2, "timings_ms": {}, "stopped": None}
    with answering(body(line(1), old)) as server:
        status, said = ended(started(tmp_path, server.url))
    assert status == 0
    assert len(said) == 1


@pytest.mark.parametrize(
    ("said", "cut", "words"),
    [
        (body(line(1), line(2)), 90, "error: "),
        (
            body(line(1), line(2), {"done": False, "problem": {"status": 502, "title": "PIMS is down", "detail": "!"}}),
            0,
            "error: 502 PIMS is down",
        ),
    ],
)
@pytest.mark.parametrize("file", [("--geojson", "found.geojson"), ()])
def test_what_came_before_a_search_broke_off_is_kept(
    tmp_path: Path, said: bytes, cut: int, words: str, file: tuple[str, ...]
) -> None:
    with answering(said, cut) as server:
        status, told = ended(started(tmp_path, server.url, *file))
    assert status == FAILED
    (only,) = told
    assert only.startswith(words)
    where = "kept in found.geojson" if file else "came before that"
    assert only.endswith(f"; only part of the region was searched, 2 proposals {where}")
    if file:
        assert numbers_in(tmp_path / "found.geojson") == 2


def test_a_search_that_finds_nobody_there_leaves_an_older_file_alone(tmp_path: Path) -> None:
    (tmp_path / "found.geojson").write_text("older")
    with answering(b"") as server:
        status, (told,) = ended(started(tmp_path, server.url, "--geojson", "found.geojson"))
    assert status == FAILED
    assert "part of the region" not in told
    assert (tmp_path / "found.geojson").read_text() == "older"


@pytest.mark.parametrize("accept", [(), ("--accept",)])
def test_whoever_presses_ctrl_c_keeps_what_came(tmp_path: Path, accept: tuple[str, ...]) -> None:
    """The service has sent one proposal and looks for the next one."""
    with answering(b"") as server, unfinished_answer(body(line(1)), NDJSON) as search:
        service = f"{search.url}/sam"
        process = started(tmp_path, server.url, "--geojson", "found.geojson", "--json", *accept, service=service)
        assert search.sent.wait(240)
        if not accept:  # then it tells each as it comes
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["number"] == 1
        process.send_signal(signal.SIGINT)
        status, (told,) = ended(process)
        assert search.gone.wait(240)
    assert status == INTERRUPTED
    if accept:
        assert told.startswith("Stopped; nothing was stored")
        assert [call.path for call in server.calls] == ["/api/imageinstance/3.json"]
    else:
        kept = "only part of the region was searched, 1 proposal kept in found.geojson"
        assert told == f"Stopped; nothing was stored; {kept}."
        assert numbers_in(tmp_path / "found.geojson") == 1
