"""Opening a slide file with the reader that knows it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path

from slides.errors import NotASlide
from slides.plain import open_plain
from slides.slide import SlideFile
from slides.tiff import open_tiff
from slides.tiff.lengths import lengths_fit
from slides.vendor import PLAIN_TIFF, kind_of, open_vendor

_MOST_OPEN = 16
_MOST_PIXELS = 1_000_000_000
"""Of the smallest level: an overview is made of all of it."""
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_slide(path: Path, *, turned: bool = True) -> SlideFile:
    """Open a slide file, or give the one that is open already. Slides may be shared between threads.

    Parameters
    ----------
    turned : bool
        Turn pictures upright that say how they lie, as every viewer does; else they stay as they are stored.

    Raises
    ------
    NotASlide
        No reader understands it, or it is huge and without a pyramid.
    FileNotFoundError
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    real = path.resolve()  # some formats have other files beside them
    now = real.stat()
    return _open.slide((real, now.st_mtime_ns, now.st_size, turned), real, turned)


class _Open:
    """The slides that are open: each opened once, without holding up others meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slides: OrderedDict[Hashable, SlideFile] = OrderedDict()
        self._doors: OrderedDict[Hashable, threading.Lock] = OrderedDict()

    def slide(self, key: Hashable, path: Path, turned: bool) -> SlideFile:
        with self._lock:
            found = self._slides.get(key)
            if found is not None:
                self._slides.move_to_end(key)
                return found
            door = self._doors.setdefault(key, threading.Lock())
            while len(self._doors) > 4 * _MOST_OPEN:
                self._doors.popitem(last=False)
        with door:
            found = self._slides.get(key) or _opened(path, turned)
        with self._lock:
            self._slides[key] = found
            while len(self._slides) > _MOST_OPEN:
                self._slides.popitem(last=False)
        return found


_open = _Open()


def _opened(path: Path, turned: bool) -> SlideFile:
    slide = _by_its_kind(path, turned)
    width, height = slide.levels[-1]
    if width * height > _MOST_PIXELS:
        raise NotASlide(f"{path.name} has {width} x {height} pixels and no pyramid; convert it to a pyramidal TIFF.")
    return slide


def _by_its_kind(path: Path, turned: bool) -> SlideFile:
    kind = kind_of(path)
    with path.open("rb") as stream:
        is_tiff = stream.read(4) in _TIFF_STARTS
    if kind not in {None, PLAIN_TIFF} and (not is_tiff or lengths_fit(path)):
        return open_vendor(path)
    if not is_tiff:
        return open_plain(path, turned=turned)
    try:
        return open_tiff(path, turned=turned)
    except NotASlide as reason:
        try:
            return open_vendor(path) if kind and lengths_fit(path) else open_plain(path, turned=turned)
        except NotASlide:
            raise reason from None
