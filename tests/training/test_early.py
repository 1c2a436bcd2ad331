"""What is looked at before the first long step: room, where results go, and whether the data are enough."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.cli import app
from training.dataset import Dataset
from training.dataset.export import Choice, export
from training.dataset.sources.tiles import TilesFolder
from training.early import check_out, room_for_training
from training.errors import NoSpace
from training.finetune.recipe import Recipe
from training.models import open_model

Usage = namedtuple("Usage", "total used free")


def line_of(exit_code: int, command: str, data: Path, out: Path, *options: str) -> str:
    """Give the one line that a command ends with."""
    asked = [command, str(data)] if command == "whole" else [command, "--data", str(data)]
    answer = CliRunner().invoke(app, [*asked, "--out", str(out), "--checkpoint", "embedded", *options])
    assert answer.exit_code == exit_code, answer.output
    (line,) = answer.output.splitlines()
    return line


@pytest.mark.parametrize("command", ["train", "evaluate", "whole"])
def test_a_disk_without_room(command: str, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.early.shutil.disk_usage", lambda _: Usage(10**9, 10**9 - 10**6, 10**6))
    line = line_of(1, command, tiles, tmp_path / "out")
    assert line.startswith(f"error: {tmp_path / 'out'} needs about 67 MB, and its disk has 1 MB left: make room")
    assert not (tmp_path / "out").exists()


def test_a_disk_without_room_for_the_embeddings(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.early.shutil.disk_usage", lambda _: Usage(10**9, 0, 70 * 10**6))
    line = line_of(1, "train", dataset.folder, tmp_path / "run")
    assert "needs about" in line
    assert "70 MB left" in line
    assert not (tmp_path / "run").exists()


def test_room_is_what_is_really_there(tmp_path: Path) -> None:
    check_out(tmp_path / "not" / "there" / "yet", shutil.disk_usage(tmp_path).free // 2)
    with pytest.raises(NoSpace, match="make room, or choose another --out"):
        check_out(tmp_path, shutil.disk_usage(tmp_path).total + 1)


def test_the_room_that_is_asked_for_is_about_what_a_training_writes(dataset: Dataset, tmp_path: Path) -> None:
    start = open_model("embedded", None)
    needed = room_for_training(start.model, Recipe(epochs=1), dataset, tmp_path / "run")
    answer = CliRunner().invoke(
        app,
        [
            "train",
            "--data",
            str(dataset.folder),
            "--out",
            str(tmp_path / "run"),
            "--checkpoint",
            "embedded",
            "--epochs",
            "1",
        ],
    )
    assert answer.exit_code == 0, answer.output
    written = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert written < needed < 12 * written
    assert room_for_training(start.model, Recipe(epochs=1), dataset, tmp_path / "run") < needed


@pytest.mark.parametrize("command", ["train", "evaluate", "whole"])
def test_results_that_have_no_place(command: str, tiles: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = line_of(2, command, tiles, tmp_path / "file" / "out")
    assert (
        line == f"error: {tmp_path / 'file'} is not a folder, so nothing can be written to {tmp_path / 'file' / 'out'}."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may write anywhere")
def test_a_folder_that_may_not_be_written(tiles: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "Nothing may be written to" in line_of(2, "train", tiles, tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("command", ["train", "whole"])
def test_too_few_slides(command: str, tiles: Path, tmp_path: Path) -> None:
    for name in ("nuclei_00", "nuclei_01"):
        for suffix in (".png", ".mask.png"):
            shutil.copy(tiles / f"{name}{suffix}", tmp_path / f"{name}{suffix}")
    line = line_of(2, command, tmp_path, tmp_path / "out")
    assert "has nothing to train on, or nothing to validate with: it needs 3 slides or more" in line
    assert not (tmp_path / "out").exists()


def test_a_side_of_the_split_that_is_empty(tiles: Path, tmp_path: Path) -> None:
    for suffix in (".png", ".mask.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(tiles / f"nuclei_00{suffix}", tmp_path / "in" / f"nuclei_00{suffix}")
    export(TilesFolder(tmp_path / "in"), tmp_path / "data", Choice(per_slide=2))
    line = line_of(2, "evaluate", tmp_path / "data", tmp_path / "out")
    assert "has nothing in its test split: choose another --split" in line
    assert "has nothing to train on" in line_of(2, "train", tmp_path / "data", tmp_path / "out")


def test_a_damaged_dataset_is_told_before_a_checkpoint_is_looked_at(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.folder, tmp_path / "data")
    (tmp_path / "data" / "splits.json").write_text("{")
    line = line_of(1, "train", tmp_path / "data", tmp_path / "out", "--checkpoint", "misspelt")
    assert "splits.json is damaged" in line
