"""The line in front of the encoder: who goes first, who leaves, who is turned away."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager

import pytest

from app.errors import CallerGone, ModelBusy
from app.segmenter import queue
from app.segmenter.queue import EncoderQueue
from app.usecases.ports import Claim
from tests.waiting import until


class Bench:
    """A queue whose work waits for a sign, and a hand to put jobs into it in a known order."""

    def __init__(self, **options: int) -> None:
        self.go_on = threading.Event()
        self.batches: list[list[str]] = []
        self.queue: EncoderQueue[str, str] = EncoderQueue(self.work, **options)  # type: ignore[arg-type]
        self.pool = ThreadPoolExecutor(32)

    def work(self, jobs: list[str]) -> list[str]:
        self.batches.append(jobs)
        assert self.go_on.wait(10)
        if "bad" in jobs:
            raise RuntimeError("bad job")
        return [job.upper() for job in jobs]

    def put(self, job: str, **claim: object) -> Future[str]:
        """Put a job in line and see it there (or in work, if it is the first)."""
        before = self.size
        future = self.pool.submit(self.queue.run, job, Claim(**claim))  # type: ignore[arg-type]
        until(lambda: self.size > before or future.done())
        return future

    @property
    def size(self) -> int:
        load = self.queue.load
        return load.waiting + load.running


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.go_on.set()
        bench.queue.close()
        bench.pool.shutdown()


@pytest.fixture
def bench(benches: list[Bench]) -> Bench:
    benches.append(Bench(max_waiting=8))
    bench = benches[0]
    bench.put("first", user=0)
    until(lambda: bench.batches)
    return bench


def order(bench: Bench) -> list[str]:
    return [job for batch in bench.batches for job in batch]


def test_users_take_turns(bench: Bench) -> None:
    jobs = [bench.put(f"a{n}", user="a") for n in range(3)] + [bench.put(f"b{n}", user="b") for n in range(2)]
    bench.go_on.set()
    wait_for(jobs)
    assert order(bench) == ["first", "a0", "b0", "a1", "b1", "a2"]
    assert jobs[0].result() == "A0"


def test_clicks_go_before_what_is_ahead_of_a_click(bench: Bench) -> None:
    jobs = [bench.put("ahead", user="a", ahead=True), bench.put("click", user="b")]
    bench.go_on.set()
    wait_for(jobs)
    assert order(bench) == ["first", "click", "ahead"]


def test_work_ahead_takes_nobodys_place(bench: Bench) -> None:
    for n in range(10):
        bench.put(f"ahead {n}", ahead=True)
    assert not bench.put("click").done()


def test_a_full_line_turns_away_with_an_estimate(bench: Bench) -> None:
    bench.queue._usual_s = 3.0
    for n in range(8):
        bench.put(str(n))
    with pytest.raises(ModelBusy) as caught:
        bench.put("one more").result(10)
    assert caught.value.retry_after_s == 27.0
    assert caught.value.facts["waiting"] == 8


def test_those_who_are_turned_away_are_told_to_come_back_one_after_the_other(bench: Bench) -> None:
    bench.queue._usual_s = 3.0
    for n in range(8):
        bench.put(str(n))

    def told(user: Hashable, **claim: object) -> float:
        with pytest.raises(ModelBusy) as caught:
            bench.put("one more", user=user, **claim).result(10)
        return caught.value.retry_after_s

    assert [told("a"), told("b"), told(None), told("c")] == [27, 30, 33, 36]
    assert told("a") == 36  # after the three others
    assert told("d", ahead=True) == told("e") == 39  # nobody comes back for work ahead of a click
    nobody, numbers = [None] * 20, list(range(60))  # those without a name are nobody else, whatever their turn
    assert [told(user) for user in nobody + numbers] == [42 + 3 * n for n in range(80)]
    bench.queue._usual_s = 1000.0
    assert told("f") == 600


def test_whoever_cannot_wait_so_long_is_told_at_once(bench: Bench) -> None:
    bench.queue._usual_s = 3.0
    bench.put("one")
    refused = bench.put("late", deadline=time.monotonic() + 5)
    with pytest.raises(ModelBusy, match="about 6 s") as caught:
        refused.result(10)
    assert 3.5 < caught.value.retry_after_s <= 4.5
    assert not bench.put("in time", deadline=time.monotonic() + 20).done()


def test_waiting_is_estimated_with_the_batches_that_were_seen(
    benches: list[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches may hold 8, and hold 2 on average: with 8 the wait would be told four times too short."""
    benches.append(Bench(batch=8, max_waiting=8))
    line = benches[0].queue
    for _ in range(30):
        line._note_pace(1, 1.0)
        line._note_pace(3, 3.0)
    benches[0].put("first")
    until(lambda: benches[0].batches)
    for n in range(7):
        benches[0].put(str(n))
    late = benches[0].put("late", deadline=time.monotonic() + 5)
    with pytest.raises(ModelBusy, match="about 8 s") as caught:
        late.result(10)
    assert 4 < caught.value.retry_after_s < 7  # 8 s for those before, 2 for its own batch, 5 that it has


def test_the_estimate_follows_what_really_happens() -> None:
    """Windows cost 2 ms and a batch 10 ms more; a crowd of 5 is told about what it then waits, not a fifth of it."""
    line: EncoderQueue[int, int] = EncoderQueue(_slowly, batch=16)
    with ThreadPoolExecutor(5) as pool:
        start = time.monotonic()
        assert list(pool.map(lambda n: line.run(n, Claim(n)), range(100))) == list(range(100))
        from_job_to_job_s = (time.monotonic() - start) / 100
    assert line.load.windows / line.load.batches > 1.5
    assert line._pace_s() == pytest.approx(from_job_to_job_s, rel=0.8)
    assert line._pace_s() > 2.0 * line._usual_s / 16
    line.close()


def _slowly(jobs: list[int]) -> list[int]:
    time.sleep(0.01 + 0.002 * len(jobs))
    return jobs


def test_the_first_batch_tells_the_pace_where_nothing_is_known() -> None:
    line: EncoderQueue[str, str] = EncoderQueue(lambda jobs: jobs, batch=4)
    line._note_pace(4, 8.0)
    assert line._pace_s() == 2.0
    known: EncoderQueue[str, str] = EncoderQueue(lambda jobs: jobs, batch=4, usual_s=3.0)
    assert known._pace_s() == 3.0  # a window by itself


def test_a_deadline_that_passes_in_line_is_told(bench: Bench) -> None:
    with pytest.raises(ModelBusy, match="in time"):
        bench.put("late", deadline=time.monotonic() + 0.2).result(10)
    assert bench.queue.load.waiting == 0


def test_whoever_gives_up_leaves_the_line_but_not_the_encoder(bench: Bench, benches: list[Bench]) -> None:
    gone = threading.Event()
    waiting = bench.put("waiting", given_up=gone.is_set)
    other = Bench()
    benches.append(other)
    inside = other.put("inside", given_up=gone.is_set)
    until(lambda: other.batches)
    gone.set()
    with pytest.raises(CallerGone):
        waiting.result(10)
    time.sleep(0.25)
    other.go_on.set()
    assert inside.result(10) == "INSIDE"


def test_what_waits_is_encoded_together(benches: list[Bench]) -> None:
    benches.append(Bench(batch=3))
    bench = benches[0]
    jobs = [bench.put("first")]
    until(lambda: bench.batches)
    jobs += [bench.put(str(n), user=n, ahead=n == 4) for n in range(5)]
    bench.go_on.set()
    wait_for(jobs)
    assert bench.batches == [["first"], ["0", "1", "2"], ["3"], ["4"]]
    assert [job.result() for job in jobs] == ["FIRST", "0", "1", "2", "3", "4"]


def test_a_place_is_held_while_the_job_is_being_made(bench: Bench) -> None:
    with bench.queue.place(Claim(user="early")) as run:
        assert bench.queue.load.waiting == 1
        later = bench.put("later", user="later")
        bench.go_on.set()
        assert later.result(10) == "LATER"
        assert run("early") == "EARLY"
    assert order(bench) == ["first", "later", "early"]


@contextmanager
def making(bench: Bench, count: int) -> Iterator[threading.Event]:
    """Let so many hold places; gives the event that lets them all put their jobs in, which leaving does too."""
    made = threading.Event()

    def hold(user: int) -> None:
        with bench.queue.place(Claim(user)) as run:
            assert made.wait(30)
            run(f"made {user}")

    before = bench.queue.load.waiting
    held = [bench.pool.submit(hold, user) for user in range(count)]
    until(lambda: bench.queue.load.waiting == before + count)
    try:
        yield made
    finally:
        made.set()
        bench.go_on.set()
        wait_for(held)


def test_whoever_finds_all_places_held_waits_until_it_is_known_whether_their_jobs_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_MAKING_S", 60.0)
    with making(bench, 8) as made:
        one_more = bench.pool.submit(bench.queue.run, "one more", Claim("one more"))
        time.sleep(0.1)
        assert not one_more.done()
        assert bench.queue.load.waiting == 8
        made.set()
        with pytest.raises(ModelBusy) as caught:
            one_more.result(10)
    assert caught.value.facts["waiting"] == 8
    assert bench.queue.load.waiting == 0


def test_whoever_goes_before_it_is_known_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_MAKING_S", 60.0)
    with making(bench, 8), pytest.raises(CallerGone):
        bench.queue.run("one more", Claim("one more", given_up=lambda: True))


def test_jobs_that_do_not_come_hold_nobody_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_MAKING_S", 0.05)
    bench.go_on.set()
    with making(bench, 8):
        deadline = time.monotonic() + 30
        assert bench.queue.run("healthy", Claim("healthy", deadline=deadline)) == "HEALTHY"
        assert bench.queue.run("ahead", Claim("healthy", ahead=True)) == "AHEAD"
        assert bench.queue.load.waiting == 8
    assert order(bench)[:3] == ["first", "healthy", "ahead"]


def test_jobs_that_do_not_come_are_in_nobodys_estimate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_MAKING_S", 0.05)
    bench.go_on.set()
    until(lambda: bench.queue.load.running == 0)
    bench.queue._usual_s = 3.0
    with making(bench, 4):
        assert bench.queue.run("healthy", Claim("healthy", deadline=time.monotonic() + 10)) == "HEALTHY"


def test_work_ahead_does_not_begin_while_a_clicks_job_is_being_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_MAKING_S", 60.0)
    with bench.queue.place(Claim(user="click")):
        ahead = bench.put("ahead", user="ahead", ahead=True)
        bench.go_on.set()
        time.sleep(0.2)
        assert order(bench) == ["first"]
    assert ahead.result(10) == "AHEAD"


@pytest.mark.parametrize("error", [SystemExit("of a library"), KeyboardInterrupt(), None])
def test_the_workers_survive_anything(error: BaseException | None) -> None:
    def work(jobs: list[str]) -> list[str]:
        if jobs != ["bad"]:
            return jobs
        if error is None:
            return []  # a result too few
        raise error

    line: EncoderQueue[str, str] = EncoderQueue(work)
    with pytest.raises(type(error) if error else RuntimeError):
        line.run("bad", Claim())
    assert line.run("good", Claim()) == "good"
    line.close()


def test_as_many_batches_at_a_time_as_there_are_workers(benches: list[Bench]) -> None:
    benches.append(Bench(workers=2))
    bench = benches[0]
    for n in range(3):
        bench.put(str(n))
    until(lambda: len(bench.batches) == 2)
    assert (bench.queue.load.running, bench.queue.load.waiting) == (2, 1)
    assert bench.queue.load.oldest_s >= 0


def test_a_failure_is_told_to_whoever_asked_and_stops_nothing(bench: Bench) -> None:
    bad = bench.put("bad")
    bench.go_on.set()
    with pytest.raises(RuntimeError, match="bad job"):
        bad.result(10)
    assert bench.put("good").result(10) == "GOOD"


def test_a_timeout_of_the_work_is_its_own_error() -> None:
    def work(_: list[str]) -> list[str]:
        raise TimeoutError("of the work")

    line: EncoderQueue[str, str] = EncoderQueue(work)
    with pytest.raises(TimeoutError, match="of the work"):
        line.run("x", Claim())
    line.close()


def test_closing_refuses_those_in_line(bench: Bench) -> None:
    waiting = bench.put("waiting")
    closing = bench.pool.submit(bench.queue.close)
    with pytest.raises(ModelBusy, match="is stopping"):
        waiting.result(10)
    bench.go_on.set()
    closing.result(10)
    with pytest.raises(ModelBusy):
        bench.queue.run("late", Claim())
