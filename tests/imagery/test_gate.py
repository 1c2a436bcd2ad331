"""Who needs memory waits for it, in the order of arrival and as long as anybody waits for the result."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import CallerGone, ModelBusy
from app.imagery.gate import MemoryGate
from app.usecases.ports import Claim
from tests.waiting import until


def test_what_is_inside_never_passes_the_limit() -> None:
    gate, most = MemoryGate(100), []

    def work(wanted: int) -> None:
        with gate.taking(wanted, Claim()):
            most.append(gate.inside)
            time.sleep(0.001)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [30, 100, 1, 50, 50, 99, 2, 40] * 5))
    assert max(most) <= 100
    assert len(most) == 40
    assert gate.inside == 0


def test_a_large_one_is_not_passed_by_small_ones_for_ever() -> None:
    gate, order, leave = MemoryGate(100), [], threading.Event()

    def work(name: str, wanted: int) -> None:
        with gate.taking(wanted, Claim()):
            order.append(name)
            assert leave.wait(30) or name != "first"

    with ThreadPoolExecutor(3) as pool:
        pool.submit(work, "first", 60)
        until(lambda: order)
        large = pool.submit(work, "large", 100)
        until(lambda: len(gate._before) == 1)
        small = pool.submit(work, "small", 10)
        until(lambda: len(gate._before) == 2)
        leave.set()
        large.result(30)
        small.result(30)
    assert order == ["first", "large", "small"]


def test_whoever_waits_too_long_is_told_when_to_come_again() -> None:
    gate = MemoryGate(100)
    with gate.taking(100, Claim()):
        with pytest.raises(ModelBusy) as caught, gate.taking(1, Claim(deadline=time.monotonic() + 0.01)):
            pytest.fail("there was no memory left")
        with pytest.raises(CallerGone), gate.taking(1, Claim(given_up=lambda: True)):
            pytest.fail("nobody waited")
    assert caught.value.retry_after_s >= 1
    with gate.taking(100, Claim(deadline=time.monotonic() - 1)):
        assert gate.inside == 100  # what is free costs no wait


def test_a_failure_inside_gives_the_memory_back() -> None:
    gate = MemoryGate(100)
    with pytest.raises(RuntimeError), gate.taking(100, Claim()):
        raise RuntimeError
    assert gate.inside == 0
