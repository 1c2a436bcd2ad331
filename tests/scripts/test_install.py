"""What ``scripts/install.sh`` asks pip for, with a Python that only notes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTING = """#!/bin/sh
echo "$*" >> "$NOTES"
case "$*" in *+cpu*) [ -z "$NO_CPU_BUILD" ] ;; *version*) echo 2.13.0 ;; *) exit 0 ;; esac
"""


def asked(folder: Path, *, gpu: bool = False, **settings: str) -> tuple[list[str], str]:
    """Run the script; gives what pip was asked for, and what the script said."""
    python, smi, notes = folder / "venv" / "bin" / "python", folder / "bin" / "nvidia-smi", folder / "notes"
    (folder / "venv" / "lib" / "python3.11" / "site-packages" / "nvidia").mkdir(parents=True)
    for file, text in ((python, NOTING), (smi, f"#!/bin/sh\nexit {0 if gpu else 9}\n")):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    path = f"{smi.parent}{os.pathsep}{os.environ['PATH']}"
    told = {"PATH": path, "VENV": str(folder / "venv"), "NOTES": str(notes), "NO_CPU_BUILD": "", **settings}
    done = subprocess.run(
        ["sh", "scripts/install.sh"], cwd=ROOT, env=told, capture_output=True, text=True, timeout=60, check=True
    )
    return [line for line in notes.read_text().splitlines() if "install" in line], done.stdout


@pytest.mark.skipif(not shutil.which("du"), reason="no du here")
@pytest.mark.parametrize("extras", ["openvino", "openvino,dev"])
def test_without_a_gpu_the_cpu_build_is_taken_where_there_is_one(tmp_path: Path, extras: str) -> None:
    lines, said = asked(tmp_path, EXTRAS=extras, TORCH_INDEX_URL="http://here/cpu")
    assert "torch==2.13.0+cpu" in lines[0]
    assert ("torchvision==0.28.0+cpu" in lines[0]) == ("dev" in extras)
    assert "--extra-index-url http://here/cpu" in lines[0]
    assert not any(line.endswith(" torch") for line in lines)
    assert lines[-1].endswith(f"-e ./client -e .[{extras}]")
    assert f"torch 2.13.0, extras {extras}; {tmp_path / 'venv'} has " in said


def test_where_there_is_no_cpu_build_the_script_says_how_to_name_one(tmp_path: Path) -> None:
    lines, said = asked(tmp_path, NO_CPU_BUILD="yes")
    assert "+cpu" in lines[0]
    assert lines[1].endswith("constraints.txt torch")
    assert "TORCH_INDEX_URL=" in said


def test_with_a_gpu_the_build_for_it_is_taken(tmp_path: Path) -> None:
    lines, said = asked(tmp_path, gpu=True)
    assert not any("+cpu" in line for line in lines)
    assert "TORCH_INDEX_URL" not in said


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_each_target_installs_what_is_still_missing(tmp_path: Path) -> None:
    def installed_by(target: str) -> list[str]:
        notes = tmp_path / "notes"
        notes.write_text("")
        subprocess.run(["make", target], cwd=tmp_path, check=True, capture_output=True, timeout=60)
        return notes.read_text().splitlines()

    (tmp_path / "scripts").mkdir()
    (tmp_path / "demo" / "viewer").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for empty in ("pyproject.toml", "constraints.txt", "demo/viewer/package.json", "scripts/build_viewer.sh"):
        (tmp_path / empty).touch()
    install = 'echo "${EXTRAS-everything}" >> notes; mkdir -p $VENV/bin; cp /bin/true $VENV/bin/python\n'
    (tmp_path / "scripts" / "install.sh").write_text(install)

    planned = subprocess.run(["make", "-n", "image-demo"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "sh scripts/install.sh" in planned.stdout  # converting a model needs more than showing one
    assert "EXTRAS=demo,tissue" not in planned.stdout

    assert installed_by("demo") == ["demo,tissue"]
    assert installed_by("demo") == []
    assert installed_by("install") == ["everything"]
    assert installed_by("demo") == []
    for age_s, files in ((20, ("pyproject.toml", "constraints.txt", "scripts/install.sh")), (10, (".venv/.ready*",))):
        for file in (each for pattern in files for each in tmp_path.glob(pattern)):
            os.utime(file, (time.time() - age_s,) * 2)  # what is touched in one tick of the clock is of one age
    assert installed_by("demo") == []
    (tmp_path / "pyproject.toml").touch()
    assert installed_by("demo") == ["demo,tissue"]
    assert installed_by("install") == ["everything"]
