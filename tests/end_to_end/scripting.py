"""What the tests of the scripts' way in share: the command as a user runs it, and its report."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import shapely

from tests.lab import BOX, Lab

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scripts.md").read_text()


def environment(lab: Lab, annotation: int = 0) -> dict[str, str]:
    """Give what the page of the scripts tells to set."""
    return {
        **os.environ,
        "CYTOMINE_HOST": lab.cytomine.base_url,
        "CYTOMINE_PUBLIC_KEY": lab.alice.public_key,
        "CYTOMINE_PRIVATE_KEY": lab.alice.private_key,
        "ANNOTATION": str(annotation),
        "PROJECT": str(lab.project),
        "IMAGE": str(lab.image),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }


def app(lab: Lab, folder: Path, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m app`` in a folder; the words that a user would type, the environment changed where named."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env={**environment(lab), **changed},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refined(lab: Lab, folder: Path, *arguments: str, **changed: str) -> str:
    """Run ``refine``, which must succeed; gives all that it said."""
    done = app(lab, folder, "refine", *arguments, **changed)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def one_line(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """Check that a command ended with one line on stderr and nothing else; gives the line."""
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def boxes(lab: Lab, count: int) -> list[int]:
    return [lab.draw(shapely.affinity.translate(BOX, shift, 0)) for shift in range(count)]


def rows_of(report: Path) -> list[dict[str, str]]:
    with report.open(newline="") as file:
        return list(csv.DictReader(file))


def outcomes_of(report: Path) -> list[str]:
    return [row["outcome"] for row in rows_of(report)]


def example(heading: str) -> str:
    """Take the code block below a heading of the page."""
    return re.search(rf"## {heading}\n.*?```\w+\n(.*?)```", PAGE, re.DOTALL)[1]  # type: ignore[index]
