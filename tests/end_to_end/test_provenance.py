"""Where an outline comes from: a property in Core, and a journal from which it is made again, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import shapely
from pydantic import SecretStr

from app.settings import RefineSettings, Settings
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import ROOT
from tests.lab import BOX, DISC_X, DISC_Y, Lab, draw_image, in_one_process, serving, settings_for, settle

pytestmark = in_one_process
ON = {"x": DISC_X, "y": DISC_Y, "label": 1}
KEY = "refined-with-sam"


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        draw_image(embedded.slides / "discs.png")
        yield embedded


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal") / "journal.jsonl"


@pytest.fixture(scope="module")
def settings(cytomine: EmbeddedCytomine, journal: Path) -> Settings:
    return settings_for(cytomine).model_copy(update={"refine": RefineSettings(provenance=True, journal=journal)})


@pytest.fixture(scope="module")
def service_url(settings: Settings) -> Iterator[str]:
    with serving(settings) as url:
        yield url


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, service_url: str, journal: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    journal.write_bytes(b"")
    yield settle(cytomine, request.node.nodeid, service_url)
    cytomine.faults.clear()


def properties(lab: Lab, annotation: int) -> list[dict[str, str]]:
    with lab.cytomine.store.transaction() as db:
        rows = db.execute("SELECT key, value FROM properties WHERE annotation = ?", (annotation,)).fetchall()
    return [dict(row) for row in rows]


def undo_all(lab: Lab, commands: list[int]) -> None:
    from cytomine import Cytomine

    keys = (lab.account.public_key, lab.account.private_key)
    with Cytomine(lab.cytomine.base_url, *keys, use_cache=False, configure_logging=False) as client:
        for command in reversed(commands):
            assert client.get(f"command/{command}/undo.json")


def test_the_property_is_noted_replaced_and_taken_back(lab: Lab) -> None:
    number = lab.draw(BOX)
    lab.cytomine.store.add_property(number, "grade", "2")
    first = lab.refine(number, clicks=[ON]).json()
    assert first["provenance"] == "noted"
    grade, noted = properties(lab, number)
    assert (grade["key"], noted["key"]) == ("grade", KEY)
    assert json.loads(noted["value"])["prompts"] == [f"+{DISC_X},{DISC_Y}"]
    second = lab.refine(number, box=list(BOX.bounds)).json()
    assert [each["key"] for each in properties(lab, number)] == ["grade", KEY]
    assert json.loads(properties(lab, number)[1]["value"])["prompts"] == []
    undo_all(lab, second["commands"])
    assert lab.location(number) == first["location"]
    assert properties(lab, number)[1] == noted
    undo_all(lab, first["commands"])
    assert lab.location(number) == BOX.wkt
    assert [each["key"] for each in properties(lab, number)] == ["grade"]


def test_an_accepted_preview_is_noted_too(lab: Lab) -> None:
    number = lab.draw(BOX)
    shown = lab.refine(number, dry_run=True, clicks=[ON]).json()
    assert (shown["provenance"], properties(lab, number)) == (None, [])
    assert lab.refine(number, preview=shown["preview"]).json()["provenance"] == "noted"
    assert len(properties(lab, number)) == 1


@pytest.mark.parametrize("kind", ["status", "cut", "garbage", "odd"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_that_it_cannot_be_noted_fails_no_refine(lab: Lab, kind: str, method: str) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    skip = 2 if method == "GET" else 0  # the point's own are looked at twice
    lab.cytomine.faults.add(Fault(kind, method=method, path="/property.json$", skip=skip, status=500))  # type: ignore[arg-type]
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["changed"]
    assert (result["points_deleted"], lab.location(number)) == ([point], result["location"])
    if kind != "odd":
        assert result["provenance"] == "failed"
    if kind != "odd" and (method, kind) != ("POST", "cut"):
        assert properties(lab, number) == []


def test_the_property_is_no_prompt_and_no_obstacle(lab: Lab) -> None:
    number = lab.draw(BOX)
    lab.refine(number)
    point = lab.point(DISC_X, DISC_Y)
    result = lab.refine(number).json()
    assert result["points_deleted"] == [point]


def replayed(settings: Settings, journal: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    platform = settings.platform
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REFINE_PLATFORM__HOST": platform.host,
        "REFINE_PLATFORM__PUBLIC_KEY": platform.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": platform.private_key.get_secret_value(),
        "REFINE_SEGMENTER__DEVICE": "cpu",
        "REFINE_SEGMENTER__DEMO_MODEL": "true",
        **changed,
    }
    command = [sys.executable, "-m", "app", "replay", str(journal)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)


def test_a_journal_is_made_again_byte_for_byte_after_everything_has_gone(
    lab: Lab, settings: Settings, journal: Path
) -> None:
    numbers = [lab.draw(shapely.affinity.translate(BOX, shift, 0)) for shift in (0, 2, 40)]
    lab.point(DISC_X, DISC_Y)
    lab.refine(numbers[0])
    shown = lab.refine(numbers[1], dry_run=True, clicks=[ON, {"x": DISC_X + 70, "y": DISC_Y + 70, "label": 0}]).json()
    lab.refine(numbers[1], preview=shown["preview"])
    lab.refine(numbers[2], proposal=1, outline="thesis", points="ignore")
    for number in numbers:
        lab.cytomine.store.remove(number)
    text = journal.read_text()
    assert len(text.splitlines()) == 3
    assert settings.platform.private_key.get_secret_value() not in text
    lab.cytomine.faults.clear()
    done = replayed(settings, journal)
    assert (done.returncode, done.stdout) == (0, "3 the same\n"), done.stderr
    assert lab.requests("PUT") == lab.requests("DELETE") == []
    assert {path.split("/")[1] for path in lab.requests("POST")} == {"ims"}  # windows, and nothing else
    moved, foreign = json.loads(text.splitlines()[0]), json.loads(text.splitlines()[0])
    moved["recipe"]["first_box"][0] += 20
    foreign["model"]["sha256"] = "f" * 64
    lost = json.loads(text.splitlines()[0])
    lost["recipe"]["slide_id"] = 10**9
    journal.write_text("\n".join(map(json.dumps, (moved, foreign, lost))) + "\n{\n")
    done = replayed(settings, journal)
    assert done.returncode == 1
    assert done.stdout == "1 other outlines, 1 made with different weights, 1 lines not readable, 1 failed\n"
    assert f"{numbers[0]}: not the outline of " in done.stderr


def test_a_service_that_cannot_write_its_journal_does_not_start(settings: Settings, tmp_path: Path) -> None:
    from app.errors import InvalidSettings
    from app.main import create_app

    odd = settings.model_copy(update={"refine": RefineSettings(journal=tmp_path)})
    with pytest.raises(InvalidSettings, match="REFINE_REFINE__JOURNAL"):
        create_app(odd)


def test_core_says_which_keys_it_does_not_know(settings: Settings, journal: Path, lab: Lab) -> None:
    lab.refine(lab.draw(BOX))
    wrong = settings.model_copy(
        update={"platform": settings.platform.model_copy(update={"private_key": SecretStr("wrong")})}
    )
    done = replayed(wrong, journal)
    assert (done.returncode, done.stdout) == (1, "1 failed\n")
    assert httpx.get(f"{lab.service_url}/health", trust_env=False).status_code == 200
