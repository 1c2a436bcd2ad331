"""What can be wrong with a slide file, each with one sentence for the person who brought it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slides.source import Box


class SlideError(Exception):
    """Base of every error that this room raises on purpose."""


class NotASlide(SlideError, ValueError):
    """The file is none that a reader here understands."""


class DamagedPixels(SlideError):
    """Some of the pixels asked for cannot be read; others of the slide may be.

    Parameters
    ----------
    name : str
        Of the file.
    boxes : sequence of Box
        What is damaged, level-0 pixels.
    """

    def __init__(self, name: str, boxes: Sequence[Box]) -> None:
        self.boxes = tuple(boxes)
        first = self.boxes[0]
        more = f" and {len(self.boxes) - 1} more places" if len(self.boxes) > 1 else ""
        place = f"{first.width} x {first.height} pixels at x = {first.left}, y = {first.top}"
        super().__init__(f"{name} is damaged: {place}{more} cannot be read.")
