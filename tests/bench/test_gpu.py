"""The measurements of a GPU, run on the CPU with small numbers: they answer, and keep within the time."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench import gpu
from bench.gpu_run import Run, page


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    weights = gpu._weights("embedded", tmp_path)
    run = Run("cpu", weights, tmp_path, runs=1, threads=2, until=time.monotonic() + 600, compiling=False)
    yield run
    run.close()


def test_a_crowds_answers_are_looked_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = gpu.crowd(run, "torch-bfloat16")
    assert (found["answers"], found["mixed up"]) == (50, 0)
    assert found["least IoU with the same alone"] > 0.99
    assert found["model's work, refines/s"] > 0
    one, other = np.zeros((2, 8, 8), bool)
    assert gpu._iou(one, other) == 1
    one[:4], other[2:6] = True, True
    assert gpu._iou(one, other) == pytest.approx(1 / 3)


def test_an_engine_is_loaded_once_for_questions_that_follow_each_other(run: Run) -> None:
    with run.opened("torch-bfloat16") as first:
        pass
    with run.opened("torch-bfloat16") as again:
        assert again is first
    with run.opened("torch-float32") as other:
        assert list(run._open.values()) == [other]


def test_targets_are_held_against_what_was_found(run: Run) -> None:
    run.section("crowd", lambda: {"model's work, refines/s": 150.0, "mixed up": 0})
    run.section("engines by batches", lambda: [{"engine": "cuda-bfloat16", "8, windows/s": 301.5}])
    run.section("start", lambda: 1 / 0)
    met = {row["target"]: (row["measured"], row["met"]) for row in gpu.targets(run, "cuda-bfloat16")}
    assert met["≥ 300"] == (301.5, True)
    assert met["≥ 200"] == (150.0, False)
    assert met["≤ 0"] == (0, True)
    assert met["≤ 20"] == ("not known", "")


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
    look = (
        "import sys, bench.gpu; print(*(m.__file__ for name, m in sys.modules.items() if name[:3] in ('app', 'ben')))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    whose = packages_distributions()
    names = {name for file in done.stdout.split() for name in _imports(Path(file)) if name in whose}
    imported = {min(whose[name]).lower().replace("_", "-") for name in names}
    with_others = {"omegaconf", "pyyaml"}  # hydra-core's own
    assert imported - with_others <= set(gpu.NEEDS)
    assert "torch" in imported
    readme = (Path(gpu.__file__).parent / "README.md").read_text()
    assert all(name in readme for name in gpu.NEEDS if name not in ("cytomine-refine-service", "torch"))


_BARE = """
import sys
class Bare:
    def find_spec(name, path=None, target=None):
        if name.partition('.')[0] in {missing!r}:
            raise ModuleNotFoundError(f'{{name}} is not on this machine', name=name)
sys.meta_path.insert(0, Bare)
from bench import gpu
gpu.main({arguments!r})
"""


def test_it_starts_where_nothing_else_is_installed(tmp_path: Path) -> None:
    """With what the listed packages need themselves; sam2 comes without."""
    there, unseen = set(gpu.NEEDS), list(gpu.NEEDS)
    for name in unseen:
        wanted = [] if name in ("sam2", "cytomine-refine-service") else map(Requirement, requires(name) or [])
        needed = {
            canonicalize_name(each.name) for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})
        }
        unseen += needed - there
        there |= needed
    there |= {"iopath", "tqdm", "portalocker"}
    whose = packages_distributions()
    missing = {module for module, names in whose.items() if not {canonicalize_name(name) for name in names} & there}
    arguments = ["--config", "embedded", "--device", "cpu", "--out", str(tmp_path), "--start", "torch-float32"]
    code = _BARE.format(missing=missing, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]).keys() == {"imports, s", "weights, recording, s", "first window, s"}
    assert {"fastapi", "ray", "scipy", "matplotlib", "torchvision"} <= missing


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
    assert len(written) == 9
    assert not [name for name, each in written.items() if str(each["answer"]).startswith("failed")]
    assert all(row["measured"] != "not known" for row in written["targets"]["answer"])
    start = written["start"]["answer"]
    assert start["ready after, s"] == pytest.approx(sum(start.values()) / 2, abs=0.05)
