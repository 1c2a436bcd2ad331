"""Figures keep their meaning on the way into the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.page import Section, Table, refresh, write_results
from bench.rows import Row, row

META = {"commit": "abc1234", "date": "2026-01-01", "engine": "torch-float32"}


def test_a_row_gives_the_medians_and_their_ratio() -> None:
    made = row("read", [1.0, 2.0, 9.0], [4.0, 4.0, 40.0])
    assert (made.ours, made.reference, made.ratio, made.n) == (2.0, 4.0, 0.5, 3)
    assert made.p95 == pytest.approx(8.3)


def test_without_a_reference_there_is_no_ratio() -> None:
    assert row("decode", [1.0]).ratio is None


@pytest.fixture
def page(tmp_path: Path) -> Path:
    refused = Row("encode, some-engine", float("nan"), None, "s", 0, float("nan"), None, "cannot run <here>")
    return write_results(tmp_path / "results", "today", META, [row("read", [1.0], [4.0]), refused])


def test_a_figure_that_could_not_be_taken_is_null(page: Path) -> None:
    kept = json.loads(page.with_suffix(".json").read_text())
    assert kept["meta"] == META
    read, refused = kept["rows"]
    assert read["ratio"] == 0.25
    assert refused["ours"] is None
    assert refused["note"] == "cannot run <here>"


def test_the_page_stands_alone_and_is_escaped(page: Path) -> None:
    html = page.read_text()
    assert "data:image/png;base64,iVBOR" in html
    assert "cannot run &lt;here&gt;" in html
    assert "http" not in html


def test_the_table_has_a_line_for_every_row(page: Path) -> None:
    lines = page.with_suffix(".md").read_text().splitlines()
    assert sum(line.startswith("| read ") for line in lines) == 1
    assert "| read | 1 s | 4 | 0.25 | 1 | 1 |  |  |" in lines
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert len(widths) == 1


def test_tables_of_a_document_are_brought_up_to_date_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "capacity.md"
    document.write_text(
        "Before\n<!-- table: 1 of Needs -->\nold\n<!-- end -->\nbetween <!-- from -->\nx\n<!-- end -->\nafter\n"
    )
    refresh(document, "today", [Section("Needs", tables=(Table(("users", "GPUs"), (("10", "1"),)),))])
    assert document.read_text() == (
        "Before\n<!-- table: 1 of Needs -->\n| users | GPUs |\n|---|---|\n| 10 | 1 |\n<!-- end -->\n"
        "between <!-- from -->\n`bench/results/today.md`\n<!-- end -->\nafter\n"
    )
