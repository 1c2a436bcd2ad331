"""The arithmetic of the page, and a run of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.usecases import doubts
from bench.doubts import Outcome, chosen_bound, halves, main, rows, share, write

REAL = Outcome("nucleus", "a", False, "box", True, 0.9, (doubts.DEMO_MODEL,), 0.4, 0.8)


def one(**changed: object) -> Outcome:
    return Outcome(**{**{name: getattr(REAL, name) for name in Outcome.__dataclass_fields__}, **changed})  # type: ignore[arg-type]


def test_what_is_written_to_harm() -> None:
    assert not REAL.is_harm
    assert one(after=0.37).is_harm
    assert not one(after=0.39).is_harm
    assert not one(after=0.0, found=False).is_harm
    assert one(kind="glass", before=0.0, after=0.0).is_harm
    assert not one(kind="glass", found=False).is_harm


def test_the_demo_model_alone_is_no_doubt_and_another_bound_leaves_the_other_doubts() -> None:
    assert not REAL.doubted()
    assert REAL.doubted(0.95)
    cut = one(doubts=(doubts.CUT, doubts.LOW_CONFIDENCE), confidence=0.2)
    assert cut.doubted(0.1)
    assert not one(doubts=(doubts.LOW_CONFIDENCE,), confidence=0.2).doubted(0.1)


def test_halves_share_no_case() -> None:
    found = [one(case=case) for case in "abcabcd"]
    first, second = ({each.case for each in half} for half in halves(found))
    assert first | second == set("abcd")
    assert not first & second


def test_the_bound_is_the_lowest_that_lets_little_through() -> None:
    harmless, harmful = [one(confidence=0.6)] * 99, [one(kind="stroma", after=0.0, confidence=0.7)] * 2
    assert chosen_bound([*harmless, *harmful]) == 0.71
    assert chosen_bound(harmless) == 0.5
    assert share(harmful, 0.7, harm=True) == 1
    assert share(harmful, 0.71, harm=True) == 0


def test_the_page_sums_up(tmp_path: Path) -> None:
    found = [
        REAL,
        one(case="b", confidence=0.3, doubts=(doubts.LOW_CONFIDENCE,)),
        one(case="c", kind="glass", after=0.0),
    ]
    page = write(tmp_path, "doubts-x", {"model": "m"}, found).read_text()
    assert "| real objects | 2 | 0.0% | 50.0% | 50.0% of 2 | 0.0% | 0.0% |" in page
    assert "| glass | 1 | 0.0% | 0.0% | - | 100.0% | 100.0% |" in page
    kept = json.loads((tmp_path / "doubts-x.json").read_text())
    assert len(kept["outcomes"]) == 3
    assert [row["n"] for row in kept["tables"]["all cases"]] == [row["n"] for row in rows(found)]
    assert kept["tables"]["all cases"][-1]["good_doubted"] is None  # JSON has no NaN
    assert (tmp_path / "doubts-x.png").stat().st_size > 10_000


@pytest.mark.shared
@pytest.mark.long
def test_it_runs_on_the_real_images(shared_data: Path, tmp_path: Path) -> None:
    main(shared_data, None, 6, 4, tmp_path)
    (page,) = tmp_path.glob("*.md")
    text = page.read_text()
    assert "| glass | 4 | 0.0% | 100.0% |" in text
    assert "| stroma | 2 |" in text
    assert "| out of focus | 2 |" in text
