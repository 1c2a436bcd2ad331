"""Mutated slide files never end the process, never hang, and are never refused without a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.slides.mutants import SEEDS, mutant

MOST_CPU_S = 10.0
"""For everything that is asked of one file."""
GIVE_UP_S = 300.0
"""On a machine of which others take the most."""
HEALTHY_EVERY = 50


class Looker:
    """The program that looks at files, started anew where one ended it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._errors = folder, (folder / "errors.log").open("a")
        self._process = self._started()

    def looked_at(self, name: str) -> dict[str, object]:
        """Give what it said of a file, or that it died or hung."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        watch = threading.Timer(GIVE_UP_S, process.kill)
        watch.start()
        line = process.stdout.readline()
        watch.cancel()
        if line:
            return dict(json.loads(line))
        process.communicate()
        code = process.returncode
        self._process = self._started()
        return {"name": name, "failed": f"the process ended with {code}"}

    def close(self) -> None:
        self._process.communicate()
        self._errors.close()

    def _started(self) -> subprocess.Popen[str]:
        root = Path(__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.slides.mutants", str(self._folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={**os.environ, "PYTHONPATH": str(root)}, cwd=root,
        )  # fmt: skip


@contextmanager
def looker(folder: Path) -> Iterator[Looker]:
    found = Looker(folder)
    try:
        yield found
    finally:
        found.close()


@pytest.mark.timeout(7200)
def test_mutated_slides(tmp_path: Path, mutants: int) -> None:
    failed, told = [], Counter[str]()
    with looker(tmp_path) as process:
        for name in SEEDS:
            SEEDS[name](tmp_path / name)
            assert set(list(process.looked_at(name)["told"])[:-1]) == {"shown"}, name
        for number in range(mutants):
            name = mutant(tmp_path, number)
            found = process.looked_at(name)
            if "failed" in found or float(str(found["cpu_s"])) > MOST_CPU_S:
                failed.append(found)
                continue
            told.update(list(found["told"]))  # type: ignore[call-overload]
            (tmp_path / name).unlink()
            if number % HEALTHY_EVERY == 0:
                assert "told" in process.looked_at("pages.tif")
    print(dict(told))
    assert not failed, (tmp_path / "errors.log").read_text()[-6000:] + json.dumps(failed, indent=1)
    assert told["shown"] > mutants  # most files are still worth looking at
    assert told["400"] > 0
    assert told["500"] > 0
    assert told["damaged"] > 0
