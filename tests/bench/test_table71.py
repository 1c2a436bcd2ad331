"""Table 7.1: every row of the thesis is measured, through Core's addition."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.rows import Row
from bench.stage import staged
from bench.table71 import STEPS, TOTAL, headline, sections, table
from tests.slides import place_drawn_slide
from training.tables.registry import ALL, numbers_of_the_thesis

THEIRS = numbers_of_the_thesis()["7.1"]


def test_every_row_of_the_thesis_is_there_in_its_order() -> None:
    assert list(THEIRS) == [*STEPS, TOTAL]
    assert THEIRS["Core"]["seconds"][ALL] == 0.002
    assert THEIRS[TOTAL]["seconds"][ALL] == 6.571


def test_the_page_shows_both() -> None:
    rows = [Row(name, 0.25, THEIRS[name]["seconds"][ALL], "s", 10, 0.5) for name in (*STEPS, TOTAL)]
    shown = sections(rows)[0].tables[0].rows
    assert shown[0] == ("Core", "0.2500", "0.5000", "0.002")
    assert len(shown) == 10
    assert headline(rows) == "a refine takes 0.25 s in all, in the thesis 6.57 s"


@pytest.mark.long
def test_it_is_measured_through_core(tmp_path: Path) -> None:
    place_drawn_slide(tmp_path)
    with staged(tmp_path, "embedded", "torch-float32") as stage, stage.service() as service:
        rows = {row.name: row for row in table(stage, service, 2)}
    assert list(rows) == [*STEPS, TOTAL]
    parts = sum(rows[name].ours for name in STEPS)
    assert 0 < rows["Core"].ours < rows[TOTAL].ours
    assert rows["Inference with SAM2"].ours > rows["Formatting the Prompts"].ours
    assert parts <= 1.5 * rows[TOTAL].ours  # medians of each; they need not add up exactly
