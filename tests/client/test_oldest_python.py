"""The client keeps to the Python that its metadata names as the oldest, on machines that have only a newer one, too."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "client"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the client, to spoil."""
    shutil.copy(CLIENT.parent / "pyproject.toml", tmp_path)
    return Path(shutil.copytree(CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("build", "*.egg-info")))


def checked(client: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=client, capture_output=True, text=True, check=False, timeout=300
    )


def test_its_library_calls_are_in_it(copy: Path, tmp_path: Path) -> None:
    mypy = ("mypy", "--config-file", str(copy / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"))
    done = checked(copy, *mypy)
    assert done.returncode == 0, done.stdout
    (copy / "cytomine_refine" / "newer.py").write_text('"""New."""\n\nfrom datetime import UTC\n\nZONE = UTC\n')
    assert 'has no attribute "UTC"' in checked(copy, *mypy).stdout


def test_its_syntax_is_known_to_it(copy: Path) -> None:
    done = checked(copy, "ruff", "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout
    (copy / "cytomine_refine" / "newer.py").write_text('"""New."""\n\ntype Name = str\n')
    assert "Python 3.10" in checked(copy, "ruff", "check", "--no-cache", ".").stdout
