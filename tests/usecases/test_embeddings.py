"""Windows are encoded once, remembered within bounds, and prepared without being in anybody's way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from app.errors import CallerGone, ModelBusy
from app.geometry.frames import Roi
from app.geometry.windows import Window, WindowImage, plan_window
from app.usecases.embed_ahead import EmbedAhead
from app.usecases.embeddings import Ahead, Embeddings
from app.usecases.ports import Claim, EncodedWindow, Plane, Slide
from app.usecases.timings import Stopwatch
from tests.fakes.rooms import DarkEmbedding, DarkSegmenter, DiscReader, FakeGateway
from tests.waiting import until

SLIDE = Slide(5, 1000, 800, "slide.tif")
CLICK = Claim(61)


def box(x: float = 420, side: float = 100) -> Roi:
    return Roi(x, 320, x + side, 320 + side)


def get(embeddings: Embeddings, wanted: Roi | None = None, slide: Slide = SLIDE, claim: Claim = CLICK) -> Stopwatch:
    stopwatch = Stopwatch()
    embeddings.get(slide, Plane(), wanted or box(), stopwatch, claim)
    return stopwatch


class Watched(Embeddings):
    """Counts those who looked and did not find their window."""

    looked = 0

    def _recall(self, wanted):  # type: ignore[no-untyped-def]
        found = super()._recall(wanted)
        self.looked += found is None
        return found


@pytest.fixture
def embeddings(segmenter: DarkSegmenter) -> Watched:
    return Watched(DiscReader(), segmenter, 10**6)


@pytest.fixture
def ahead(embeddings: Embeddings, segmenter: DarkSegmenter) -> Iterator[Ahead]:
    made = Ahead(embeddings, most=3)
    yield made
    made.close()


def test_the_same_window_is_encoded_once(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    assert get(embeddings).timings_ms()["encode"] > 0
    assert get(embeddings).timings_ms()["encode"] == 0
    assert segmenter.encoded == 1
    assert embeddings.given == {"memory": 1, "encoder": 1}
    assert embeddings.kept_bytes == 200 * 200


def test_whoever_finds_no_place_in_line_reads_no_window() -> None:
    class FullSegmenter(DarkSegmenter):
        @contextmanager
        def place(self, claim: Claim) -> Iterator[Callable[[WindowImage], DarkEmbedding]]:
            raise ModelBusy("no place", retry_after_s=5.0)
            yield

    stopwatch, embeddings = Stopwatch(), Embeddings(DiscReader(), FullSegmenter(), 10**6)
    with pytest.raises(ModelBusy, match="no place"):
        embeddings.get(SLIDE, Plane(), box(), stopwatch, CLICK)
    assert stopwatch.timings_ms()["window"] == 0


def test_another_window_slide_or_plane_is_another_embedding(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    get(embeddings)
    get(embeddings, box(450))
    get(embeddings, slide=Slide(6, 1000, 800, "slide.tif"))
    get(embeddings, slide=Slide(5, 1000, 800, "replaced.tif"))
    embeddings.get(SLIDE, Plane(z=1), box(), Stopwatch(), CLICK)
    assert segmenter.encoded == 5


def test_the_window_of_nearly_the_same_box_serves(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    get(embeddings, box(400))
    get(embeddings, box(430))
    stopwatch = Stopwatch()
    given = embeddings.get(SLIDE, Plane(), box(428), stopwatch, CLICK)
    assert segmenter.encoded == 2
    assert given.window == plan_window(box(430), SLIDE.width, SLIDE.height)


def test_a_window_without_the_points_does_not_serve(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    get(embeddings, box(430))
    held, own = (plan_window(box(x), SLIDE.width, SLIDE.height) for x in (430, 428))
    left = Roi(own.x0, 350, 500, 360)
    assert held.x0 > own.x0
    given = embeddings.get(SLIDE, Plane(), box(428), Stopwatch(), CLICK, left)
    assert given.window == own
    assert segmenter.encoded == 2


def test_points_do_not_matter_where_the_window_holds_them(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    get(embeddings, box(430))
    embeddings.get(SLIDE, Plane(), box(428), Stopwatch(), CLICK, Roi(390, 350, 500, 360))
    assert segmenter.encoded == 1


def test_where_results_must_not_depend_on_earlier_ones_only_the_own_window_serves(segmenter: DarkSegmenter) -> None:
    embeddings = Embeddings(DiscReader(), segmenter, 10**6, reuse=False)
    for x in (420, 421, 420):
        get(embeddings, box(x))
    assert segmenter.encoded == 2


@dataclass
class ListStore:
    """A store in memory."""

    kept: dict[tuple[Slide, Plane, Window], EncodedWindow] = field(default_factory=dict)

    def windows(self, slide: Slide, plane: Plane) -> list[Window]:
        return [key[2] for key in self.kept if key[:2] == (slide, plane)]

    def read(self, slide: Slide, plane: Plane, window: Window) -> EncodedWindow | None:
        return self.kept.get((slide, plane, window))

    def write(self, slide: Slide, plane: Plane, encoded: EncodedWindow) -> None:
        self.kept[slide, plane, encoded.window] = encoded

    def close(self) -> None:
        pass


def test_what_another_replica_has_encoded_serves_too(segmenter: DarkSegmenter) -> None:
    store = ListStore()
    one, other = (Embeddings(DiscReader(), segmenter, 10**6, store) for _ in range(2))
    get(one)
    get(other)
    get(other, box(421))
    get(other, box(600))
    assert segmenter.encoded == 2
    assert other.given == {"store": 1, "memory": 1, "encoder": 1}


def test_what_vanishes_from_the_store_is_encoded(segmenter: DarkSegmenter) -> None:
    store = ListStore()
    get(Embeddings(DiscReader(), segmenter, 0, store))
    store.read = lambda slide, plane, window: None  # type: ignore[method-assign]
    get(Embeddings(DiscReader(), segmenter, 0, store))
    assert segmenter.encoded == 2


def test_who_asks_meanwhile_waits_for_the_same_one(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    go_on, encode = threading.Event(), segmenter.encode

    def slow(image, claim):  # type: ignore[no-untyped-def]
        assert go_on.wait(10)
        return encode(image, claim)

    segmenter.encode = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(get, embeddings) for _ in range(4)]
        until(lambda: embeddings.looked == 4)
        go_on.set()
        for future in asked:
            future.result(10)
    assert segmenter.encoded == 1


def test_the_bytes_are_bounded(segmenter: DarkSegmenter) -> None:
    embeddings = Embeddings(DiscReader(), segmenter, 90_000)
    for x in (100, 200, 300):
        get(embeddings, box(x))
    assert embeddings.kept_bytes == 80_000
    get(embeddings, box(300))
    assert segmenter.encoded == 3
    get(embeddings, box(100))  # the oldest had to go
    assert segmenter.encoded == 4


def test_one_who_looked_just_before_another_was_done_does_not_encode_again(
    embeddings: Embeddings, segmenter: DarkSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(embeddings)
    monkeypatch.setattr(embeddings, "_recall", lambda wanted: None)  # looked, and found nothing yet
    get(embeddings)
    assert segmenter.encoded == 1


@pytest.mark.parametrize("max_bytes", [0, 10])
def test_what_is_too_large_is_not_kept(segmenter: DarkSegmenter, max_bytes: int) -> None:
    embeddings = Embeddings(DiscReader(), segmenter, max_bytes)
    get(embeddings)
    get(embeddings)
    assert (segmenter.encoded, embeddings.kept_bytes) == (2, 0)


def test_errors_are_not_remembered(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    segmenter.error = ModelBusy("full")
    with pytest.raises(ModelBusy):
        get(embeddings)
    segmenter.error = None
    get(embeddings)
    assert segmenter.encoded == 1


def test_what_was_prepared_needs_no_encoder(ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    ahead.prepare(61, SLIDE, Plane(), box())
    until(lambda: segmenter.encoded == 1 and embeddings.kept_bytes)
    assert get(embeddings).timings_ms()["encode"] == 0


@contextmanager
def held(segmenter: DarkSegmenter, entered: threading.Semaphore) -> Iterator[None]:
    """An encoder that takes nobody until the block ends, and leaves the line with those who give up."""
    go_on, encode = threading.Event(), segmenter.encode

    def waiting(image, claim):  # type: ignore[no-untyped-def]
        entered.release()
        while not go_on.wait(0.005) and not claim.given_up():
            pass
        if claim.given_up():
            raise CallerGone("left")
        return encode(image, claim)

    segmenter.encode = waiting  # type: ignore[method-assign]
    try:
        yield
    finally:
        go_on.set()
        segmenter.encode = encode  # type: ignore[method-assign]


def test_a_click_does_not_wait_behind_its_own_preparation(
    ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter
) -> None:
    entered = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as pool, held(segmenter, entered):
        ahead.prepare(61, SLIDE, Plane(), box())
        assert entered.acquire(timeout=10)
        click = pool.submit(get, embeddings)
        assert entered.acquire(timeout=10)  # in line anew, as a click
    click.result(10)
    assert [claim.ahead for claim in segmenter.claims] == [False]


def test_a_newer_wish_replaces_an_older_one_and_the_line_is_bounded(
    ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter
) -> None:
    entered = threading.Semaphore(0)
    with held(segmenter, entered):
        ahead.prepare(60, SLIDE, Plane(), box(50))
        assert entered.acquire(timeout=10)
        for x in (100, 150, 200):
            ahead.prepare(61, SLIDE, Plane(), box(x))
        for user in (62, 63, 64):
            ahead.prepare(user, SLIDE, Plane(), box(300 + 50 * (user - 60)))
    until(lambda: segmenter.encoded == 4)
    for user in (62, 63, 64):
        assert get(embeddings, box(300 + 50 * (user - 60))).timings_ms()["encode"] == 0
    assert segmenter.encoded == 4


@pytest.mark.parametrize("how", ["newer", "cancelled", "closed"])
def test_a_wish_that_has_begun_leaves_the_line_too(ahead: Ahead, segmenter: DarkSegmenter, how: str) -> None:
    entered = threading.Semaphore(0)
    with held(segmenter, entered):
        ahead.prepare(61, SLIDE, Plane(), box(100))
        assert entered.acquire(timeout=10)
        if how == "newer":
            ahead.prepare(61, SLIDE, Plane(), box(200))
            assert entered.acquire(timeout=10)
        elif how == "cancelled":
            ahead.cancel(61)
        else:
            ahead.close()
    if how == "newer":
        until(lambda: segmenter.encoded == 1)
    else:
        time.sleep(0.05)
        assert segmenter.encoded == 0


def test_the_same_wish_again_goes_on(ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    entered = threading.Semaphore(0)
    with held(segmenter, entered):
        for _ in range(2):
            ahead.prepare(61, SLIDE, Plane(), box())
            time.sleep(0.02)
        assert entered.acquire(timeout=10)
    until(lambda: embeddings.kept_bytes)
    assert segmenter.encoded == 1


def test_a_failure_ahead_stops_nothing(ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    segmenter.error = ModelBusy("full")
    ahead.prepare(61, SLIDE, Plane(), box())
    until(lambda: embeddings.looked == 1)
    segmenter.error = None
    ahead.prepare(61, SLIDE, Plane(), box())
    until(lambda: segmenter.encoded == 1)


@pytest.mark.parametrize("error", [RuntimeError("odd"), SystemExit("of a library"), MemoryError()], ids=repr)
def test_the_thread_ahead_survives_anything(
    ahead: Ahead, segmenter: DarkSegmenter, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("app.usecases.embeddings").addHandler(caplog.handler)
    encode, failed = segmenter.encode, threading.Event()

    def failing(image, claim):  # type: ignore[no-untyped-def]
        failed.set()
        raise error

    segmenter.encode = failing  # type: ignore[method-assign]
    ahead.prepare(61, SLIDE, Plane(), box(100))
    assert failed.wait(30)
    segmenter.encode = encode  # type: ignore[method-assign]
    ahead.prepare(61, SLIDE, Plane(), box(200))
    until(lambda: segmenter.encoded == 1)
    assert "could not be prepared" in caplog.text
    assert type(error).__name__ in caplog.text


def test_one_who_waits_with_another_takes_over_when_that_one_leaves(
    embeddings: Embeddings, segmenter: DarkSegmenter
) -> None:
    entered, left = threading.Semaphore(0), threading.Event()
    with ThreadPoolExecutor(2) as pool, held(segmenter, entered):
        first = pool.submit(get, embeddings, claim=Claim(61, given_up=left.is_set))
        assert entered.acquire(timeout=10)
        second = pool.submit(get, embeddings, claim=Claim(62))
        until(lambda: embeddings.looked == 2)
        left.set()
        assert entered.acquire(timeout=10)
    assert isinstance(first.exception(10), CallerGone)
    second.result(10)
    assert [claim.user for claim in segmenter.claims] == [62]


def test_whoever_leaves_while_the_window_is_read_is_not_encoded(
    embeddings: Embeddings, segmenter: DarkSegmenter
) -> None:
    with pytest.raises(CallerGone):
        get(embeddings, claim=Claim(61, given_up=lambda: True))
    assert segmenter.encoded == 0


def test_an_ahead_that_never_began_closes() -> None:
    Ahead(Embeddings(DiscReader(), DarkSegmenter())).close()


def test_an_annotation_or_a_shape_gives_the_window_of_its_refine(gateway: FakeGateway, ahead: Ahead) -> None:
    from app.geometry.locations import read_location

    embed = EmbedAhead(gateway, ahead)
    by_annotation = embed.annotation(61, 7)
    shape = read_location(gateway.annotations[7].location)
    assert embed.shape(61, 5, shape) == by_annotation
    assert by_annotation.side_px0 == 320
