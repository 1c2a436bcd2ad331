"""Embeddings as files: they survive a restart, and replicas that share the folder encode a window once among them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from app.errors import InvalidSettings
from app.geometry.glance import Glance
from app.geometry.windows import Window, WindowGrid, window_at
from app.segmenter.embedding import Sam2Embedding
from app.usecases.ports import EncodedWindow, ModelInfo, Plane, Slide

log = logging.getLogger(__name__)

_FORMAT = 4
"""Counts changes of what a file holds; those of other counts are not read."""
_NAME = re.compile(r"(-?\d{1,10})_(-?\d{1,10})_([1-9]\d{0,9})\.npz", re.ASCII)
"""A window's place and side, level-0 pixels. Other files in the folder are none of ours."""
_MOST_UNWRITTEN = 32
"""Windows that wait to be written; more are not kept, since a disk this slow is of no use."""
_PART = "part-"
"""Begins the names of files that are being written."""
_PART_S = 60.0
"""A file that was begun and not finished for so long is one of a writer that was killed."""


class EmbeddingFiles:
    """A folder of embeddings: a folder for each plane of a slide, a file for each window.

    A file is written under another name first and renamed when it is whole. The last use is the file's access time; the
    least used go first. Rights are not its business: whoever asks has read the slide as the caller before.

    Parameters
    ----------
    folder : Path
        Made if it is not there, for this user alone.
    max_bytes : int
        Of all files together. Replicas may pass it for a moment, by what each is writing.
    kept_s : float
        Older files are not used: a slide's file may be replaced under its name.
    model : ModelInfo
        Embeddings of other weights, engines or precisions are not used.
    platform : str
        Base URL; slides of other platforms have the same ids.

    Raises
    ------
    InvalidSettings
        The folder cannot be written.
    """

    def __init__(self, folder: Path, max_bytes: int, kept_s: float, model: ModelInfo, platform: str) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._kept_s = kept_s
        self._whose = [_FORMAT, model.sha256, model.engine, model.precision, platform]
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="embedding-files")
        self._unwritten = threading.BoundedSemaphore(_MOST_UNWRITTEN)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = folder / f"{_PART}{os.getpid()}"
            probe.touch()
            probe.unlink()
            self._trim()
        except OSError as error:
            raise InvalidSettings(f"REFINE_REFINE__EMBEDDING_FOLDER: {folder} cannot be written: {error}.") from error

    def windows(self, slide: Slide, plane: Plane) -> list[Window]:
        """List the windows of a slide that are here."""
        young = time.time() - self._kept_s
        return [
            window_at(*place, slide.width, slide.height)
            for name, stat in _files(self._home(slide, plane))
            if stat.st_mtime > young and (place := _place(name))
        ]

    def read(self, slide: Slide, plane: Plane, window: Window) -> EncodedWindow | None:
        """Give a window back, if it is still here and whole; one that is not is deleted."""
        file = self._home(slide, plane) / _name(window)
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                whole = {name: arrays[name] for name in arrays.files}
            found = self._unpacked(window, whole)
            os.utime(file, (time.time(), file.stat().st_mtime))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a damaged file leads to
            log.warning("The embedding %s is unusable: %s", file, error)
            _remove(file)
            return None
        return found

    def write(self, slide: Slide, plane: Plane, encoded: EncodedWindow) -> None:
        """Keep a window; it is written in the background, one after the other, unless too many wait for that."""
        with suppress(RuntimeError):  # closed already
            if self._unwritten.acquire(blocking=False):
                self._writer.submit(self._write, self._home(slide, plane), encoded)

    def close(self) -> None:
        """Finish what is being written."""
        self._writer.shutdown()

    def _write(self, home: Path, encoded: EncodedWindow) -> None:
        part = home / f"{_PART}{os.getpid()}-{threading.get_ident()}"
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with part.open("wb") as stream:
                cast(Any, np.savez)(stream, **_packed(encoded))
            part.replace(home / _name(encoded.window))
            self._trim()
        except BaseException as error:  # a full disk, a replica that cleans up, a device that is gone
            log.warning("The embedding could not be kept in %s: %s", home, error)
            _remove(part)
        finally:
            self._unwritten.release()

    def _trim(self) -> None:
        """Delete what is too old or was never finished, then the least used, until the rest is small enough."""
        now = time.time()
        here = [(home / name, stat) for home in (self._folder, *self._folder.iterdir()) for name, stat in _files(home)]
        for file, stat in here:
            if file.name.startswith(_PART) and stat.st_mtime < now - _PART_S:
                _remove(file)
        found = [(file, stat) for file, stat in here if _place(file.name)]
        found.sort(key=lambda each: (each[1].st_mtime > now - self._kept_s, each[1].st_atime), reverse=True)
        total = 0
        for file, stat in found:
            total += stat.st_size
            if total > self._max_bytes or stat.st_mtime <= now - self._kept_s:
                _remove(file)

    def _home(self, slide: Slide, plane: Plane) -> Path:
        key = json.dumps([*self._whose, asdict(slide), asdict(plane)], sort_keys=True)
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _unpacked(self, window: Window, arrays: dict[str, npt.NDArray[Any]]) -> EncodedWindow:
        features = tuple(arrays[f"level{at}"] for at in range(len(arrays) - 5))
        columns, rows = (int(side) for side in arrays["window_size"])
        height, width = (int(side) for side in arrays["shape"])
        embedding = Sam2Embedding(features, (columns, rows))
        grid = WindowGrid(*(float(each) for each in arrays["grid"]))
        glance = Glance(arrays["glance"], float(arrays["softness"])) if arrays["glance"].size else None
        return EncodedWindow(window, embedding, grid, (height, width), glance)


def _packed(encoded: EncodedWindow) -> dict[str, npt.NDArray[Any]]:
    embedding, grid, glance = cast(Sam2Embedding, encoded.embedding).on_host(), encoded.grid, encoded.glance
    return {
        "grid": np.array([grid.x0, grid.y0, grid.dx, grid.dy]),
        "shape": np.array(encoded.shape),
        "window_size": np.array(embedding.window_size),
        "glance": glance.pixels if glance else np.empty(0, np.uint8),
        "softness": np.array(glance.softness if glance else 0.0),
        **{f"level{at}": np.asarray(level) for at, level in enumerate(embedding.features)},
    }


def _name(window: Window) -> str:
    return f"{window.x0}_{window.y0}_{window.side_px0}.npz"


def _place(name: str) -> tuple[int, int, int] | None:
    """Tell where a window lies from the name of its file; None for other files."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _files(home: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Go through the files of a folder; those that vanish meanwhile are not there."""
    with suppress(OSError), os.scandir(home) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    yield entry.name, entry.stat()


def _remove(file: Path) -> None:
    """Delete a file if that can be; another replica may have been faster."""
    with suppress(OSError):
        file.unlink()
