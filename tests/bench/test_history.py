"""A page keeps the newest answer to its question, and no answer before it is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.history import HISTORY, add, retire
from bench.page import write_results
from bench.rows import row

META = {"commit": "abc1234", "date": "2026-01-01", "config": "tiny", "engine": "torch-float32", "cores": 2}


def lines(out: Path) -> list[str]:
    return [line for line in (out / HISTORY).read_text().splitlines() if line.startswith("| 2026")]


def test_the_first_answer_has_no_history(tmp_path: Path) -> None:
    write_results(tmp_path, "encode", META, [row("encode", [1.0], [2.0])])
    assert not (tmp_path / HISTORY).exists()


def test_a_new_answer_leaves_a_line_of_the_one_before(tmp_path: Path) -> None:
    write_results(
        tmp_path, "encode", META, [row("encode", [1.0], [2.0])], [row("matrix products", [9.0], unit="GFLOP/s")]
    )
    write_results(tmp_path, "encode", {**META, "commit": "def5678"}, [row("encode", [3.0], [2.0])])
    (before,) = lines(tmp_path)
    assert "| abc1234 | encode | tiny, torch-float32 |" in before
    assert before.endswith("| encode: 1 s (0.5 of the reference) |")
    assert json.loads((tmp_path / "encode.json").read_text())["meta"]["commit"] == "def5678"


def test_the_newest_line_is_the_first_and_none_comes_twice(tmp_path: Path) -> None:
    for date in ("2026-01-01", "2026-03-01", "2026-02-01", "2026-03-01"):
        add(tmp_path, "crowd", {**META, "date": date}, "32 at once | none mixed up")
    assert [line[2:12] for line in lines(tmp_path)] == ["2026-03-01", "2026-02-01", "2026-01-01"]
    assert "32 at once / none mixed up" in lines(tmp_path)[0]


def test_a_file_that_is_no_page_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "encode.json").write_text("{}")
    with pytest.raises(ValueError, match="does not say what was measured"):
        retire(tmp_path, "encode")


def test_pages_of_the_project_say_what_came_out() -> None:
    """Their line of history would be empty, else."""
    for page in Path("bench/results").glob("*.json"):
        assert "meta" in json.loads(page.read_text()), page
