"""What every source gives: slides, their objects, and the pixels of windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from app.geometry.windows import Window


@dataclass(frozen=True, slots=True)
class SourceSlide:
    """One image of a source."""

    id: str
    """What is read; unique in its source."""
    group: str
    """What must stay together in a split; mostly the id."""
    width: int
    """Level-0 pixels."""
    height: int
    mpp: float | None = None
    """Microns per pixel."""
    whole: bool = True
    """Whether the image ends where the tissue or the glass ends; a tile cut from a slide does not."""
    dataset: str | None = None
    """Where a source holds several datasets, which one this is of."""
    image: str = ""
    """Tells the pixels: slides with the same one are copies. Empty where unknown."""


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One outlined object of a slide."""

    annotation: str
    """What its source calls it; empty, or the name of several, where that tells nothing apart."""
    object_type: str
    outline: BaseGeometry
    """As it was drawn, valid or not: slide frame, level-0 pixels, y down."""
    place: str = ""
    """Where it stands in its source, for people who look for it."""
    wanted: bool = True
    """Whether it is one of those asked for."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that holds no object to train on, and should not."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A record or a file that cannot be used, though it should hold an object; the others can."""

    what: str
    """Which one, as a person would look for it."""
    why: str
    group: str | None = None
    """Of which slide, as in `SourceSlide`; None where that is not known."""
    dataset: str | None = None


class Source(Protocol):
    """A place that outlined objects come from.

    Its methods raise `BrokenSource` for what goes wrong with a slide as a whole, and `SourceGone` where nothing more
    can be had of the source.
    """

    @property
    def name(self) -> str:
        """What its objects are told apart by, in tables over several datasets."""
        ...

    @property
    def place(self) -> str:
        """Where it is: an absolute path, or an address."""
        ...

    def count(self) -> int:
        """How many slides there are at most; quick."""
        ...

    def slides(self) -> Iterator[SourceSlide | Refused]:
        """Go through the slides."""
        ...

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through the records of a slide."""
        ...

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window that lies on the slide.

        Returns
        -------
        (h, w, 3) uint8
            RGB; reduced where the window is larger than `side_px`, never enlarged.
        """
        ...
