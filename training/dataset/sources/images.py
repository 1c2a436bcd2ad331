"""Which image belongs to an annotation file, and what tells its pixels from others."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from pathlib import Path

from training.dataset.sources.files import IMAGES, SLIDES, open_pixels
from training.dataset.sources.source import Refused, SourceSlide
from training.errors import BrokenSource, is_full

_COMPOUND = (".ome.tif", ".ome.tiff")
_ENDS = 1 << 18
"""Bytes at the beginning and at the end of a file that tell it from others."""


def find_image(folder: Path, stem: str) -> Path:
    """Find the image file that belongs to an annotation file or a name.

    Parameters
    ----------
    stem : str
        The name of the image, with its suffix or without. Where a slide and a picture have it, the slide is meant.

    Raises
    ------
    BrokenSource
        There is none, or it could be one of several.
    """
    named = folder / stem
    if named.is_file():
        return named
    candidates = [file for file in _files(folder) if _suffix_of(file.name, stem) is not None]
    slides = [file for file in candidates if _suffix_of(file.name, stem) in (*_COMPOUND, *SLIDES)]
    found = sorted(slides or candidates)
    if not found:
        raise BrokenSource(f"{folder} has no image for {stem}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise BrokenSource(f"{stem} could be any of {names}: name the annotation file after its image, suffix and all")
    return found[0]


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.is_file()]
    except OSError as error:
        raise BrokenSource(f"{folder} cannot be read: {error}") from error


def _suffix_of(name: str, stem: str) -> str | None:
    """Give the suffix that a file has in addition to a name, if it could be its image; however accents are encoded."""
    name, stem = unicodedata.normalize("NFC", name), unicodedata.normalize("NFC", stem)
    rest = name[len(stem) :].lower()
    return rest if name.startswith(stem) and rest in ("", *_COMPOUND, *SLIDES, *IMAGES) else None


def fingerprint(file: Path) -> str:
    """Tell a file from others by its length, its beginning and its end.

    Raises
    ------
    BrokenSource
        It cannot be read.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            ends = stream.read(_ENDS)
            stream.seek(max(size - _ENDS, 0))
            ends += stream.read(_ENDS)
    except OSError as error:
        raise BrokenSource(f"{file} cannot be read: {error}") from error
    return hashlib.sha256(f"{size} ".encode() + ends).hexdigest()[:16]


def slide_of(
    name: str,
    group: str,
    find: Callable[[], Path],
    *,
    whole: bool,
    dataset: str | None = None,
    mpp: float | None = None,
    turned: bool = True,
) -> SourceSlide | Refused:
    """Open the image of a slide; where that fails, for whatever reason, the others go on.

    Parameters
    ----------
    name, group, whole, dataset
        As in `SourceSlide`.
    find : callable
        Gives the image's file.
    mpp : float, optional
        Microns per pixel, where something else than the image says so.
    turned : bool
        As in `open_pixels`.
    """
    try:
        file = find()
        pixels = open_pixels(file, turned=turned)
        size, found_mpp = (pixels.width, pixels.height), mpp or pixels.mpp
        return SourceSlide(name, group, *size, found_mpp, whole, dataset, fingerprint(file))
    except Exception as error:  # whatever a reader of images may raise costs this image, and no other
        if is_full(error):
            raise
        told = str(error) if isinstance(error, BrokenSource) else f"{type(error).__name__} {error}"
        return Refused(name, told.rstrip("."), group, dataset)
