"""How many processes run the tests: bounded by cores and by memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "workers.sh"


@pytest.mark.parametrize(
    ("cores", "free_kb", "workers"),
    [(2, 24_000_000, 4), (2, 7_500_000, 2), (2, 2_000_000, 1), (6, 64_000_000, 8), (32, 256_000_000, 9)],
)
def test_there_is_one_process_for_every_3_gb_and_a_few_more_than_cores(
    cores: int, free_kb: int, workers: int, tmp_path: Path
) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text(f"MemTotal: 99999999 kB\nMemAvailable:   {free_kb} kB\nBuffers: 1 kB\n")
    program = tmp_path / "nproc"
    program.write_text(f"#!/bin/sh\necho {cores}\n")
    program.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    found = subprocess.run(["sh", SCRIPT, "2", memory], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert int(found.stdout) == workers
