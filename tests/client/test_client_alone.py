"""What scripts import is small: neither the model's libraries nor the server's come along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ("torch", "cv2", "cytomine", "fastapi", "starlette", "uvicorn")
LARGE = (*MODEL, "numpy", "requests", "shapely")


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("import cytomine_refine, cytomine_refine.batch", (*LARGE, "pydantic", "rich", "typer")),
        ("from cytomine_refine.cli import app; app(['project', '--help'], standalone_mode=False)", LARGE),
        ("from app.cli import app; app(['refine', '--help'], standalone_mode=False)", MODEL),
    ],
)
def test_it_runs_where_the_servers_libraries_are_missing(statement: str, without: tuple[str, ...]) -> None:
    missing = f"import sys; sys.modules.update(dict.fromkeys({without!r})); {statement}"
    path = f"{ROOT}{os.pathsep}{ROOT / 'client'}"
    done = subprocess.run(
        [sys.executable, "-c", missing],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
