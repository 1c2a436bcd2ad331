"""The capacity page says what was found, and nothing where nothing was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load.capacity import Findings, Plan, Standing, Swept
from bench.load.carried import Carried
from bench.load.costs import Engine, engine_of
from bench.load.failure import Killed, Killer
from bench.load.notes import Note, Spread
from bench.load.observe import Observed
from bench.load.overhead import Overhead
from bench.load.report import USERS, assumptions, data_of, predicted_p95_s, sections_of, windows_per_refine
from bench.load.stage import Asked
from bench.load.verdict import Verdict
from bench.page import write_page

CLEAN = Verdict(100, 0, 0, 0, 0, 0, 0, 0)


def waited(median: float) -> Spread:
    return Spread(100, median, 2 * median, 3 * median, 4 * median)


def observed(target: str = "plain", replicas: int = 1, offered: float = 2.0, median: float = 0.25) -> Observed:
    return Observed(
        target=target,
        replicas=replicas,
        offered_per_s=offered,
        accepted_per_s=offered,
        latency_s={"draw": waited(0.02), "point": None, "prefetch": waited(0.03), "refine": waited(median)},
        statuses={"200": 95, "503": 5},
        gave_up=0,
        embeddings={"ready": 40, "own": 60},
        lag_s=waited(0.001),
        machine_busy=0.5,
        cpu_s_per_refine=0.05,
        asked=Asked(600, 160, 90),
        verdict=CLEAN,
    )


@pytest.fixture
def found() -> Findings:
    killed = Killed(2, 12.0, 20, 1, 3, waited(0.3), waited(0.9), 0.5, 4.0, 9.5, ((-1.0, 0.3, 200), (0.5, 2.0, 503)))
    return Findings(
        plan=Plan.quick(),
        engine=Engine("sam2.1_hiera_b+, openvino-float32, 2 cores", 5.6, 0.14, "bench/results/some.json"),
        overheads=[Overhead("cached window", waited(0.02), waited(0.03), waited(0.01))],
        carried=[
            Carried(1, 160_000, 4.9, waited(1)),
            Carried(4, 160_000, 19.0, waited(1)),
            Carried(4, 2**24, 18, None),
        ],
        busy=[observed("Ray Serve", 1, 5), observed("Ray Serve", 4, 8)],
        swept=[Swept(2, observed()), Swept(4, observed(offered=4)), Swept(6, observed(offered=6, median=3))],
        prefetched=observed(),
        not_prefetched=observed(median=0.4),
        real=[observed("plain"), replace(observed("Ray Serve"), verdict=replace(CLEAN, points_lost=2))],
        killed=killed,
        killed_run=observed("Ray Serve", 2),
        window_bytes=waited(4e5),
        standing=[Standing("plain", 1, "simulated", 5.0, 0.0, 2**30)],
    )


def test_every_question_has_its_section_and_the_files_are_whole(found: Findings, tmp_path: Path) -> None:
    page = write_page(tmp_path, "capacity", "How many people?", {"commit": "abc"}, sections_of(found), data_of(found))
    text, html = page.with_suffix(".md").read_text(), page.read_text()
    assert text.count("\n## ") == 7
    assert html.count("data:image/png;base64,iVBOR") == 4
    assert "points lost: 2" in text
    assert "| plain, 1 | simulated | 5.0 s | 0.00 | 1 GiB |" in text
    assert "| cached window | 20.0 | 60.0 | 30.0 | 90.0 | 10.0 | 30.0 | 100 |" in text
    kept = json.loads(page.with_suffix(".json").read_text())
    assert [need["users"] for need in kept["sizing"]["gpu"]] == list(USERS)
    assert kept["findings"]["killed"]["whole_again_s"] == 9.5


def test_a_prediction_starts_from_the_calmest_run_and_ends_where_the_replicas_do(found: Findings) -> None:
    calm, near, beyond = (predicted_p95_s(found.swept, each) for each in found.swept)
    assert calm is not None
    assert near is not None
    assert 0.25 < calm < near
    assert beyond is None


def test_every_assumption_has_a_source(found: Findings) -> None:
    assert all(each.source for each in assumptions(found))
    assert windows_per_refine(observed()) == pytest.approx(0.9)


def test_without_people_there_is_no_sizing(found: Findings) -> None:
    found.prefetched = None
    with pytest.raises(ValueError, match="realistic people"):
        sections_of(found)


def test_the_engine_is_the_one_of_the_last_results() -> None:
    engine = engine_of(Path("bench/results"))
    assert engine.encode_s > engine.decode_s > 0
    assert engine.source.startswith("bench/results/encode")


def test_an_encoder_and_a_decoder_of_two_models_are_no_engine(tmp_path: Path) -> None:
    for question, step, config in (("encode", "encode", "tiny"), ("steps", "decode", "large")):
        found = {"meta": {"config": config, "engine": "e", "cores": 2}, "rows": [{"name": f"{step}, e", "ours": 1.0}]}
        (tmp_path / f"{question}.json").write_text(json.dumps(found))
    with pytest.raises(FileNotFoundError, match="not those of one model: tiny, e, 2 cores, large"):
        engine_of(tmp_path)


def test_no_results_are_no_engine(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no results"):
        engine_of(tmp_path)


def refine(wished_s: float, done_s: float, status: int = 200) -> Note:
    return Note("refine", 0, 1, 0, wished_s, wished_s, wished_s, done_s, status)


def test_a_kill_is_summed_up_from_what_people_noticed() -> None:
    killer = Killer(10.0)
    before = [refine(3 + n / 10, 3.3 + n / 10) for n in range(40)]
    around = [refine(9.9, 12.0), refine(10.5, 10.6, 0), refine(11.0, 11.1, 503), refine(13.0, 13.3)]
    killed = killer.seen([*before, *around])
    assert (killed.refines, killed.failed, killed.turned_away) == (4, 1, 1)
    assert killed.last_failure_s == pytest.approx(0.6)
    assert killed.slow_until_s == 0.0  # two answers are no row
    assert killed.whole_again_s is None
    assert len(killed.trace) == 44


def test_people_wait_longer_until_several_answers_in_a_row_are_as_fast_as_before() -> None:
    before = [refine(3 + n / 10, 3.3 + n / 10) for n in range(40)]
    slow = [refine(10 + n / 10, 12 + n / 10) for n in range(6)]
    fast = [refine(14 + n / 10, 14.3 + n / 10) for n in range(6)]
    killed = Killer(10.0).seen([*before, *slow, *fast])
    assert killed.slow_until_s == pytest.approx(4.4)  # the second fast one ends the last row with a slow median
