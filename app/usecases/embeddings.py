"""Windows, encoded once: the encoder is by far the dearest step, and the same window is asked for again and again.

A point is added and the shape refined anew; a dry run comes before the real one; the page prepares a shape as soon as
it is drawn. The key is the slide, the plane and the very window, so an answer is the same with and without this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass

from cachetools import TTLCache

from app.errors import ServiceError
from app.geometry.windows import Window, WindowGrid
from app.usecases.in_flight import InFlight
from app.usecases.ports import Embedding, Plane, Segmenter, Slide, WindowReader
from app.usecases.timings import Stopwatch

_KEPT_S = 600.0
"""A slide's file may be replaced under its name; after this time that is noticed."""
_PAUSE_S = 0.05
"""How soon a window in line learns that the model is free."""


@dataclass(frozen=True, slots=True)
class EncodedWindow:
    """A window as the decoder needs it."""

    embedding: Embedding
    grid: WindowGrid
    shape: tuple[int, int]
    """(rows, columns) of the array that was encoded."""


class Embeddings:
    """Encodes windows and remembers them, up to a number of bytes. Safe to share between threads.

    Parameters
    ----------
    reader : WindowReader
    segmenter : Segmenter
    max_bytes : int
        0 remembers nothing.
    """

    def __init__(self, reader: WindowReader, segmenter: Segmenter, max_bytes: int = 0) -> None:
        self._reader = reader
        self._segmenter = segmenter
        self._guard = threading.Lock()
        self._kept: TTLCache[Hashable, EncodedWindow] = TTLCache(max_bytes, _KEPT_S, getsizeof=_bytes_of)
        self._in_flight: InFlight[EncodedWindow] = InFlight()
        self.hits = 0
        self.misses = 0

    @property
    def kept_bytes(self) -> int:
        """How much is remembered."""
        with self._guard:
            return int(self._kept.currsize)

    def get(self, slide: Slide, plane: Plane, window: Window, stopwatch: Stopwatch) -> EncodedWindow:
        """Give a window's embedding; whoever asks while it is being made waits for the same one.

        Raises
        ------
        PlatformError, ModelError
            The pixels, or the model, are not to be had.
        """
        key = (slide, plane, window)
        found = self._recall(key)
        if found is not None:
            return found

        def make() -> EncodedWindow:
            with stopwatch.step("window"):
                image = self._reader.read(slide, plane, window, self._segmenter.input_side_px)
            with stopwatch.step("encode"):
                embedding = self._segmenter.encode(image)
            rows, columns = image.pixels.shape[:2]
            return self._remember(key, EncodedWindow(embedding, image.grid, (rows, columns)))

        return self._in_flight.run(key, key, make)

    def _recall(self, key: Hashable) -> EncodedWindow | None:
        with self._guard:
            found: EncodedWindow | None = self._kept.get(key)
            self.hits += found is not None
            self.misses += found is None
            return found

    def _remember(self, key: Hashable, made: EncodedWindow) -> EncodedWindow:
        with self._guard, suppress(ValueError):  # larger than everything that may be kept
            self._kept[key] = made
        return made


def _bytes_of(window: EncodedWindow) -> int:
    return window.embedding.nbytes


class Ahead:
    """Encodes windows before they are asked for, one at a time, and only while nobody waits for the model.

    Parameters
    ----------
    embeddings : Embeddings
        Where the work goes.
    is_busy : callable
        Whether somebody waits for the model.
    most : int
        Callers that may have a window in line; the oldest is dropped for a new one.
    """

    def __init__(self, embeddings: Embeddings, is_busy: Callable[[], bool], most: int = 32) -> None:
        self._embeddings = embeddings
        self._is_busy = is_busy
        self._most = most
        self._changed = threading.Condition()
        self._line: dict[Hashable, tuple[Slide, Plane, Window]] = {}
        self._closed = False
        self._thread: threading.Thread | None = None

    def prepare(self, caller: Hashable, slide: Slide, plane: Plane, window: Window) -> None:
        """Put a window in line; a caller's newer wish replaces an older one that has not begun."""
        with self._changed:
            self._line.pop(caller, None)
            self._line[caller] = (slide, plane, window)
            if len(self._line) > self._most:
                self._line.pop(next(iter(self._line)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Forget what is in line, and end."""
        with self._changed:
            self._closed = True
            self._line.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (self._line and not self._is_busy()), timeout=_PAUSE_S)
                if self._closed:
                    return
                if not self._line or self._is_busy():
                    continue
                wanted = self._line.pop(next(iter(self._line)))
            with suppress(ServiceError):  # whoever presses the button gets the error
                self._embeddings.get(*wanted, Stopwatch())
