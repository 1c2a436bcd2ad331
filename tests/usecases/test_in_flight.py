import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import CallerGone, ModelBusy, ModelError, PlatformTimeout
from app.usecases.in_flight import InFlight
from app.usecases.ports import Claim

PATIENT = Claim()


class Request:
    """Equal to every other one, and counts the comparisons: a caller that compares is about to join."""

    joined = threading.Semaphore(0)

    def __eq__(self, other: object) -> bool:
        self.joined.release()
        return isinstance(other, Request)

    __hash__ = None  # type: ignore[assignment]


def test_equal_requests_are_worked_on_once() -> None:
    in_flight: InFlight[int] = InFlight()
    started, go_on, calls = threading.Event(), threading.Event(), []

    def work() -> int:
        calls.append(1)
        started.set()
        assert go_on.wait(5)
        return 42

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(in_flight.run, 7, Request(), work, PATIENT)
        assert started.wait(5)
        others = [pool.submit(in_flight.run, 7, Request(), work, PATIENT) for _ in range(3)]
        assert all(Request.joined.acquire(timeout=5) for _ in others)
        go_on.set()
        assert [future.result(5) for future in (first, *others)] == [42] * 4
    assert calls == [1]


def test_a_joined_request_shares_the_error_and_the_next_one_starts_anew() -> None:
    in_flight: InFlight[int] = InFlight()

    def fail() -> int:
        raise PlatformTimeout("slow")

    with pytest.raises(PlatformTimeout):
        in_flight.run(7, "same", fail, PATIENT)
    assert in_flight.run(7, "same", lambda: 1, PATIENT) == 1


def test_different_requests_for_one_subject_take_turns() -> None:
    in_flight: InFlight[str] = InFlight()
    inside, most = [0], [0]
    guard = threading.Lock()

    def work(name: str) -> str:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        threading.Event().wait(0.02)
        with guard:
            inside[0] -= 1
        return name

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda name: in_flight.run(7, name, lambda: work(name), PATIENT), "abcdefgh"))
    assert results == list("abcdefgh")
    assert most[0] == 1


def test_different_subjects_do_not_wait_for_each_other() -> None:
    in_flight: InFlight[int] = InFlight()
    barrier = threading.Barrier(2, timeout=5)

    def work(number: int) -> int:
        barrier.wait()
        return number

    def ask(number: int) -> int:
        return in_flight.run(number, "same", lambda: work(number), PATIENT)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, (1, 2))) == [1, 2]


@pytest.mark.parametrize("request_", ["the same", "another"])
@pytest.mark.parametrize(
    ("claim", "error"), [(Claim(deadline=0.0), ModelBusy), (Claim(given_up=lambda: True), CallerGone)]
)
def test_whoever_waits_does_so_no_longer_than_they_want(claim: Claim, error: type[ModelError], request_: str) -> None:
    in_flight: InFlight[int] = InFlight()
    started, go_on = threading.Event(), threading.Event()

    def work() -> int:
        started.set()
        assert go_on.wait(30)
        return 42

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(in_flight.run, 7, "the same", work, PATIENT)
        assert started.wait(30)
        second = pool.submit(in_flight.run, 7, request_, lambda: 1, claim)
        try:
            with pytest.raises(error, match="nothing was written"):
                second.result(20)
            assert not first.done()
        finally:
            go_on.set()
        assert first.result(30) == 42


@pytest.mark.parametrize("error", [CallerGone("gone"), ModelBusy("too late")])
def test_what_ends_one_of_them_is_not_the_answer_of_the_other(error: ModelError) -> None:
    in_flight: InFlight[int] = InFlight()
    started, go_on = threading.Event(), threading.Event()

    def refused() -> int:
        started.set()
        assert go_on.wait(30)
        raise error

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(in_flight.run, 7, Request(), refused, PATIENT)
        assert started.wait(30)
        second = pool.submit(in_flight.run, 7, Request(), lambda: 1, PATIENT)
        assert Request.joined.acquire(timeout=30)
        go_on.set()
        with pytest.raises(type(error)):
            first.result(30)
        assert second.result(30) == 1
