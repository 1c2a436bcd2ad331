"""Other weights while people click: no request is lost, and the weights before come back by one command."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import torch

from app.segmenter.weights import file_sha256
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import WeightsSettings
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, DISC_X, DISC_Y, Lab, in_one_process, serving, settings_for, settle

pytestmark = in_one_process


def other_weights(folder: Path) -> Path:
    """Write the embedded model's weights with one number changed, and their card."""
    state = torch.load(EMBEDDED_MODEL, weights_only=True)
    name = next(name for name, value in state["model"].items() if value.ndim > 1)
    state["model"][name] = state["model"][name] * 1.001
    file = folder / "ours.pt"
    torch.save(state, file)
    card = {"name": "ours", "config": "embedded", "sha256": file_sha256(file)}
    file.with_suffix(".json").write_text(json.dumps(card))
    return file


def weights(folder: Path, *arguments: str) -> str:
    """Run ``python -m app weights`` as an operator does."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "weights", *arguments, "--folder", str(folder)],
        capture_output=True, text=True, check=False, env={"REFINE_SEGMENTER__DEMO_MODEL": "true", "PATH": ""},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def at_work(lab: Lab) -> str:
    return str(httpx.get(f"{lab.service_url}/health", trust_env=False).json()["model"]["name"])


def wait_for(lab: Lab, name: str) -> None:
    for _ in range(1200):
        if at_work(lab) == name:
            return
        time.sleep(0.05)
    raise TimeoutError(name)


@pytest.mark.long
def test_weights_change_while_clicks_go_on(tmp_path: Path) -> None:
    folder, ours = tmp_path / "weights", other_weights(tmp_path)
    with EmbeddedCytomine(tmp_path / "cytomine", jwt_secret="s" * 64) as cytomine:
        settings = settings_for(cytomine)
        settings = settings.model_copy(update={"weights": WeightsSettings(folder=folder, watch_s=0.05)})
        with serving(settings) as url:
            lab = settle(cytomine, "weights", url)
            annotation, before, after = lab.draw(BOX), at_work(lab), "ours"
            preview = lab.refine(annotation, dry_run=True).json()
            answers: list[httpx.Response] = []
            ended = threading.Event()

            def click() -> None:
                place = 0
                while not ended.wait(0.2):
                    place += 1
                    clicks = [{"x": DISC_X + place % 9, "y": DISC_Y, "label": 1}]
                    answers.append(lab.refine(annotation, dry_run=True, clicks=clicks))

            people = [threading.Thread(target=click) for _ in range(2)]
            for person in people:
                person.start()
            assert "In use from now on (put to use): Checkpoint ours" in weights(folder, "use", str(ours))
            wait_for(lab, after)
            unfit = lab.refine(annotation, preview=preview["preview"])
            fresh = lab.refine(annotation, dry_run=True).json()
            assert fresh["model"]["name"] == after
            assert "In use from now on (from the settings): EMBEDDED DEMO MODEL" in weights(folder, "back")
            wait_for(lab, before)
            ended.set()
            for person in people:
                person.join()
            assert lab.refine(annotation, dry_run=True).json()["model"]["name"] == before
            assert lab.refine(annotation).status_code == 200
        assert lab.iou(annotation) > 0.9
    assert unfit.status_code == 409
    assert unfit.json()["type"].endswith("preview-unfit")
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    assert {answer.json()["model"]["name"] for answer in answers} == {before, after}
