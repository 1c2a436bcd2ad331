"""The embedded model's training: it learns, it goes on where it stopped, and its product is what the service loads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.weights.choice import EMBEDDED_MODEL
from tests.training.conftest import spoilt_weights, write_tile
from training.dataset import Dataset
from training.embedded.pool import REAL
from training.embedded.real import real_scenes
from training.embedded.recipe import Recipe
from training.embedded.record import RECORD
from training.embedded.train import train
from training.errors import BrokenRun
from training.loop import STATE, Loop
from training.start import Machine

CPU = Machine(torch.device("cpu"), mixed=False)
RECIPE = Recipe(
    steps=24, epoch=6, scenes=6, batch=2, rounds=1, learning_rate=3e-4, warm_up_steps=2, averaging=0.6, held_out=12,
    seed=3,
)  # fmt: skip
LARGEST_BYTES = 16_000_000


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / STATE, weights_only=True)
    return dict(state["trained"])


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return max(float((first[name].float() - second[name].float()).abs().max()) for name in first if first[name].numel())


@pytest.fixture
def spoilt(tmp_path: Path) -> str:
    return str(spoilt_weights(tmp_path))


def stopping_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in the middle of the step after so many."""
    real, done = Loop._step, [0]

    def step(self: Any, group: Any) -> None:
        done[0] += 1
        if done[0] > steps:
            raise KeyboardInterrupt
        real(self, group)

    monkeypatch.setattr(Loop, "_step", step)


@pytest.mark.long
def test_it_learns_and_a_resumed_run_is_the_same_run(
    spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through, stopped = tmp_path / "through", tmp_path / "stopped"
    train(RECIPE, through, CPU, begin_with=spoilt)
    stopping_after(8, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, stopped, CPU, begin_with=spoilt)
    monkeypatch.undo()
    halfway = weights(stopped)
    assert json.loads((stopped / RECORD).read_text())["steps"] == 8
    checkpoint = train(RECIPE, stopped, CPU, begin_with=spoilt)
    record = json.loads((stopped / RECORD).read_text())
    assert record["steps"] == RECIPE.steps
    assert record["mask_prompt"]["learned"] is True
    resumed = weights(stopped)
    assert distance(resumed, weights(through)) < 0.02 * distance(resumed, halfway)
    load_checkpoint(checkpoint, "embedded")  # strict: no key missing, extra or misshapen
    curve = record["curve"]
    assert curve[-1]["iou"] > curve[0]["iou"] + 0.05
    assert curve[-1]["loss"] < curve[1]["loss"]
    with pytest.raises(BrokenRun, match="another learning_rate"):
        train(replace(RECIPE, learning_rate=1.0), stopped, CPU, begin_with=spoilt)


@pytest.mark.long
def test_real_windows_are_mixed_in_and_a_time_box_ends_it(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = real_scenes([tiles], leave_out=["nuclei_00"])
    recipe = replace(RECIPE, steps=10**6, minutes=0.001, real=1.0, batch=1)
    train(
        recipe, tmp_path, CPU, real=real, unseen=real_scenes([tiles], only=["nuclei_00"]), begin_with="embedded",
        profile=True,
    )  # fmt: skip
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["began_with"] == "embedded"
    assert record["real"]["images"] == len(real)
    assert record["steps"] == 1
    assert record["curve"][0]["iou of real"] > 0.5
    said = capsys.readouterr().out
    assert "windows and prompts" in said
    assert "ms a step" in said


def test_real_scenes_come_from_images_and_from_datasets(tiles: Path, dataset: Dataset) -> None:
    found = real_scenes([tiles, dataset.folder])
    assert {each.kind for scene in found for each in scene.objects} == {f"{REAL} 0", f"{REAL} 1"}
    whole = real_scenes([tiles])
    left = real_scenes([tiles], leave_out=["nuclei_00"])
    only = real_scenes([tiles], only=["nuclei_00"])
    assert len(left) + len(only) == len(whole)
    assert len(found) - len(whole) == sum(1 for item in dataset.of("train") if dataset.mask(item).any())


def test_large_images_come_in_parts(tmp_path: Path) -> None:
    labels = np.zeros((700, 1000), np.int32)
    labels[100:140, 300:340], labels[600:660, 930:980] = 1, 2
    write_tile(tmp_path, "large", np.full((700, 1000, 3), 200, np.uint8), labels)
    parts = real_scenes([tmp_path])
    assert {part.labels.shape for part in parts} == {(640, 640)}
    shown = {each.label for part in parts for each in part.objects}
    assert shown == {1, 2}


def test_the_committed_model_is_small_and_has_its_record() -> None:
    assert EMBEDDED_MODEL.stat().st_size < LARGEST_BYTES
    record = json.loads(EMBEDDED_MODEL.with_suffix(".json").read_text())
    assert record["steps"] > 1000
    assert record["recipe"]["config"] == record["config"] == "embedded"
    assert record["sha256"] == hashlib.sha256(EMBEDDED_MODEL.read_bytes()).hexdigest()
    assert record["curve"][-1]["iou"] > 0.8


@pytest.mark.parametrize("arguments", [["embedded", "--help"], ["--help"]])
def test_help(arguments: list[str]) -> None:
    from typer.testing import CliRunner

    from training.cli import app

    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0
    assert "embedded" in answer.output
