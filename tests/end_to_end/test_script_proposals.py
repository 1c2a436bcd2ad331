"""Searches from scripts: what is found, what becomes of it, and that nothing is made twice, with the real service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from cytomine_refine import ApiKeyAuth, RefineClient, RefineFailed
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import app, environment, example, outcomes_of, rows_of
from tests.lab import DISC, DISC_RADIUS, DISC_X, DISC_Y, HEIGHT, Lab, settle, with_addition

JWT_SECRET = "a secret that signs the tokens of searches by scripts, sixty-four"
AROUND = (DISC_X - 150, DISC_Y - 150, DISC_X + 150, DISC_Y + 150)
"""Holds one disc."""
BOX = ("--box", *map(str, AROUND))
BESIDE = ("--box", "660", "180", "860", "380")
"""Holds another disc, and not the example."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), JWT_SECRET) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(whole[0], request.node.nodeid, whole[1])
    whole[0].faults.clear()


def drawn(lab: Lab) -> dict[int, str]:
    """Give what Core has on the image."""
    with client_of(lab) as client:
        return {each.annotation_id: each.location for each in client.outlines(image=lab.image)}


def client_of(lab: Lab) -> RefineClient:
    return RefineClient(lab.cytomine.base_url, ApiKeyAuth(lab.alice.public_key, lab.alice.private_key))


def iou(one: str, truth: shapely.Geometry) -> float:
    shape = shapely.from_wkt(one)
    return float(shape.intersection(truth).area / shape.union(truth).area)


def test_proposals_come_as_lines_and_as_a_file_and_nothing_is_written(lab: Lab, tmp_path: Path) -> None:
    done = app(lab, tmp_path, "propose", str(lab.image), *BOX, "--json", "--geojson", "found.geojson")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert max(iou(each["location"], DISC) for each in found) > 0.8
    assert f"{len(found)} proposal" in done.stderr
    assert drawn(lab) == {}
    (file,) = [json.loads((tmp_path / "found.geojson").read_text())]
    upside_down = shapely.Point(DISC_X, HEIGHT - DISC_Y).buffer(DISC_RADIUS)
    best = max(iou(shapely.from_geojson(json.dumps(each["geometry"])).wkt, upside_down) for each in file["features"])
    assert best > 0.8


def test_accepted_once_resumed_and_taken_back(lab: Lab, tmp_path: Path) -> None:
    term = lab.cytomine.store.add_term(lab.project, "disc")
    exemplar = lab.draw(DISC, terms=(term,))
    command = ("similar", str(exemplar), *BESIDE, "--accept", "--jobs", "1")
    lab.cytomine.faults.add(Fault("drop", "POST", "/api/annotation.json", when="after"))
    first = app(lab, tmp_path, *command)
    assert first.returncode == 0, first.stderr
    made = {number: where for number, where in drawn(lab).items() if number != exemplar}
    assert len(made) >= 1
    assert outcomes_of(tmp_path / "similar.csv").count("created") == len(made)
    with client_of(lab) as client:
        assert all(client.outline(number).terms == (term,) for number in made)

    again = app(lab, tmp_path, *command)
    assert again.returncode == 0, again.stderr
    assert "0 of its proposals are not annotations yet" in again.stderr
    anew = app(lab, tmp_path, *command, "--again")
    assert "existed already" in anew.stdout
    assert set(drawn(lab)) == {exemplar, *made}

    edited = max(made)
    lab.cytomine.store.set_location(edited, shapely.box(10, 10, 90, 90).wkt)
    back = app(lab, tmp_path, "undo", "similar.csv")
    assert back.returncode == 0, back.stderr
    assert f"1 left alone, changed since similar.csv was written: {edited}" in back.stderr
    assert set(drawn(lab)) == {exemplar, edited}


def test_an_interrupted_accept_goes_on_where_it_stopped(lab: Lab, tmp_path: Path) -> None:
    command = ("propose", str(lab.image), *BOX, "--accept", "--report", "made.csv", "--jobs", "1")
    lab.cytomine.faults.add(Fault("status", "POST", "/api/annotation.json", times=None, status=403))
    refused = app(lab, tmp_path, *command)
    assert refused.returncode == 3, refused.stderr
    assert drawn(lab) == {}
    chosen = [row for row in rows_of(tmp_path / "made.csv") if row["outcome"] == "chosen"]
    lab.cytomine.faults.clear()
    searches = len([path for path in lab.requests("POST") if path.endswith("/sam/propose")])
    done = app(lab, tmp_path, *command, "--json")
    assert done.returncode == 0, done.stderr
    assert f"Resuming made.csv: {len(chosen)} of its" in done.stderr
    assert {json.loads(line)["annotation"] for line in done.stdout.splitlines()} == set(drawn(lab))
    assert len([path for path in lab.requests("POST") if path.endswith("/sam/propose")]) == searches


def test_the_python_way(lab: Lab) -> None:
    with client_of(lab) as client:
        region = shapely.box(*AROUND).wkt
        for proposal in client.propose(lab.image, region, limit=5):
            made = client.accept_proposal(proposal)
            break
        assert drawn(lab) == {made.annotation_id: made.location}
        proposals = client.propose(lab.image, region, limit=5)
        numbers = [each.number for each in proposals]
        assert proposals.ended is not None
        assert numbers == list(range(1, proposals.ended.proposals + 1))
        client.delete(made.annotation_id)
        assert drawn(lab) == {}


@pytest.mark.parametrize("heading", ["Find others, or everything in a region", "Find others"])
def test_the_examples_of_the_documentation(lab: Lab, tmp_path: Path, heading: str) -> None:
    exemplar = lab.draw(DISC)
    command = ["sh", "-ec"] if "region" in heading else [sys.executable, "-c"]
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [*command, example(heading)],
        env=environment(lab, exemplar),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert set(drawn(lab)) == {exemplar}
    if "region" in heading:
        assert "created" in outcomes_of(tmp_path / "out" / "similar.csv")


def test_a_search_that_is_refused_says_why_in_a_line(lab: Lab, tmp_path: Path) -> None:
    done = app(lab, tmp_path, "propose", str(lab.image), "--box", "-900", "-900", "-800", "-800")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: 4")
    stranger = app(lab, tmp_path, "similar", "999999999")
    assert stranger.returncode == 1
    assert stranger.stderr.startswith("error: 404")
    with client_of(lab) as client, pytest.raises(RefineFailed, match="404"):
        next(client.propose(999_999_999, "POLYGON ((0 0, 9 0, 9 9, 0 0))"))
