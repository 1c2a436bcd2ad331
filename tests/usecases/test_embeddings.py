"""Windows are encoded once, remembered within bounds, and prepared without being in anybody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import ModelBusy
from app.geometry.frames import Roi
from app.geometry.windows import Window, plan_window
from app.usecases.embed_ahead import EmbedAhead
from app.usecases.embeddings import Ahead, Embeddings
from app.usecases.ports import Plane, Slide
from app.usecases.timings import Stopwatch
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

SLIDE = Slide(5, 1000, 800, "slide.tif")


def window(x: float = 420, side: float = 100) -> Window:
    return plan_window(Roi(x, 320, x + side, 320 + side), SLIDE.width, SLIDE.height)


def get(embeddings: Embeddings, wanted: Window | None = None, slide: Slide = SLIDE) -> Stopwatch:
    stopwatch = Stopwatch()
    embeddings.get(slide, Plane(), wanted or window(), stopwatch)
    return stopwatch


def until(condition: object, seconds: float = 10) -> None:
    give_up = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.fixture
def embeddings(segmenter: DarkSegmenter) -> Embeddings:
    return Embeddings(DiscReader(), segmenter, 10**6)


@pytest.fixture
def ahead(embeddings: Embeddings, segmenter: DarkSegmenter) -> Iterator[Ahead]:
    made = Ahead(embeddings, lambda: segmenter.is_busy, most=3)
    yield made
    made.close()


def test_the_same_window_is_encoded_once(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    assert get(embeddings).timings_ms()["encode"] > 0
    assert get(embeddings).timings_ms()["encode"] == 0
    assert (segmenter.encoded, embeddings.hits, embeddings.misses) == (1, 1, 1)
    assert embeddings.kept_bytes == 200 * 200


def test_another_window_slide_or_plane_is_another_embedding(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    get(embeddings)
    get(embeddings, window(421))
    get(embeddings, slide=Slide(6, 1000, 800, "slide.tif"))
    get(embeddings, slide=Slide(5, 1000, 800, "replaced.tif"))
    embeddings.get(SLIDE, Plane(z=1), window(), Stopwatch())
    assert segmenter.encoded == 5


def test_who_asks_meanwhile_waits_for_the_same_one(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    go_on, encode = threading.Event(), segmenter.encode

    def slow(image):  # type: ignore[no-untyped-def]
        assert go_on.wait(10)
        return encode(image)

    segmenter.encode = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(get, embeddings) for _ in range(4)]
        until(lambda: embeddings.misses == 4)
        go_on.set()
        for future in asked:
            future.result(10)
    assert segmenter.encoded == 1


def test_the_bytes_are_bounded(segmenter: DarkSegmenter) -> None:
    embeddings = Embeddings(DiscReader(), segmenter, 90_000)
    for x in (100, 200, 300):
        get(embeddings, window(x))
    assert embeddings.kept_bytes == 80_000
    get(embeddings, window(300))
    assert segmenter.encoded == 3
    get(embeddings, window(100))  # the oldest had to go
    assert segmenter.encoded == 4


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
    ahead.prepare(61, SLIDE, Plane(), window())
    until(lambda: segmenter.encoded == 1 and embeddings.kept_bytes)
    assert get(embeddings).timings_ms()["encode"] == 0


def test_nothing_is_prepared_while_somebody_waits(ahead: Ahead, segmenter: DarkSegmenter) -> None:
    segmenter.busy = True
    ahead.prepare(61, SLIDE, Plane(), window())
    time.sleep(0.15)
    assert segmenter.encoded == 0
    segmenter.busy = False
    until(lambda: segmenter.encoded == 1)


def test_a_newer_wish_replaces_an_older_one_and_the_line_is_bounded(
    ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter
) -> None:
    segmenter.busy = True
    for x in (100, 150, 200):
        ahead.prepare(61, SLIDE, Plane(), window(x))
    for caller in (62, 63, 64):
        ahead.prepare(caller, SLIDE, Plane(), window(300 + caller))
    segmenter.busy = False
    until(lambda: segmenter.encoded == 3)
    time.sleep(0.1)
    assert segmenter.encoded == 3
    for caller in (62, 63, 64):
        assert get(embeddings, window(300 + caller)).timings_ms()["encode"] == 0


def test_a_failure_ahead_stops_nothing(ahead: Ahead, embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    segmenter.error = ModelBusy("full")
    ahead.prepare(61, SLIDE, Plane(), window())
    until(lambda: embeddings.misses == 1)
    segmenter.error = None
    ahead.prepare(61, SLIDE, Plane(), window())
    until(lambda: segmenter.encoded == 1)


def test_closing_forgets_what_is_in_line(embeddings: Embeddings, segmenter: DarkSegmenter) -> None:
    segmenter.busy = True
    ahead = Ahead(embeddings, lambda: segmenter.is_busy)
    ahead.prepare(61, SLIDE, Plane(), window())
    ahead.close()
    assert segmenter.encoded == 0
    Ahead(embeddings, lambda: False).close()


def test_an_annotation_or_a_shape_gives_the_window_of_its_refine(gateway: FakeGateway, ahead: Ahead) -> None:
    from app.geometry.locations import read_location

    embed = EmbedAhead(gateway, ahead)
    by_annotation = embed.annotation(61, 7)
    shape = read_location(gateway.annotations[7].location)
    assert embed.shape(61, 5, shape) == by_annotation
    assert by_annotation.side_px0 == 320
