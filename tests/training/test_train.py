"""The training itself: it goes on where it stopped, and its product is what the service loads."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.weights.choice import EMBEDDED_MODEL
from training.embedded.iou_over_minutes import plot_iou_over_minutes
from training.embedded.train import Recipe, train

RECIPE = Recipe(steps=40, scenes=6, batch=2, seed=3)
LARGEST_BYTES = 16_000_000


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "state.pt", weights_only=True)
    return dict(state["model"])


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first if first[name].numel())


@pytest.mark.long
def test_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    train(RECIPE, tmp_path / "through", stop_after=3)
    (tmp_path / "stopped").mkdir()
    for scenes in (tmp_path / "through").glob("scenes-*"):  # drawn once is enough
        shutil.copy(scenes, tmp_path / "stopped")
    train(RECIPE, tmp_path / "stopped", stop_after=2)
    assert json.loads((tmp_path / "stopped" / "record.json").read_text())["steps"] == 2
    halfway = weights(tmp_path / "stopped")
    checkpoint = train(RECIPE, tmp_path / "stopped", stop_after=3)
    record = json.loads((tmp_path / "stopped" / "record.json").read_text())
    assert record["steps"] == 3
    assert record["recipe"]["seed"] == 3
    resumed = weights(tmp_path / "stopped")
    assert distance(resumed, weights(tmp_path / "through")) < 0.02 * distance(resumed, halfway)
    load_checkpoint(checkpoint, "embedded")  # strict: no key missing, extra or misshapen


def test_the_committed_model_is_small_and_has_its_record() -> None:
    assert EMBEDDED_MODEL.stat().st_size < LARGEST_BYTES
    record = json.loads(EMBEDDED_MODEL.with_suffix(".json").read_text())
    assert record["steps"] > 1000
    assert record["recipe"]["config"] == record["config"] == "embedded"
    assert record["sha256"] == hashlib.sha256(EMBEDDED_MODEL.read_bytes()).hexdigest()
    assert record["curve"][-1]["iou"] > 0.8


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    plot_iou_over_minutes([{"minutes": 1.0, "step": 9, "iou": 0.5, "validation": 0.4}], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


@pytest.mark.parametrize("arguments", [["embedded", "--help"], ["--help"]])
def test_help(arguments: list[str]) -> None:
    from typer.testing import CliRunner

    from training.cli import app

    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0
    assert "embedded" in answer.output
