"""The stored pixels of one TIFF page: its tiles or strips, each decoded when it is needed."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from slides.errors import NotASlide
from slides.kept import Kept
from slides.source import Box

Raw = npt.NDArray[Any]
"""(h, w, samples), as stored."""

_serials = count()
_DECODED: Kept[Raw] = Kept(64 * 1024**2)
_MOST_SEGMENT_BYTES = 256 * 1024**2
_MOST_TIMES_PACKED = 4
"""A packed tile of more than so many times its pixels is damaged."""
_SOME_BYTES = 65536
_UNPACKED, _SEPARATE = 1, 2


class Bytes:
    """A file that several threads read at once, closed with the last who knows it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._descriptor).st_size
        weakref.finalize(self, os.close, self._descriptor)

    def at(self, offset: int, count: int) -> bytes:
        """Read some bytes; raises `ValueError` where the file ends before."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise ValueError("the file ends before its pixels")
        found = os.pread(self._descriptor, count, offset)
        if len(found) != count:
            raise ValueError("the file ends before its pixels")
        return found


class Segments:
    """How one level's pages are cut, and the way to their pixels.

    Parameters
    ----------
    file : Bytes
        What is read from.
    page : tifffile.TiffPage
        Says how every page of the level is stored.
    pages : list
        Of the level, in the order of planes; None where one is missing.

    Raises
    ------
    NotASlide
        Its tiles or strips are too large to be decoded one by one.
    """

    def __init__(self, file: Bytes, page: tifffile.TiffPage, pages: list[Any], name: str) -> None:
        self._file, self._page, self._serial = file, page, next(_serials)
        self.width, self.height = int(page.imagewidth), int(page.imagelength)
        self.samples, self.dtype = int(page.samplesperpixel), np.dtype(page.dtype)
        self._separate = page.planarconfig == _SEPARATE and self.samples > 1
        self._cut = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
        self._across, self._down = (
            -(-side // cut) for side, cut in zip((self.width, self.height), self._cut, strict=True)
        )
        self._places = [_places(each) for each in pages]
        self._tables = page.jpegtables
        self._decode = page.decode
        self._plain = _is_plain(page)
        stored = 1 if self._separate else self.samples
        self._bytes = self._cut[0] * self._cut[1] * stored * self.dtype.itemsize
        if not self._plain and self._bytes > _MOST_SEGMENT_BYTES:
            raise NotASlide(
                f"{name} is packed in one piece of {self._cut[0]} x {self._cut[1]} pixels; convert it to a tiled TIFF."
            )

    @property
    def grain(self) -> tuple[int, int]:
        """What is read at once: a tile, a strip, or a row."""
        return (int(self._cut[0]), 1 if self._plain else int(self._cut[1]))

    def read(self, plane: int, box: Box) -> tuple[Raw, list[Box]]:
        """Read a box of a plane; gives its pixels, and which parts of it could not be read."""
        raw = np.zeros((box.height, box.width, self.samples), self.dtype)
        damaged: list[Box] = []
        for sample in range(self.samples if self._separate else 1):
            for column, row in self._overlapping(box):
                place = Box(column * self._cut[0], row * self._cut[1], *self._cut).cut(box)
                if place is None:
                    continue
                index = (sample * self._down + row) * self._across + column
                try:
                    part = self._part(plane, index, place, row)
                except Exception:  # decoders raise whatever they like on a damaged file
                    damaged.append(place)
                    continue
                into = raw[place.top - box.top : place.bottom - box.top, place.left - box.left : place.right - box.left]
                if self._separate:
                    into[..., sample] = part[..., 0]
                else:
                    into[...] = part
        return raw, list(dict.fromkeys(damaged))

    def _overlapping(self, box: Box) -> Iterator[tuple[int, int]]:
        for row in range(box.top // self._cut[1], -(-box.bottom // self._cut[1])):
            for column in range(box.left // self._cut[0], -(-box.right // self._cut[0])):
                yield column, row

    def _part(self, plane: int, index: int, place: Box, row: int) -> Raw:
        """Read what a segment has of a box."""
        offset, count = self._places[plane][index]
        top = row * self._cut[1]
        if self._plain:
            return self._rows(offset, place, top)
        segment = self._segment(plane, index, offset, count)
        left = place.left % self._cut[0] if self._page.is_tiled else place.left
        part = segment[place.top - top : place.bottom - top, left : left + place.width]
        if part.shape[:2] != (place.height, place.width):
            raise ValueError("the tile is smaller than it should be")
        return part

    def _rows(self, offset: int, place: Box, top: int) -> Raw:
        """Read rows of a strip that is not packed, without the rest of it."""
        stored = 1 if self._separate else self.samples
        row_bytes = self.width * stored * self.dtype.itemsize
        data = self._file.at(offset + (place.top - top) * row_bytes, place.height * row_bytes)
        rows = np.frombuffer(data, self.dtype.newbyteorder(self._page.parent.byteorder))
        return np.asarray(rows.reshape(place.height, self.width, stored)[:, place.left : place.right])

    def _segment(self, plane: int, index: int, offset: int, count: int) -> Raw:
        """Decode a segment, or give it as it was decoded before."""
        key = (self._serial, plane, index)
        kept = _DECODED.get(key)
        if kept is not None:
            return kept
        if count == 0:  # stored nowhere: empty ground
            return self._empty()
        if count > _MOST_TIMES_PACKED * self._bytes + _SOME_BYTES:
            raise ValueError("the tile has more bytes than it can have")
        decoded = self._decode(self._file.at(offset, count), index, jpegtables=self._tables)[0]
        if decoded is None:
            return self._empty()
        segment: Raw = np.asarray(decoded)[0].astype(self.dtype, copy=False)
        _DECODED.put(key, segment, segment.nbytes)
        return segment

    def _empty(self) -> Raw:
        white = 255 if self.dtype == np.uint8 and self.samples >= 3 else 0
        return np.full((self._cut[1], self._cut[0], 1 if self._separate else self.samples), white, self.dtype)


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether the page is in strips of whole, unpacked values."""
    whole = isinstance(page.bitspersample, int) and page.bitspersample == np.dtype(page.dtype).itemsize * 8
    return bool(
        not page.is_tiled and page.compression == _UNPACKED and whole and page.predictor == 1 and page.fillorder == 1
    )


def _places(page: Any) -> list[tuple[int, int]]:
    """Give offset and length of each segment of a page; none where it is missing."""
    if page is None:
        return []
    return list(
        zip((int(each) for each in page.dataoffsets), (int(each) for each in page.databytecounts), strict=False)
    )
