"""Replicas die, lose what they made, and are given other weights; whoever asks gets the right masks all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import ray
from ray import serve
from ray.exceptions import GetTimeoutError, ObjectLostError

from app.errors import CallerGone, ModelBusy
from app.settings import SegmenterSettings, Settings
from app.usecases.ports import Claim, QueueLoad
from scale.segmenter import RaySegmenter
from tests import ray_lab
from tests.contract.test_segmenter import box, window
from tests.scale.models import NEW, OLD, held
from tests.scale.replicas import kill, more, replicas
from tests.waiting import until


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("engines")
    return Settings(segmenter=SegmenterSettings(device="cpu", max_waiting=8, engine_folder=folder, demo_model=True))


@pytest.fixture(scope="module")
def pair(settings: Settings) -> Iterator[RaySegmenter]:
    """Two replicas that take a fifth of a second for a window."""
    with ray_lab.segmenter("tests.scale.models:fixed", settings, replicas=2) as segmenter:
        yield segmenter


def made_by(segmenter: RaySegmenter, number: int = 0) -> int:
    embedding = segmenter.encode(window(60 + number, 60), Claim(number))
    return ray.get(embedding.at).embedding.process


def line(segmenter: RaySegmenter) -> tuple[int, int]:
    """Count the windows that wait at a replica, and those that are encoded."""
    loads = [about.load for about in segmenter._model.broadcast("about").results(timeout_s=30)]
    return sum(load.waiting for load in loads), sum(load.running for load in loads)


def of_the_dead(value: object) -> ray.ObjectRef:
    """Give a reference to what went down with the process that owned it."""

    class Owner:
        def own(self, value: object) -> list[ray.ObjectRef]:
            return [ray.put(value)]

    owner = ray.remote(Owner).options(num_cpus=0).remote()
    (reference,) = ray.get(owner.own.remote(value))
    kill(owner)
    until(lambda: is_lost(reference))
    return reference


def is_lost(reference: ray.ObjectRef) -> bool:
    """Whether Ray has noticed by now that the owner is dead."""
    try:
        ray.get(reference, timeout=1)
    except ObjectLostError:
        return True
    except GetTimeoutError:
        pass
    return False


@pytest.mark.long
def test_windows_are_shared_among_the_replicas(pair: RaySegmenter) -> None:
    with ThreadPoolExecutor(12) as pool:
        processes = set(pool.map(lambda number: made_by(pair, number), range(12)))
    assert len(processes) == 2


def test_nobody_is_turned_away_while_another_replica_has_a_place(pair: RaySegmenter) -> None:
    """Each line has 8 places and one at work; 16 who come at once are not always 8 and 8."""
    with ThreadPoolExecutor(16) as pool:
        assert len(list(pool.map(lambda number: made_by(pair, number), range(16)))) == 16


def test_a_full_line_is_not_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(self: RaySegmenter, claim: Claim, method: str, *_: object) -> tuple[str, str]:
        asked.append(method)
        if len(asked) < full:
            raise ModelBusy("No place.", retry_after_s=1.0)
        return "response", "answer"

    monkeypatch.setattr(RaySegmenter, "_ask", ask)
    segmenter, full = object.__new__(RaySegmenter), 4
    assert segmenter._in_a_line(Claim(), window(10, 10)) == ("response", "answer")
    asked, full = [], 9
    with pytest.raises(ModelBusy):
        segmenter._in_a_line(Claim(), window(10, 10))
    assert asked == ["encode"] * 4


@pytest.mark.long
def test_any_replica_decodes_what_one_encoded(pair: RaySegmenter) -> None:
    embedding = pair.encode(window(100, 100), Claim())
    with ThreadPoolExecutor(8) as pool:
        masks = list(pool.map(lambda _: pair.decode(embedding, box(100, 100)), range(16)))
    assert len({each.logits.tobytes() for each in masks}) == 1


@pytest.mark.long
def test_a_lost_embedding_is_made_again_once(pair: RaySegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = pair.encode(window(100, 100), Claim())
    expected = pair.decode(embedding, box(100, 100))
    lost = replace(embedding, at=of_the_dead(ray.get(embedding.at)))
    with ThreadPoolExecutor(4) as pool:
        masks = list(pool.map(lambda _: pair.decode(lost, box(100, 100)), range(4)))
    assert {each.logits.tobytes() for each in masks} == {expected.logits.tobytes()}
    monkeypatch.setattr(pair, "encode", None)  # what was made is kept
    assert pair.decode(lost, box(100, 100)).logits.tobytes() == expected.logits.tobytes()


def test_a_window_that_is_being_encoded_is_finished_though_it_was_given_up(
    pair: RaySegmenter, settings: Settings
) -> None:
    given_up = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with held(settings):
            encoding = pool.submit(pair.encode, window(10, 10), Claim(given_up=given_up.is_set))
            until(lambda: line(pair) == (0, 1))
            given_up.set()
        assert encoding.result().nbytes > 0
    with pytest.raises(CallerGone):
        pair.encode(window(10, 10), Claim(given_up=given_up.is_set))


def test_users_take_turns_at_each_replica(pair: RaySegmenter, settings: Settings) -> None:
    """One user fills both lines; another who comes last is served long before the first one's last."""
    done: list[str] = []

    def encode(user: str) -> None:
        pair.encode(window(10, 10), Claim(user))
        done.append(user)

    with ThreadPoolExecutor(13) as pool, held(settings):
        for _ in range(12):
            pool.submit(encode, "greedy")
        until(lambda: line(pair) == (10, 2))
        pool.submit(encode, "modest")
        until(lambda: line(pair) == (11, 2))
    assert len(done) == 13
    assert done.index("modest") <= 6


@pytest.mark.long
def test_a_replica_that_dies_is_replaced_and_nobody_notices(settings: Settings) -> None:
    with (
        ray_lab.segmenter("tests.scale.models:fixed", settings, "dying", replicas=2) as segmenter,
        ThreadPoolExecutor(6) as pool,
    ):
        kept = segmenter.encode(window(100, 100), Claim())
        expected = segmenter.decode(kept, box(100, 100))
        names = set(replicas("model", "dying"))
        over, done = threading.Event(), []

        def work(number: int) -> None:
            while not over.is_set():
                made = segmenter.encode(window(100, 100), Claim(number))
                assert segmenter.decode(made, box(100, 100)).logits.tobytes() == expected.logits.tobytes()
                done.append(number)

        futures = [pool.submit(work, number) for number in range(6)]
        try:
            more([done], 6)
            victim = next(iter(names))
            kill(replicas("model", "dying")[victim])
            until(lambda: len(set(replicas("model", "dying")) - {victim}) >= len(names))
            more([done], 12)
        finally:
            over.set()
        for future in futures:
            future.result()  # an error of any is one of the test
        assert segmenter.decode(kept, box(100, 100)).logits.tobytes() == expected.logits.tobytes()


def declared(**weights: str) -> dict[str, object]:
    """Describe two replicas and their weights, as the file for ``serve deploy`` does."""
    return {
        "name": "swapped",
        "route_prefix": None,
        "import_path": "tests.scale.applications:models",
        "args": {"replicas": 2, "factory": "tests.scale.models:slow_to_load"},
        "deployments": [{"name": "model", "user_config": weights}],
    }


@pytest.mark.long
def test_weights_are_swapped_under_load_without_an_error() -> None:
    """An answer comes from the old weights or the new ones, says which, and never from a mixture."""
    ray_lab.base_url()
    ray_lab.declare(declared())
    segmenter = RaySegmenter(serve.get_deployment_handle("model", "swapped"), 45.0, lambda: QueueLoad(0, 0, 0.0))
    processes = set(replicas("model", "swapped"))
    kept, over = segmenter.encode(window(100, 100), Claim()), threading.Event()
    seen: list[list[str]] = [[] for _ in range(4)]

    def work(number: int) -> None:
        while not over.is_set():
            made = segmenter.encode(window(100, 100), Claim(number))
            segmenter.decode(made, box(100, 100))
            seen[number].append(segmenter.info.sha256)
            segmenter.decode(kept, box(100, 100))

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(4)]
        try:
            more(seen)
            ray_lab.declare(declared(sha256=NEW))
            until(lambda: {segmenter.encode(window(9, 9), Claim()).info.sha256 for _ in range(8)} == {NEW})
            ray_lab.declare(declared(sha256=NEW, config="broken"))  # cannot be loaded: those before stay
            time.sleep(3)  # the time that loading takes, and some
            more(seen)
        finally:
            over.set()
        for future in futures:
            future.result()
    for mine in seen:
        assert (mine[0], mine[-1], set(mine)) == (OLD, NEW, {OLD, NEW})
    assert set(replicas("model", "swapped")) == processes  # none was started anew
    ray_lab.declare()


@pytest.mark.long
def test_a_model_that_cannot_be_started_is_told() -> None:
    broken = Settings(segmenter=SegmenterSettings(config="broken", demo_model=True))
    with (
        pytest.raises(RuntimeError, match="failed"),
        ray_lab.segmenter("tests.scale.models:quick", broken),
    ):
        pass
