"""Evaluation, package and the last check: the files that people open, and the service that loads the result."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from app.segmenter.weights import choose
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings, Settings
from training.cli import app
from training.dataset import Dataset
from training.errors import BrokenDataset, BrokenRun
from training.evaluation.evaluate import ALL_RECIPES, ROWS, Row, summary
from training.evaluation.whole import evaluate_and_report
from training.mask_prompts import MaskPrompts, mask_prompts_of
from training.models import open_model
from training.package import About, package
from training.start import Machine

CPU = Machine(torch.device("cpu"), mixed=False)


def report_of(dataset: Dataset, folder: Path) -> dict[str, object]:
    models = [open_model("embedded", None), open_model("embedded", None)]
    report = evaluate_and_report(dataset.folder, models, CPU, "all", 2, 0, folder)
    return dict(json.loads(report.metrics.read_text()))


@pytest.fixture(scope="module")
def evaluated(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    report_of(dataset, folder)
    return folder


def test_metrics_hold_every_prompt_for_every_object_type(evaluated: Path) -> None:
    content = json.loads((evaluated / "metrics.json").read_text())
    assert [model["name"] for model in content["models"]] == ["embedded", "embedded (2)"]
    found = content["summary"]["embedded"]
    assert {recipe.name for recipe in ALL_RECIPES} <= set(found)
    assert {"automatic", "box, recirculated", "all, recirculated"} <= set(found)
    assert found["all prompt types"]["all objects"]["iou"]["n"] == 5 * found["box"]["all objects"]["iou"]["n"]
    groups = found["box"]
    assert set(groups) == {
        "nucle type", "gland type", "dataset nuclei", "dataset glands", "all objects", "mean of datasets",
    }  # fmt: skip
    iou = groups["nucle type"]["iou"]
    assert set(iou) == {"n", "mean", "q1", "median", "q3"}
    assert iou["n"] == 2
    assert 0 <= iou["q1"] <= iou["median"] <= iou["q3"] <= 1
    assert {"raw_iou", "size_retention", "boundary_f", "compactness", "first_compactness", "seconds", "score"} <= set(
        groups["all objects"]
    )
    assert content["summary"]["embedded (2)"]["box"]["all objects"]["iou"] == groups["all objects"]["iou"]
    assert content["by_object_type"]["gland type"]["box"] == groups["gland type"]
    for method in ("plain box", "ellipse", "GrabCut"):
        assert set(content["summary"][method]) == {"exact box", "box", "loosened box"}


def test_the_report_needs_nothing_else(evaluated: Path) -> None:
    html = (evaluated / "report.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "<script" not in html
    for number in ("4.1", "4.2", "4.3", "4.4", "4.5", "5.9", "5.13"):
        assert f"thesis' table {number}" in html or f"thesis&#39; table {number}" in html
    assert "tables 4.6 and 4.7" in html
    assert "tables 5.16 and 5.17" in html
    assert "never trained with them" in html  # mask prompts, says the card of the embedded model
    assert "<th>IoU, raw</th><th>IoU</th>" in html
    assert html.count("<figure>") == 4  # all there are; twelve at most
    assert "<td>nan" not in html


def test_an_evaluation_goes_on_where_it_stopped(evaluated: Path, dataset: Dataset, tmp_path: Path) -> None:
    lines = (evaluated / ROWS).read_text().splitlines(keepends=True)
    (tmp_path / ROWS).write_text("".join(lines[:-1]) + lines[-1][:50])
    before = json.loads((evaluated / "metrics.json").read_text())["summary"]["embedded"]["box"]["all objects"]["iou"]
    after = report_of(dataset, tmp_path)["summary"]["embedded"]["box"]["all objects"]["iou"]  # type: ignore[index]
    assert after == pytest.approx(before)
    assert (tmp_path / ROWS).read_text().splitlines()[:-2] == [line.rstrip("\n") for line in lines[:-2]]


def test_groups_are_averaged_as_they_say(dataset: Dataset) -> None:
    nuclei = [item for item in dataset.items if item.dataset == "nuclei"][:3]
    glands = [item for item in dataset.items if item.dataset == "glands"][:1]
    values = {item.id: value for item, value in zip((*nuclei, *glands), (0.1, 0.2, 0.6, 0.9), strict=True)}
    rows = [Row(item.id, "m", "box", True, {"iou": values[item.id]}) for item in (*nuclei, *glands)]
    found = summary(rows, dataset.items)["m"]["box"]
    assert found["dataset nuclei"]["iou"]["mean"] == pytest.approx(0.3)
    assert found["all objects"]["iou"]["mean"] == pytest.approx(0.45)
    assert found["mean of datasets"]["iou"]["mean"] == pytest.approx(0.6)
    assert found["dataset nuclei"]["iou"]["median"] == pytest.approx(0.2)


@pytest.mark.long
def test_a_folder_of_tiles_will_do(tiles: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "--data", str(tiles), "--checkpoint", "embedded", "--out", str(tmp_path), "--limit", "1"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    data = json.loads((tmp_path / "metrics.json").read_text())["data"]
    assert (data["split"], data["objects"]) == ("all", 2)


def test_an_empty_split_is_told(dataset: Dataset, tmp_path: Path) -> None:
    empty = Dataset(dataset.folder, dataset.items, dict.fromkeys(dataset.splits, "train"))
    assert empty.of("test") == []
    with pytest.raises(BrokenDataset):
        evaluate_and_report(tmp_path, [open_model("embedded", None)], CPU, "test", 0, 0, tmp_path)


@pytest.mark.long
def test_the_whole_path_with_one_command(tiles: Path, tmp_path: Path) -> None:
    """Export, train, evaluate, package and serve: the real commands, and the real service over HTTP."""
    out = tmp_path / "out"
    arguments = ["whole", str(tiles), "--out", str(out), "--epochs", "1", "--per-slide", "3", "--limit", "1"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert re.search(r"epoch   0  validation IoU 0\.\d{4} \(best\)", answer.output)  # no loss before anything is learnt
    assert re.search(r"epoch   1  loss \d\.\d{4}  validation IoU 0\.\d{4}", answer.output)
    told = re.search(r"refined (\S+) over HTTP in .* IoU ([0-9.]+) -> ([0-9.]+) \(model fine-tuned\)", answer.output)
    assert told, answer.output
    assert float(told[3]) > float(told[2])
    checkpoint = out / "model" / "fine-tuned.pt"
    card = json.loads(checkpoint.with_suffix(".json").read_text())
    assert card["metrics"]["split"] == "test"
    assert card["licence"] == "not stated"
    text = (out / "model" / "README.md").read_text()
    assert card["sha256"] in text
    assert "| exact box |" in text

    from app.cli import app as service

    verified = CliRunner().invoke(service, ["weights", "verify", str(checkpoint)])
    assert verified.exit_code == 0, verified.output
    assert "is fine-tuned" in verified.output
    assert "loads strictly with config embedded" in verified.output
    chosen = choose(Settings(segmenter=SegmenterSettings(checkpoint=checkpoint)))
    assert (chosen.name, chosen.config) == ("fine-tuned", "embedded")
    explicit = SegmenterSettings(checkpoint=checkpoint, config="sam2.1_hiera_t")
    assert choose(Settings(segmenter=explicit)).config == "sam2.1_hiera_t"

    checkpoint.write_bytes(checkpoint.read_bytes() + b"?")
    refused = CliRunner().invoke(service, ["weights", "verify", str(checkpoint)])
    assert refused.exit_code == 1
    assert "its card fine-tuned.json says" in refused.output


def test_metrics_of_another_checkpoint_are_refused(evaluated: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    origin = {"config": "embedded", "checkpoint": "embedded", "checkpoint_sha256": "", "dataset": "", "items": {}}
    record = {"origin": {**origin, "dataset_sha256": ""}, "recipe": {"tune": "decoder", "loss": "sam"}, "epochs": 1}
    record |= {"best_epoch": 1, "best_validation_iou": 0.5, "curve": [{"iou": 0.4}]}
    (run / "run.json").write_text(json.dumps(record))
    state = torch.load(EMBEDDED_MODEL, weights_only=True)
    state["model"] = {name: value + 0.001 for name, value in state["model"].items()}
    taught = MaskPrompts(-6.9, 6.9, learned=True)
    torch.save({**state, "mask_prompt": taught.on_a_card()}, run / "best.pt")
    about = About("mine", "CC0-1.0")
    with pytest.raises(BrokenRun, match="holds the metrics of another checkpoint"):
        package(run, evaluated / "metrics.json", about, tmp_path / "model")
    assert package(run, None, about, tmp_path / "model").name == "mine.pt"
    assert mask_prompts_of(tmp_path / "model" / "mine.pt") == taught
    assert "Vanmechelen, T. (2025)" in (tmp_path / "model" / "README.md").read_text()
    assert "Vanmechelen" in json.loads((tmp_path / "model" / "mine.json").read_text())["method"]
    with pytest.raises(BrokenRun, match="has no finished epoch of a training"):
        package(tmp_path / "nothing", None, about, tmp_path / "model")
    torch.save({**state, "mask_prompt": 7}, run / "best.pt")
    with pytest.raises(BrokenRun, match=r"best\.pt is damaged: mask_prompt should hold"):
        package(run, None, about, tmp_path / "model")


@pytest.mark.parametrize("command", ["", "export", "export tiles", "train", "evaluate", "package", "whole", "embedded"])
def test_help(command: str) -> None:
    answer = CliRunner().invoke(app, [*command.split(), "--help"])
    assert answer.exit_code == 0
    assert "Usage" in answer.output
    assert "<bool>" not in answer.output


def test_errors_are_one_line(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert answer.exit_code == 2
    assert answer.output.startswith("error: ")
    assert len(answer.output.strip().splitlines()) == 1
    wrong = CliRunner().invoke(app, ["train", "--data", ".", "--out", ".", "--prompts", "negative"])
    assert wrong.exit_code == 2
