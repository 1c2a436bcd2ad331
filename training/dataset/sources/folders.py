"""Folders of annotation files, one for each image: what QuPath's and ASAP's have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from app.geometry.windows import Window
from training.dataset.sources.files import Pixels, open_pixels
from training.dataset.sources.images import find_image, slide_of
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource


class AnnotatedFolder(ABC):
    """A folder of annotation files and the images that they outline.

    Parameters
    ----------
    folder : Path
        With the annotation files.
    suffixes : sequence of str
        Theirs, longer ones first.
    kind : str
        What they are, for people.
    images : Path, optional
        Where the image of each file lies; default: the same folder.
    """

    def __init__(self, folder: Path, suffixes: Sequence[str], kind: str, images: Path | None = None) -> None:
        self._folder, self._images = folder, images or folder
        self._stems: dict[str, str] = {}
        self._turned: set[str] = set()
        for file in sorted(_files(folder)):
            suffix = next((each for each in suffixes if file.name.lower().endswith(each)), None)
            if suffix and not file.name.startswith("."):
                self._stems[file.name] = file.name[: -len(suffix)]
        if not self._stems:
            raise BrokenSource(f"{folder} has no {kind} files.")
        if not self._images.is_dir():
            raise BrokenSource(f"There is no folder {self._images}.")

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._folder.resolve().name

    @property
    def place(self) -> str:
        """The folder's path."""
        return str(self._folder.resolve())

    def count(self) -> int:
        """How many files there are."""
        return len(self._stems)

    def slides(self) -> Iterator[SourceSlide | Refused]:
        """Go through the files."""
        for name, stem in self._stems.items():
            slide = slide_of(name, stem, partial(find_image, self._images, stem), whole=True, turned=False)
            yield self._as_drawn(slide) if isinstance(slide, SourceSlide) else slide

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        return self._open(slide, turned=slide.id in self._turned).read(window, side_px)

    @abstractmethod
    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through the records of a slide."""

    def _open(self, slide: SourceSlide, *, turned: bool) -> Pixels:
        return open_pixels(find_image(self._images, slide.group), turned=turned)

    def _as_drawn(self, slide: SourceSlide) -> SourceSlide:
        """Turn a photograph that says how it should be turned, if its outlines are of the turned one.

        QuPath and ASAP show it as it is stored; our own viewer, as browsers do, turns it. Only one of both may hold the
        outlines.
        """
        upright = self._open(slide, turned=True)
        if (upright.width, upright.height) == (slide.width, slide.height):
            return slide
        try:
            outlines = [each.outline for each in self.objects(slide) if isinstance(each, SourceObject)]
        except BrokenSource:
            return slide  # told by the export
        right, bottom = shapely.total_bounds(outlines)[2:] if outlines else (0.0, 0.0)
        if (right <= slide.width and bottom <= slide.height) or right > upright.width or bottom > upright.height:
            return slide
        self._turned.add(slide.id)
        return replace(slide, width=upright.width, height=upright.height)

    def file(self, slide: SourceSlide) -> Path:
        """Where the annotations of a slide are."""
        return self._folder / slide.id


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.is_file()]
    except OSError as error:
        raise BrokenSource(f"The folder {folder} cannot be read: {error.strerror}.") from error
