"""Builds wheels of copies of the checkout, and installs them where nothing of the checkout is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
_IGNORED = shutil.ignore_patterns("__pycache__", "viewer", "results", "build", "*.egg-info")


def build_wheel(source: Path, folder: Path) -> Path:
    """Build a distribution of a copy of its source, so that nothing of an earlier build gets into it."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    copy, target = folder / "source", folder / "wheel"
    for folder in (copy, target):
        folder.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(source / name, copy)
    for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]:
        name = pattern.removesuffix("*")
        shutil.copytree(source / name, copy / name, ignore=_IGNORED)
    command = [sys.executable, "-c", _BUILD, str(target)]
    subprocess.run(command, cwd=copy, check=True, capture_output=True, timeout=600)
    (built,) = target.glob("*.whl")
    return built


class Environment:
    """A virtual environment of its own.

    Parameters
    ----------
    folder : Path
        Where it is made; nothing is there yet.
    python : str
        The interpreter that makes it.
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=300)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        (found,) = self.folder.glob("lib/python3*/site-packages")
        return found

    @property
    def size_mb(self) -> float:
        """All of its files, as ``du`` counts them: whole blocks, a file with two names once."""
        said = subprocess.run(["du", "-sk", str(self.folder)], check=True, capture_output=True, text=True).stdout
        return int(said.split()[0]) * 1024 / 1e6

    def variables(self, **more: str) -> dict[str, str]:
        """Give the variables of a shell in which it is active, and nothing of ours."""
        ours = ("PYTHON", "REFINE_", "CYTOMINE_", "VIRTUAL_ENV", "COV_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**kept, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "NO_COLOR": "1", **more}

    def run(self, *command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command as in a shell in which it is active."""
        program = shutil.which(command[0], path=str(self.folder / "bin")) or str(command[0])
        return subprocess.run(
            [program, *(str(word) for word in command[1:])],
            cwd=cwd, env=self.variables(**variables), capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    def install(self, *what: str | Path) -> None:
        """Install with what its metadata asks for, from the index that pip knows."""
        done = self.run(self.python, "-m", "pip", "install", "-q", *what, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def lend(self, names: Iterable[str], folder: Path) -> None:
        """Let it see distributions of this process' environment, each by links to its files; no others come along."""
        folder.mkdir()
        ours = Path(sysconfig.get_path("purelib"))
        for name in names:
            for top in {Path(file).parts[0] for file in distribution(name).files or ()} - {"..", "__pycache__"}:
                if not (folder / top).exists():
                    (folder / top).symlink_to(ours / top)
        (self.packages / "lent.pth").write_text(f"{folder}\n")


def with_all_it_needs(name: str, extras: Iterable[str] = (), found: set[str] | None = None) -> set[str]:
    """Name a distribution that is installed here, and all that it asks for on this machine."""
    found = set() if found is None else found
    found.add(name)
    for needed in map(Requirement, distribution(name).requires or ()):
        wanted = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        if wanted and needed.name not in found:
            with_all_it_needs(needed.name, needed.extras, found)
    return found
