"""Folders of annotation files, one for each image: what QuPath's and ASAP's have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.geometry.windows import Window
from training.dataset.sources.files import open_pixels
from training.dataset.sources.images import find_image, slide_of
from training.dataset.sources.source import Refused, SourceSlide
from training.errors import BrokenSource


class AnnotatedFolder:
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
            yield slide_of(name, stem, partial(find_image, self._images, stem), whole=True)

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        return open_pixels(find_image(self._images, slide.group)).read(window, side_px)

    def file(self, slide: SourceSlide) -> Path:
        """Where the annotations of a slide are."""
        return self._folder / slide.id


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.is_file()]
    except OSError as error:
        raise BrokenSource(f"The folder {folder} cannot be read: {error.strerror}.") from error
