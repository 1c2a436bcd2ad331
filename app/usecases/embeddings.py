"""Windows, encoded once: the encoder is by far the dearest step, and the same window is asked for again and again.

A point is added and the shape refined anew; a dry run comes before the real one; the page prepares a shape as soon as
it is drawn. The key is the slide, the plane and the very window; a window of nearly the same box may serve too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from typing import Literal

from cachetools import TTLCache

from app import spans
from app.errors import CallerGone, ServiceError
from app.geometry.frames import Roi
from app.geometry.glance import glance_at
from app.geometry.windows import Window, WindowImage, plan_window, serves
from app.usecases.in_flight import InFlight
from app.usecases.ports import Claim, EmbeddingStore, EncodedWindow, Plane, Segmenter, Slide, WindowReader
from app.usecases.timings import Stopwatch

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""A slide's file may be replaced under its name; after this time that is noticed."""
_AHEAD_S = 60.0
"""A wish that is older is forgotten: whoever had it has gone on."""

Source = Literal["memory", "store", "encoder"]
_Key = tuple[Slide, Plane, Window]


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: _Key
    """Whose window is the box' own."""
    roi: Roi
    prompted: Roi

    def is_served_by(self, window: Window) -> bool:
        return serves(window, self.key[2], self.roi) and window.holds(self.prompted)


class Embeddings:
    """Encodes windows and remembers them, up to a number of bytes. Safe to share between threads.

    Parameters
    ----------
    reader : WindowReader
    segmenter : Segmenter
    max_bytes : int
        0 remembers nothing.
    store : EmbeddingStore, optional
        Asked before the encoder is, and told afterwards.
    reuse : bool
        Whether the window of nearly the same box serves. Without it a result depends on its request alone.
    plan : callable
        Gives the window of a box on a slide of a width and height.
    """

    def __init__(
        self,
        reader: WindowReader,
        segmenter: Segmenter,
        max_bytes: int = 0,
        store: EmbeddingStore | None = None,
        *,
        reuse: bool = True,
        plan: Callable[[Roi, int, int], Window] = plan_window,
    ) -> None:
        self._reader = reader
        self._segmenter = segmenter
        self._store = store
        self._reuse = reuse
        self._plan = plan
        self._guard = threading.Lock()
        self._kept: TTLCache[_Key, EncodedWindow] = TTLCache(max_bytes, KEPT_S, getsizeof=_bytes_of)
        self._in_flight: InFlight[EncodedWindow] = InFlight()
        self._clicks: Counter[Hashable] = Counter()
        self.given: Counter[Source] = Counter()
        """Where windows came from."""

    @property
    def kept_bytes(self) -> int:
        """How much is remembered."""
        with self._guard:
            return int(self._kept.currsize)

    def get(
        self,
        slide: Slide,
        plane: Plane,
        roi: Roi,
        stopwatch: Stopwatch,
        claim: Claim,
        prompted: Roi | None = None,
    ) -> EncodedWindow:
        """Give the embedding of a box' window; whoever asks while it is being made waits for the same one.

        A click does not wait behind work ahead of a click: what is still in line for the same window leaves it, and the
        click takes its own, earlier place.

        Parameters
        ----------
        roi : Roi
            Slide frame, inside the slide.
        prompted : Roi, optional
            What the window of another box must hold to serve, where points lie around the box; default: the box.

        Raises
        ------
        PlatformError, ModelError
            The pixels, or the model, are not to be had.
        """
        window = self._plan(roi, slide.width, slide.height)
        return self._get(_Wanted((slide, plane, window), roi, prompted or roi), stopwatch, claim)

    def of(
        self, slide: Slide, plane: Plane, window: Window, whole: Roi, stopwatch: Stopwatch, claim: Claim
    ) -> EncodedWindow:
        """Give the embedding of a very window, or of one of nearly its side that holds it `whole`; else as `get`."""
        return self._get(_Wanted((slide, plane, window), whole, whole), stopwatch, claim)

    def pixels(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim) -> WindowImage:
        """Read a window of at most about `side_px` a side, to look at it without the model; raises `PlatformError`."""
        return self._reader.read(slide, plane, window, side_px, claim)

    def _get(self, wanted: _Wanted, stopwatch: Stopwatch, claim: Claim) -> EncodedWindow:
        found = self._recall(wanted)
        if found is not None:
            _note("memory")
            return found
        _note("another request")  # unless it is made here
        if claim.ahead:
            claim = self._unless_clicked(wanted.key, claim)
            return self._in_flight.run(wanted.key, wanted, lambda: self._make(wanted, stopwatch, claim), claim)
        with self._clicking(wanted.key):
            return self._in_flight.run(wanted.key, wanted, lambda: self._make(wanted, stopwatch, claim), claim)

    @contextmanager
    def _clicking(self, key: Hashable) -> Iterator[None]:
        """Let work ahead of a click know that the click has come."""
        with self._guard:
            self._clicks[key] += 1
        try:
            yield
        finally:
            with self._guard:
                self._clicks[key] -= 1
                if not self._clicks[key]:
                    del self._clicks[key]

    def _unless_clicked(self, key: Hashable, claim: Claim) -> Claim:
        return replace(claim, given_up=lambda: claim.given_up() or key in self._clicks)

    def _make(self, wanted: _Wanted, stopwatch: Stopwatch, claim: Claim) -> EncodedWindow:
        slide, plane, _ = wanted.key
        with self._guard:
            made = self._kept.get(wanted.key)  # by the flight that landed a moment ago
        if made is not None:
            return made
        made = self._stored(wanted)
        if made is None:
            made = self._encode(wanted.key, stopwatch, claim)
            if self._store is not None:
                self._store.write(slide, plane, made)
        with self._guard, suppress(ValueError):  # larger than everything that may be kept
            self._kept[slide, plane, made.window] = made
        return made

    def _encode(self, key: _Key, stopwatch: Stopwatch, claim: Claim) -> EncodedWindow:
        slide, plane, window = key
        with self._segmenter.place(claim) as encode:
            with stopwatch.step("window"):
                image = self._reader.read(slide, plane, window, self._segmenter.input_side_px, claim)
            if claim.given_up():
                raise CallerGone("Nobody is waiting for this any longer.")
            with stopwatch.step("encode"):
                embedding = encode(image)
        self._count("encoder")
        rows, columns = image.pixels.shape[:2]
        return EncodedWindow(window, embedding, image.grid, (rows, columns), glance_at(image.pixels))

    def _stored(self, wanted: _Wanted) -> EncodedWindow | None:
        if self._store is None:
            return None
        slide, plane, _ = wanted.key
        best = self._best(self._store.windows(slide, plane), wanted)
        found = self._store.read(slide, plane, best) if best else None
        if found:
            self._count("store")
        return found

    def _recall(self, wanted: _Wanted) -> EncodedWindow | None:
        slide, plane, _ = wanted.key
        with self._guard:
            here = (kept[2] for kept in list(self._kept) if kept[:2] == (slide, plane))
            best = self._best(here, wanted)
            found = self._kept.get((slide, plane, best)) if best else None
            if found:
                self.given["memory"] += 1
            return found

    def _best(self, windows: Iterable[Window], wanted: _Wanted) -> Window | None:
        """Choose the box' own window, else the one most like it of those that serve."""
        own = wanted.key[2]
        fit = [window for window in windows if window == own or (self._reuse and wanted.is_served_by(window))]
        return min(fit, key=lambda window: _unlike(window, own), default=None)

    def _count(self, source: Source) -> None:
        with self._guard:
            self.given[source] += 1
        _note(source)


def _note(source: Source | Literal["another request"]) -> None:
    spans.note({"refine.embedding.source": source})


def _unlike(window: Window, own: Window) -> int:
    return abs(window.side_px0 - own.side_px0) + abs(window.x0 - own.x0) + abs(window.y0 - own.y0)


def _bytes_of(window: EncodedWindow) -> int:
    return window.embedding.nbytes  # a glance is a hundredth of the smallest


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    slide: Slide
    plane: Plane
    roi: Roi
    claim: Claim
    withdrawn: threading.Event
    context: Context
    """The request's: its id in the log, and its trace."""


class Ahead:
    """Encodes windows before they are asked for, one at a time, and only while no click waits for the model.

    Parameters
    ----------
    embeddings : Embeddings
        Where the work goes.
    most : int
        Callers that may have a window in line; the oldest is dropped for a new one.
    """

    def __init__(self, embeddings: Embeddings, most: int = 32) -> None:
        self._embeddings = embeddings
        self._most = most
        self._changed = threading.Condition()
        self._line: dict[Hashable, _Wish] = {}
        self._begun: tuple[Hashable, _Wish] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def prepare(self, user: Hashable, slide: Slide, plane: Plane, roi: Roi) -> None:
        """Put the window of a box in line; a user's newer wish takes the place of an older one."""
        withdrawn = threading.Event()
        claim = Claim(user, ahead=True, deadline=time.monotonic() + _AHEAD_S, given_up=withdrawn.is_set)
        wish = _Wish(slide, plane, roi, claim, withdrawn, copy_context())
        with self._changed:
            self._withdraw(user, unless=(slide, plane, roi))
            self._line[user] = wish
            if len(self._line) > self._most:
                self._line.pop(next(iter(self._line)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
                self._thread.start()
            self._changed.notify()

    def cancel(self, user: Hashable) -> None:
        """Forget what a user wished; what the encoder has begun is finished."""
        with self._changed:
            self._withdraw(user)

    def close(self) -> None:
        """Forget what is in line, and end."""
        with self._changed:
            self._closed = True
            self._line.clear()
            if self._begun:
                self._begun[1].withdrawn.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _withdraw(self, user: Hashable, unless: tuple[Slide, Plane, Roi] | None = None) -> None:
        self._line.pop(user, None)
        if self._begun and self._begun[0] == user:
            begun = self._begun[1]
            if (begun.slide, begun.plane, begun.roi) != unless:
                begun.withdrawn.set()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._begun = None
                self._changed.wait_for(lambda: self._closed or self._line)
                if self._closed:
                    return
                user = next(iter(self._line))
                wish = self._line.pop(user)
                self._begun = (user, wish)
            wish.context.run(self._encode, wish)

    def _encode(self, wish: _Wish) -> None:
        """Prepare what was wished; the thread survives whatever goes wrong."""
        try:
            with spans.span("ahead"):
                self._embeddings.get(wish.slide, wish.plane, wish.roi, Stopwatch(), wish.claim)
        except ServiceError:
            pass  # whoever presses the button gets the error
        except BaseException:
            log.exception("A window could not be prepared ahead.")
