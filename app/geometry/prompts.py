"""What steers the model: a box and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from app.geometry.choices import PromptKind
from app.geometry.frames import Roi, SlideXY, WindowXY
from app.geometry.windows import WindowGrid


class PointLabel(IntEnum):
    """What a point says of its pixel; values as in SAM's prompt encoder."""

    BACKGROUND = 0
    FOREGROUND = 1


@dataclass(frozen=True, slots=True)
class PointPrompt:
    """A point of the slide frame, level-0 pixels, continuous."""

    x: float
    y: float
    label: PointLabel = PointLabel.FOREGROUND


@dataclass(frozen=True, slots=True)
class Prompts:
    """Box and points in the frame of the window's array, continuous window pixels."""

    box: WindowXY
    """(2, 2): the corners (x_min, y_min) and (x_max, y_max); (0, 2) where points alone show the object."""
    points: WindowXY
    """(n, 2), n >= 0."""
    labels: tuple[PointLabel, ...]
    """One for each point."""


def prompts_in_window(box: Roi | None, points: tuple[PointPrompt, ...], grid: WindowGrid) -> Prompts:
    """Bring a box, if there is one, and points of the slide frame into the frame of a window's array."""
    ends = [] if box is None else [[box.x_min, box.y_min], [box.x_max, box.y_max]]
    corners = SlideXY(np.array(ends, dtype=np.float64).reshape(-1, 2))
    places = SlideXY(np.array([[point.x, point.y] for point in points], dtype=np.float64).reshape(-1, 2))
    return Prompts(grid.to_window(corners), grid.to_window(places), tuple(point.label for point in points))


def prompt_kind(labels: Sequence[PointLabel]) -> PromptKind:
    """Tell of which kind a box with points of these labels is."""
    if not labels:
        return "box"
    if PointLabel.BACKGROUND in labels:
        return "1 negative" if len(labels) == 1 else "2+ with negative"
    return "1 positive" if len(labels) == 1 else "2+ positive"
