"""What was asked for and is not there: one line before any long step, and the exit status of a wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.segmenter.weights import REGISTRY, file_sha256
from app.segmenter.weights.choice import EMBEDDED_MODEL
from training.cli import app
from training.models import open_model

COMMANDS = ("train", "evaluate", "whole")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pulled weights with nothing in it."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("REFINE_WEIGHTS__FOLDER", str(folder))
    return folder


def refused(command: str, data: Path, out: Path, *options: str) -> str:
    """Give the one line that a command ends with; nothing may have been exported."""
    asked = [command, str(data)] if command == "whole" else [command, "--data", str(data)]
    answer = CliRunner().invoke(app, [*asked, "--out", str(out), "--checkpoint", "embedded", *options])
    assert answer.exit_code == 2, answer.output
    assert not out.exists()
    (line,) = answer.output.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("weights")
def test_a_misspelt_checkpoint(command: str, tiles: Path, tmp_path: Path) -> None:
    line = refused(command, tiles, tmp_path / "out", "--checkpoint", "base_pluss")
    assert "'base_pluss'" in line
    for known in ("embedded", *(entry.name for entry in REGISTRY)):
        assert known in line


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("weights")
def test_weights_that_were_never_pulled(command: str, tiles: Path, tmp_path: Path) -> None:
    line = refused(command, tiles, tmp_path / "out", "--checkpoint", "base-plus")
    assert "`python -m training pull base_plus`" in line


def test_weights_that_were_pulled_in_part(weights: Path, tiles: Path, tmp_path: Path) -> None:
    (weights / "tiny.pt").write_bytes(b"the beginning")
    line = refused("train", tiles, tmp_path / "out", "--checkpoint", "tiny")
    assert "`python -m app weights pull tiny`" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_no_checkpoint(command: str, tiles: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.pt"
    file.write_bytes(b"nothing of the kind")
    assert "not a torch checkpoint" in refused(command, tiles, tmp_path / "out", "--checkpoint", str(file))


def test_a_card_that_names_a_config_of_its_own(tiles: Path, tmp_path: Path) -> None:
    file = tmp_path / "theirs.pt"
    file.write_bytes(EMBEDDED_MODEL.read_bytes())
    card = {"name": "theirs", "config": str(tmp_path / "theirs.yaml"), "sha256": file_sha256(file)}
    file.with_suffix(".json").write_text(json.dumps(card))
    (tmp_path / "theirs.yaml").write_text("model: {_target_: os.system, command: 'true'}")
    line = refused("train", tiles, tmp_path / "out", "--checkpoint", str(file))
    assert "a card may only name one of" in line
    assert open_model(str(file), "embedded").name == "theirs"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_config(command: str, tiles: Path, tmp_path: Path) -> None:
    assert "'sam2_tiny'" in refused(command, tiles, tmp_path / "out", "--config", "sam2_tiny")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there(command: str, device: str, tiles: Path, tmp_path: Path) -> None:
    line = refused(command, tiles, tmp_path / "out", "--device", device)
    assert f"There is no device {device!r} here: choose among auto, cpu" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_data_folder_that_is_none(command: str, tmp_path: Path) -> None:
    line = refused(
        command, tmp_path / "dtaa", tmp_path / "out", "--checkpoint", "base_pluss"
    )  # data is looked at first
    assert line == f"error: There is no folder {tmp_path / 'dtaa'}."
    assert "neither a dataset nor a folder of tiles" in refused(command, tmp_path, tmp_path / "out")


def test_the_weights_beside_are_looked_at_too(tiles: Path, tmp_path: Path) -> None:
    assert "'embeded'" in refused("evaluate", tiles, tmp_path / "out", "--against", "embeded")
