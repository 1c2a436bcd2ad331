"""The sizing is arithmetic that can be checked on paper, and bends the right way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.load.people import Habits
from bench.load.sizing import Ceiling, Costs, Demand, engines_for, mean_wait_s, on_gpu, size, wait_p95_s, waits

DEMAND = Demand(boxes_per_s=0.05, refines_per_box=2.0, windows_per_refine=0.5, spoilt=0.1)
COSTS = Costs(
    encode_s=0.2,
    decode_s=0.01,
    edge_cpu_s=0.05,
    window_bytes=1e6,
    core_reads=6,
    core_writes=2,
    embedding_bytes=16 * 2**20,
)
rates = st.floats(0.01, 50)
times = st.floats(0.001, 5)


def test_units_add_up_for_a_hundred_people() -> None:
    need = size(100, DEMAND, COSTS)
    assert need.refines_per_s == pytest.approx(10)
    assert need.windows_per_s == pytest.approx(5.5)
    assert need.pims_mbit_per_s == pytest.approx(44)  # 5.5 MB a second
    assert (need.core_reads_per_s, need.core_writes_per_s) == pytest.approx((60, 20))
    assert need.edge_cores == pytest.approx(0.5 / 0.6)
    assert need.utilisation * need.engines == pytest.approx(5.5 * 0.2 + 10 * 0.01)
    assert need.embeddings_bytes == pytest.approx(5.5 / 0.05 * 16 * 2**20)  # as many as are worked on


def test_one_engine_is_the_queue_of_the_textbook() -> None:
    assert waits(0.5, 1.0, 1) == pytest.approx(0.5)  # M/M/1: as many wait as it is busy
    assert mean_wait_s(0.5, 1.0, 1, 1.0) == pytest.approx(1.0)
    assert mean_wait_s(0.5, 1.0, 1, 0.0) == pytest.approx(0.5)  # M/D/1: Pollaczek and Khinchine, half of it
    assert waits(2.0, 1.0, 3) == pytest.approx(4 / 9)  # Erlang's C for two erlangs at three


@pytest.mark.parametrize(("per_s", "engines"), [(3.5, 1), (8.0, 2), (16.0, 4)])
def test_a_simulated_line_waits_as_long_as_predicted(per_s: float, engines: int) -> None:
    rng, service_s = np.random.default_rng(3), 0.2
    free_at, spent = [0.0] * engines, []
    for moment in np.cumsum(rng.exponential(1 / per_s, 40_000)):
        first = free_at.index(min(free_at))
        begins = max(moment, free_at[first])
        free_at[first] = begins + service_s
        spent.append(begins - moment)
    assert np.mean(spent) == pytest.approx(mean_wait_s(per_s, service_s, engines), rel=0.15)
    assert np.percentile(spent, 95) == pytest.approx(wait_p95_s(per_s, service_s, engines), rel=0.25)


@given(rates, times, st.integers(1, 200), st.floats(0, 2))
def test_waits_are_sound(per_s: float, service_s: float, engines: int, spread: float) -> None:
    share = waits(per_s, service_s, engines)
    assert 0 <= share <= 1
    if per_s * service_s >= engines:
        assert math.isinf(mean_wait_s(per_s, service_s, engines, spread))
        assert math.isinf(wait_p95_s(per_s, service_s, engines, spread))
        return
    assert mean_wait_s(per_s, service_s, engines, spread) >= 0
    assert waits(per_s, service_s, engines + 1) <= share
    assert mean_wait_s(per_s, service_s, engines + 1, spread) <= mean_wait_s(per_s, service_s, engines, spread)


@given(rates, times, st.floats(0, 2))
def test_engines_keep_within_the_ceiling_and_one_fewer_would_not(per_s: float, service_s: float, spread: float) -> None:
    ceiling = Ceiling()
    engines = engines_for(per_s, service_s, spread, ceiling)
    assert per_s * service_s / engines <= ceiling.utilisation
    assert wait_p95_s(per_s, service_s, engines, spread) <= ceiling.wait_p95_s
    assume(engines > 1)
    fewer = engines - 1
    late = wait_p95_s(per_s, service_s, fewer, spread) > ceiling.wait_p95_s
    assert late or per_s * service_s / fewer > ceiling.utilisation


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_more_people_need_no_less(few: int, many: int) -> None:
    few, many = sorted((few, many))
    less, more = size(few, DEMAND, COSTS), size(many, DEMAND, COSTS)
    for name in ("refines_per_s", "windows_per_s", "engines", "edge_cores", "pims_mbit_per_s", "core_writes_per_s"):
        assert getattr(less, name) <= getattr(more, name), name
    assert more.utilisation < 1


@given(st.integers(1, 10_000), st.floats(1.0, 20.0))
def test_a_faster_engine_needs_no_more_of_them(users: int, faster: float) -> None:
    quick = replace(COSTS, encode_s=COSTS.encode_s / faster)
    assert size(users, DEMAND, quick).engines <= size(users, DEMAND, COSTS).engines


def test_a_gpu_is_an_engine_of_its_throughput() -> None:
    assert on_gpu(COSTS, 64.0, 0.002).encode_s == pytest.approx(1 / 64)
    assert size(10_000, DEMAND, on_gpu(COSTS, 64.0, 0.002)).engines < size(10_000, DEMAND, COSTS).engines


def test_people_who_wait_longer_ask_less_often() -> None:
    quick, slow = (Demand.of(Habits(), 0.8, answer_s, 0.1) for answer_s in (0.2, 5.0))
    assert slow.boxes_per_s < quick.boxes_per_s
    assert quick.refines_per_box == slow.refines_per_box == Habits().refines_per_box


def test_what_nobody_has_is_refused() -> None:
    with pytest.raises(ValueError, match="more engines"):
        engines_for(1e6, 10.0, 0.0, Ceiling())
