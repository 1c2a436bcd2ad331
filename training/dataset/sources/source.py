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
    """What is read."""
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


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One outlined object of a slide."""

    annotation: str
    """Unique on its slide."""
    object_type: str
    outline: BaseGeometry
    """Polygon or MultiPolygon, slide frame, level-0 pixels, y down."""


class Source(Protocol):
    """A place that outlined objects come from; its methods raise `BrokenSource`."""

    @property
    def name(self) -> str:
        """What its objects are told apart by, in tables over several datasets."""
        ...

    def slides(self) -> Iterator[SourceSlide]:
        """Go through the slides."""
        ...

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject]:
        """Go through the objects of a slide."""
        ...

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window that lies on the slide.

        Returns
        -------
        (h, w, 3) uint8
            RGB; reduced where the window is larger than `side_px`, never enlarged.
        """
        ...
