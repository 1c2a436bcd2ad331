"""Ctrl-C, or the SIGTERM of a shutdown: one sentence, exit code 130, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.dataset import Dataset
from training.finetune.run import STATE

ROOT = Path(__file__).resolve().parents[2]


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "training", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def wait_for(done: object, process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if done() or process.poll() is not None:  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_is_stopped_and_goes_on(dataset: Dataset, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    arguments = ("train", "--data", str(dataset.folder), "--out", str(run), "--checkpoint", "embedded", "--batch", "2")
    process = started(*arguments, "--epochs", "50")
    wait_for((run / STATE).exists, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Stopped. What is finished is kept: the same command resumes from here." in errors
    assert "Traceback" not in errors
    again = started(*arguments, "--epochs", "1")
    output, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    assert "Encoding windows" not in output + errors  # a bar is for terminals
    assert "epoch   0" not in output  # the starting weights were measured before
    assert "epoch   1" in output


@pytest.mark.long
def test_an_export_is_stopped_and_goes_on(tiles: Path, tmp_path: Path) -> None:
    arguments = ("export", "tiles", str(tiles), "--out", str(tmp_path))
    process = started(*arguments)
    wait_for(lambda: len(list((tmp_path / "masks").glob("*"))) > 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the export was quicker than the signal")
    assert process.returncode == 130, errors
    again = started(*arguments)
    output, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    kept = int(output.split(" kept")[0].split()[-1])
    assert kept >= 2


@pytest.mark.long
def test_an_evaluation_is_stopped_and_keeps_what_it_found(dataset: Dataset, tmp_path: Path) -> None:
    rows = tmp_path / "report" / "rows.jsonl"

    def some() -> bool:
        return rows.exists() and rows.read_text().count("\n") > 1

    arguments = ("evaluate", "--data", str(dataset.folder), "--out", str(rows.parent), "--checkpoint", "embedded")
    process = started(*arguments, "--split", "all")
    wait_for(some, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "Stopped. What is finished is kept: the same command resumes from here."
    assert "Traceback" not in errors
    assert some()
