"""The scripts' way in: the client, the command, and the examples of the documentation, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely

from cytomine_refine import ApiKeyAuth, RefineClient, RefineFailed
from cytomine_refine.batch import side_by_side
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask
from tests.end_to_end.scripting import ROOT, boxes, environment, example, outcomes_of, rows_of
from tests.fakes.scripted_server import Answer, ScriptedServer
from tests.lab import BOX, DISC, DISC_X, DISC_Y, HEIGHT, SECRET, Lab, settle, with_addition


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), "s" * 64) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(whole[0], request.node.nodeid, whole[1])
    whole[0].faults.clear()


@pytest.fixture
def client(lab: Lab) -> Iterator[RefineClient]:
    keys = ApiKeyAuth(lab.alice.public_key, lab.alice.private_key)
    with RefineClient(lab.cytomine.base_url, keys) as client:
        yield client


def run(command: list[str], lab: Lab, annotation: int, folder: Path) -> str:
    done = subprocess.run(
        command, env=environment(lab, annotation), cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_slide_frame(shape: shapely.Geometry) -> shapely.Geometry:
    """Turn a shape of the platform frame upside down, as viewers have it."""
    return shapely.transform(shape, lambda xy: np.column_stack([xy[:, 0], HEIGHT - xy[:, 1]]))


def iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    return float(one.intersection(other).area / one.union(other).area)


def test_the_command_lines_of_the_page(lab: Lab, tmp_path: Path) -> None:
    annotation, _ = boxes(lab, 2)
    lab.point(DISC_X, DISC_Y)
    lab.draw("LINESTRING (1 1, 5 5)")
    run(["bash", "-euc", example("Command line")], lab, annotation, tmp_path)
    assert outcomes_of(tmp_path / "out" / "one.csv") == ["would change", "changed"]
    assert outcomes_of(tmp_path / "out" / "project.csv") == ["changed", "changed", "undone", "undone"]
    features = json.loads((tmp_path / "out" / "outlines" / "discs.geojson").read_text())["features"]
    assert len(features) == 2
    assert all(iou(shapely.geometry.shape(each["geometry"]), in_slide_frame(DISC)) > 0.8 for each in features)


def test_the_commands_of_the_readme_follow_each_other(lab: Lab, tmp_path: Path) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    annotation, other = lab.draw(BOX, terms=(term,)), lab.draw(BOX)
    page = (ROOT / "README.md").read_text()
    lines = [line for line in page.splitlines() if re.match(r"\.venv/bin/refine (project|undo)", line)]
    assert len(lines) == 3
    script = "\n".join(lines).replace(".venv/bin/refine", f"{sys.executable} -m cytomine_refine")
    run(
        ["bash", "-euc", script.replace("project 3 --term 12", f"project {lab.project} --term {term}")],
        lab,
        0,
        tmp_path,
    )
    assert outcomes_of(tmp_path / "refined.csv") == ["would change", "changed", "undone"]
    assert (tmp_path / "outlines" / "discs.geojson").is_file()
    assert lab.location(annotation) == lab.location(other) == BOX.wkt


def test_the_first_refine_of_the_guide(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    page = (ROOT / "docs" / "install-ce-2025.1.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("$refine ")]
    assert len(lines) == 2
    script = "\n".join(lines).replace("1234", str(annotation)).replace("/tmp/", f"{tmp_path}/")
    run(["bash", "-euc", f'refine="{sys.executable} -m app refine"\n{script}'], lab, 0, tmp_path)
    assert lab.iou(annotation) > 0.8


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_the_token_of_the_guide_refines(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    page = (ROOT / "docs" / "install-ce-2025.1.md").read_text()
    script = page.partition("test_the_token_of_the_guide_refines -->\n```sh\n")[2].partition("```")[0]
    script = script.replace("http://your.cytomine", lab.cytomine.base_url).replace("1234", str(annotation))
    person = lab.cytomine.store.add_user(f"reader of the guide {annotation}", password="guided")
    lab.cytomine.store.add_member(lab.project, person.id, Mask.ADMINISTRATION)
    script = script.replace('"you"', f'"{person.username}"').replace('"..."', '"guided"')
    shown = json.loads(run(["bash", "-euc", script], lab, 0, tmp_path))["refinement"]
    assert not shown["changed"]
    assert shown["preview"]
    assert lab.location(annotation) == BOX.wkt


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="no curl or openssl here")
def test_the_curl_example(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    said = run(["bash", "-euc", example("curl")], lab, annotation, tmp_path)
    assert json.loads(said)["refinement"]["changed"]
    assert lab.iou(annotation) > 0.8


def test_the_python_example(lab: Lab, tmp_path: Path) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    assert run([sys.executable, "-c", example("Python")], lab, annotation, tmp_path).startswith("True 0.")
    assert lab.iou(annotation) > 0.8
    assert lab.location(point) is not None
    (feature,) = json.loads((tmp_path / "discs.geojson").read_text())["features"]
    assert feature["properties"]["image"] == lab.image
    assert iou(shapely.geometry.shape(feature["geometry"]), in_slide_frame(DISC)) > 0.8


def test_the_example_that_looks_first(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    lab.cytomine.faults.clear()
    assert run([sys.executable, "-c", example("Preview first")], lab, annotation, tmp_path).splitlines()[-1] == "True"
    assert lab.requests("PUT") == [f"/api/annotation/{annotation}.json"]
    assert lab.iou(annotation) > 0.8


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_the_curl_example_that_looks_first(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    script = example("Preview first, with curl").replace("http://localhost:6000", lab.service_url)
    said = run(["bash", "-euc", f"SECRET='{SECRET}'\n{script}"], lab, annotation, tmp_path)
    shown = json.loads((tmp_path / "shown.json").read_text())
    assert lab.location(annotation) == shown["location"] == json.loads(said)["location"]


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js here")
def test_the_javascript_example(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    assert run(["node", "-e", example("JavaScript")], lab, annotation, tmp_path).startswith("true 0.")
    assert lab.iou(annotation) > 0.8


@pytest.mark.parametrize("language", ["Python", "JavaScript"])
def test_the_examples_say_that_the_keys_are_wrong(lab: Lab, tmp_path: Path, language: str) -> None:
    command = {"Python": [sys.executable, "-c"], "JavaScript": ["node", "-e"]}[language]
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    guessed = {**environment(lab, lab.draw(BOX)), "CYTOMINE_PRIVATE_KEY": "guessed"}
    done = subprocess.run(
        [*command, example(language)], env=guessed, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("401 Unauthorized")


def test_refusals_say_why(lab: Lab, client: RefineClient) -> None:
    with pytest.raises(RefineFailed) as caught:
        client.refine(lab.draw("LINESTRING (1 1, 5 5)"))
    assert (caught.value.status, caught.value.title) == (422, "This cannot be refined")
    with pytest.raises(RefineFailed, match="404"):
        client.refine(999_999_999)
    guessed = ApiKeyAuth(lab.alice.public_key, "guessed")
    with RefineClient(lab.cytomine.base_url, guessed) as wrong, pytest.raises(RefineFailed, match="401"):
        wrong.refine(lab.draw(BOX))
    with RefineClient("http://127.0.0.1:9", guessed) as absent, pytest.raises(RefineFailed, match="cannot be reached"):
        absent.refine(1)


def test_lists_come_page_by_page(lab: Lab, client: RefineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cytomine_refine.client._PAGE", 3)
    drawn = boxes(lab, 7)
    lab.points(4)
    assert sorted(client.annotations(project=lab.project, image=None)) == drawn


def test_a_busy_service_is_asked_again_when_it_says_so() -> None:
    server = ScriptedServer()
    path = "/api/annotation/7/sam"
    with server.serving(), RefineClient(server.url, ApiKeyAuth("a", "b"), attempts=3) as client:
        server.answers[path] = Answer(503, {"title": "The model is busy"}, headers={"Retry-After": "0"})
        with pytest.raises(RefineFailed, match="503 The model is busy"):
            client.refine(7)
        assert len(server.calls) == 3
        server.answers[path] = Answer(504, {"title": "Too slow"}, headers={"Retry-After": "0"})
        with pytest.raises(RefineFailed, match="504"):  # it may have written: nobody asks again
            client.refine(7)
        assert len(server.calls) == 4


def test_a_second_run_goes_on_where_the_first_stopped(lab: Lab, tmp_path: Path) -> None:
    drawn = boxes(lab, 3)
    report = tmp_path / "report.csv"
    command = [sys.executable, "-m", "app", "refine", "--project", str(lab.project), "--report", str(report)]
    lab.cytomine.faults.add(Fault("status", "PUT", f"/api/annotation/{drawn[1]}.json", times=None, status=403))
    first = subprocess.run(command, env=environment(lab), capture_output=True, text=True, check=False, timeout=120)
    assert first.returncode == 3, first.stderr
    lab.cytomine.faults.clear()
    second = subprocess.run(command, env=environment(lab), capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 0, second.stderr
    assert "2 done already" in second.stderr
    outcomes = [(int(row["annotation"]), row["outcome"]) for row in rows_of(report)]
    assert sorted(outcomes) == sorted([*((number, "changed") for number in drawn), (drawn[1], "failed")])


def test_ctrl_c_finishes_what_is_under_way(lab: Lab, tmp_path: Path) -> None:
    drawn = boxes(lab, 40)
    report = tmp_path / "report.csv"
    command = [sys.executable, "-m", "app", "refine", "--project", str(lab.project), "--report", str(report)]
    process = subprocess.Popen(command, env=environment(lab), stderr=subprocess.PIPE, text=True)
    while not report.is_file() or len(report.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "resumes from here" in said
    rows = rows_of(report)
    assert 2 <= len(rows) < len(drawn)
    changed = {int(row["annotation"]) for row in rows}
    for number in drawn:
        assert (lab.location(number) != shapely.affinity.translate(BOX, drawn.index(number), 0).wkt) == (
            number in changed
        )


def test_no_more_than_the_jobs_run_at_a_time() -> None:
    running, most, guard, together = 0, 0, threading.Lock(), threading.Barrier(3)

    def work(number: int) -> int:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        together.wait(timeout=60)  # ends only if three are at work
        with guard:
            running -= 1
        return number

    assert set(side_by_side(work, range(21), 3)) == set(range(21))
    assert most == 3


@pytest.mark.parametrize(
    "wrong", [[], ["--annotation", "1", "--project", "2"], ["--annotation", "1", "--points", "some"]]
)
def test_wrong_options_are_told(lab: Lab, wrong: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "refine", *wrong],
        env=environment(lab),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2


def test_every_option_reaches_the_service(tmp_path: Path) -> None:
    server = ScriptedServer()
    options = ["--keep-points", "--points", "all", "--dry-run", "--holes", "keep", "--parts", "largest"]
    options += ["--doubtful", "refuse"]
    with server.serving():
        server.answers["/api/annotation/7.json"] = Answer(body={"id": 7, "image": 3, "location": BOX.wkt})
        keys = ["--host", server.url, "--public-key", "a", "--private-key", "b"]
        command = [sys.executable, "-m", "app", "refine", "--annotation", "7", *keys, *options]
        for way in ([], ["--service", f"{server.url}/sam"]):
            mine = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"}
            subprocess.run([*command, *way], cwd=tmp_path, env=mine, check=False, timeout=120)
    to_core, to_service = (json.loads(call.body) for call in server.calls if call.method == "POST")
    chosen = {"points": "all", "holes": "keep", "parts": "largest", "doubtful": "refuse"}
    assert to_core == {"keepPoints": True, "dryRun": True, **chosen}
    assert to_service == {"keep_points": True, "dry_run": True, **chosen}
