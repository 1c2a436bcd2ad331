"""Every family through the real commands: train, evaluate, and what cannot be packaged or served says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from training.cli import app
from training.dataset import Dataset, open_dataset
from training.dataset.export import Choice, export
from training.dataset.sources.tiles import TilesFolder
from training.finetune.recipe import Recipe
from training.finetune.run import BEST, LAST, Origin, Run
from training.finetune.train import fine_tune
from training.models import open_model
from training.start import Machine

SAM, FUSED = "sam_vit_tiny", "sam_vit_tiny,tissue_tiny14,concatenation,interpolation"
CPU = Machine(torch.device("cpu"), mixed=False)
QUICK = Recipe(epochs=1, batch=4, learning_rate=1e-3, subsets_per_batch=1, seed=3)


def few(dataset: Dataset) -> Dataset:
    return Dataset(dataset.folder, (*dataset.of("train")[:8], *dataset.of("validation")[:2]), dataset.splits)


def tuned(config: str, dataset: Dataset, folder: Path, recipe: Recipe = QUICK) -> Run:
    start = open_model("random", config, "random")
    origin = Origin(start.name, start.sha256, start.config, "drawn", dataset.sha256, {"train": 1})
    return fine_tune(start.model, recipe, dataset, origin, folder, CPU)


def done(*arguments: object) -> str:
    answer = CliRunner().invoke(app, [str(each) for each in arguments])
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.mark.parametrize("config", [pytest.param(SAM, marks=pytest.mark.long), FUSED])
def test_a_run_of_any_model_can_be_evaluated(config: str, dataset: Dataset, tmp_path: Path) -> None:
    run = tuned(config, few(dataset), tmp_path / "run")
    assert [point["epoch"] for point in run.progress.curve] == [0, 1]
    assert any((tmp_path / "run" / "embeddings").iterdir())  # encoded once
    assert open_model(str(run.folder / LAST)).config == config
    done("evaluate", "--data", dataset.folder, "--checkpoint", run.folder / BEST, "--out", tmp_path / "report",
         "--split", "all", "--limit", 1)  # fmt: skip
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert [model["config"] for model in metrics["models"]] == [config]
    assert metrics["summary"]["best"]["box"]["all objects"]["iou"]["n"] == 2
    packaged = CliRunner().invoke(app, ["package", "--run", str(run.folder), "--out", str(tmp_path / "model")])
    assert packaged.exit_code == 1
    assert "the service runs SAM 2.1 alone" in packaged.stderr


def test_a_stopped_run_of_a_fused_model_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    first = tuned(FUSED, few(dataset), tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)["trained"]
    assert not any(name.startswith(("tissue.", "sam.image_encoder.")) for name in state)
    again = tuned(FUSED, few(dataset), tmp_path, replace(QUICK, epochs=2))
    assert again.progress.curve[:2] == first.progress.curve
    assert again.progress.epoch == 2


@pytest.mark.shared
@pytest.mark.long
@pytest.mark.parametrize(
    "config",
    [SAM, FUSED, "embedded,tissue_tiny16,refinement", "sam_vit_tiny,tissue_tiny16,attention",
     "tissue_tiny14,deconvolution"],
)  # fmt: skip
def test_commands_run_on_real_tissue(config: str, shared_data: Path, tmp_path: Path) -> None:
    """Random weights: the figures mean nothing, the path is the real one."""
    export(TilesFolder(shared_data / "tiles"), tmp_path / "data", Choice(per_slide=1))
    data = tmp_path / "data"
    assert open_dataset(data).of("test")
    checkpoint = "embedded" if config.startswith("embedded") else "random"
    done("train", "--data", data, "--out", tmp_path / "run", "--checkpoint", checkpoint, "--config", config,
         "--encoder", "random", "--epochs", 1, "--batch", 8, "--recipe", "ours", "--subsets", 1)  # fmt: skip
    done("evaluate", "--data", data, "--checkpoint", tmp_path / "run" / "last.pt", "--out", tmp_path / "report",
         "--limit", 2)  # fmt: skip
    models = json.loads((tmp_path / "report" / "metrics.json").read_text())["models"]
    assert models[0]["config"] == open_model(str(tmp_path / "run" / "last.pt")).config
