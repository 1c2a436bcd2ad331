from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.installing import build_wheel

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [pattern.removesuffix("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
FOR_OTHERS = ("demo/viewer", "bench/results", "scale/helm")
"""What npm, a reader of the results and Helm take from the repository."""


@pytest.fixture
def wheel(tmp_path: Path) -> frozenset[str]:
    """Give the names in a wheel."""
    with zipfile.ZipFile(build_wheel(ROOT, tmp_path)) as files:
        return frozenset(files.namelist())


def test_a_wheel_holds_every_file_that_the_packages_read(wheel: frozenset[str]) -> None:
    files = (path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*"))
    read = {name for name in files if Path(name).suffix in {".jinja", ".json", ".pt", ".typed", ".yaml"}}
    needed = {name for name in read if not name.startswith(FOR_OTHERS)}
    assert {"app/segmenter/embedded/model.pt", "app/py.typed"} <= needed
    assert needed - wheel == set()


def test_every_pattern_of_package_data_finds_something() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    idle = [
        f"{name}/{one}" for name, several in patterns.items() for one in several if not any((ROOT / name).glob(one))
    ]
    assert idle == []
