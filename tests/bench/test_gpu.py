"""The measurements of a GPU, run on the CPU with small numbers: they answer, and keep within the time."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest

from bench import gpu
from bench.gpu_run import Run, page


@pytest.fixture
def run(tmp_path: Path) -> Run:
    weights = gpu._weights("embedded", tmp_path)
    return Run("cpu", weights, tmp_path, runs=1, threads=2, until=time.monotonic() + 600, compiling=False)


def test_a_crowds_answers_are_looked_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = gpu.crowd(run, "torch-bfloat16")
    assert (found["answers"], found["mixed up"]) == (8, 0)
    assert found["refines/s"] > 0
    one, other = np.zeros((2, 8, 8), bool)
    assert not gpu._differs(one, other)
    one[:4], other[2:6] = True, True
    assert gpu._differs(one, other)


def test_a_click_is_timed_alone_and_beside_those_who_encode(run: Run) -> None:
    found = gpu.decoding(run, "torch-bfloat16")
    assert found["alone"]["n"] == found["beside 2 that encode"]["n"] == 5
    assert found["alone"]["p50_ms"] <= found["alone"]["p95_ms"]
    profile = gpu.profile(run, "torch-bfloat16")
    assert profile[0]["ms"] >= profile[1]["ms"] > 0
    assert set(gpu.whole(run, "torch-bfloat16")) == {"to masks", "mask to outline"}


def test_what_fails_or_comes_too_late_costs_the_rest_nothing(run: Run) -> None:
    run.section("fails", lambda: 1 / 0)
    run.section("answers", lambda: [{"a": 1}, {"b": 2}])
    run.until = 0.0
    run.section("late", lambda: "never asked")
    written = json.loads((run.folder / "gpu.json").read_text())
    assert written["fails"]["answer"] == "failed: ZeroDivisionError: division by zero"
    assert "left out" in written["late"]["answer"]
    assert (run.folder / "gpu.md").read_text() == page(run.found)
    assert "| a | b |\n| --- | --- |\n| 1 |  |\n|  | 2 |" in page(run.found)


def test_a_machine_needs_no_more_than_is_listed() -> None:
    """What our own modules import when they are loaded; what those packages need comes with them."""
    look = "import sys, bench.gpu; print(*(each.__file__ for name, each in sys.modules.items() if name[:3] == 'app'))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    whose = packages_distributions()
    names = {name for file in (*done.stdout.split(), gpu.__file__) for name in _imports(Path(file)) if name in whose}
    imported = {min(whose[name]).lower().replace("_", "-") for name in names}
    with_others = {"omegaconf", "pyyaml"}  # hydra-core's own
    assert imported - with_others <= set(gpu.NEEDS)
    assert "torch" in imported
    readme = (Path(gpu.__file__).parent / "README.md").read_text()
    assert all(name in readme for name in gpu.NEEDS if name not in ("cytomine-refine-service", "torch"))


def _imports(file: Path) -> set[str]:
    """Name what a module imports at its top."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - {"app", "bench"}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_whole_of_it_in_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--config", "embedded", "--device", "cpu", "--runs", "1", "--threads", "2", "--out", str(tmp_path)])
    assert "gpu.md" in capsys.readouterr().out
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert len(written) == 7
    assert not [name for name, each in written.items() if str(each["answer"]).startswith("failed")]
