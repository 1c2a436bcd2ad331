import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import ModelBusy
from app.segmenter.turnstile import Turnstile


def test_as_many_go_in_as_the_concurrency_says() -> None:
    turnstile = Turnstile(2, 10)
    inside, most, guard = [0], [0], threading.Lock()

    def work(_: int) -> None:
        with turnstile.turn():
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            with guard:
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most[0] == 2


def test_whoever_finds_the_line_full_is_turned_away_with_an_estimate() -> None:
    turnstile = Turnstile(1, 1)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with turnstile.turn():
            held.set()
            assert let_go.wait(5)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(hold)
        assert held.wait(5)
        waiting = pool.submit(hold)
        while turnstile.waiting == 0:
            pass
        with pytest.raises(ModelBusy) as caught, turnstile.turn():
            pass
        assert caught.value.retry_after_s >= 1
        assert caught.value.facts["waiting"] == 1
        let_go.set()
        waiting.result(5)
    with turnstile.turn():
        assert turnstile.waiting == 0


def test_a_turn_that_fails_is_given_back() -> None:
    turnstile = Turnstile(1, 0)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), turnstile.turn():
            raise ValueError("inside")
