"""The prompts of one object, as they grow click by click: its first box, and clicks on the object or beside it."""

from __future__ import annotations

from dataclasses import dataclass

from shapely import box
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt
from app.geometry.frames import Roi, flip_y
from app.geometry.locations import is_finite_point, roi_of
from app.geometry.prompts import PointLabel, PointPrompt
from app.geometry.windows import plan_window
from app.usecases.ports import Slide

Bounds = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max of the platform frame, level-0 pixels."""


@dataclass(frozen=True, slots=True)
class Click:
    """A place that the caller points at."""

    x: float
    """Platform frame, level-0 pixels."""
    y: float
    label: PointLabel


@dataclass(frozen=True, slots=True)
class PromptSession:
    """What shows the model an object; slide frame."""

    first: Roi
    """The box that the object was first shown by."""
    clicks: tuple[PointPrompt, ...] = ()

    @property
    def box(self) -> Roi:
        """The box prompt: the first box, grown by what was clicked on the object outside of it."""
        return self.first.around((each.x, each.y) for each in self.clicks if each.label is PointLabel.FOREGROUND)

    def framed_by(self, slide: Slide) -> Roi:
        """Give the box whose window the model looks at: the first one, while its window holds all prompts.

        Raises
        ------
        InvalidPrompt
            A click on the background lies where the model does not look.
        """
        prompted = self.box.around((each.x, each.y) for each in self.clicks)
        for roi in (self.first, self.box):
            if plan_window(roi, slide.width, slide.height).holds(prompted):
                return roi
        raise InvalidPrompt("A background click is too far from the object, outside the part that the model sees.")


def session_of(
    geometry: BaseGeometry, slide: Slide, first: Bounds | None = None, clicks: tuple[Click, ...] = ()
) -> PromptSession:
    """Bring the prompts of an object into the frame of its slide.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        The annotation's, platform frame; its envelope is the first box where none is given.

    Raises
    ------
    NotRefinable
        Either gives no box on the slide, or a click lies outside of the slide.
    """
    roi = roi_of(geometry, slide.width, slide.height)
    if first is not None:
        roi = _given(first, slide)
    return PromptSession(roi, tuple(_placed(click, slide) for click in clicks))


def roi_around(places: list[tuple[float, float]], size_px0: float, slide: Slide) -> Roi:
    """Give the square around places on an object, inside the slide.

    Parameters
    ----------
    places : list of (float, float)
        Platform frame; at least one.
    size_px0 : float
        Rough longer side of the object, level-0 pixels; the square is larger where the places lie further apart.

    Raises
    ------
    InvalidPrompt
        One lies outside of the slide.
    """
    points = [_placed(Click(x, y, PointLabel.FOREGROUND), slide) for x, y in places]
    first = points[0]
    around = Roi(first.x, first.y, first.x, first.y).around((point.x, point.y) for point in points)
    half = max(size_px0, around.longer_side) / 2
    x, y = (around.x_min + around.x_max) / 2, (around.y_min + around.y_max) / 2
    return Roi(x - half, y - half, x + half, y + half).clipped(slide.width, slide.height)


def platform_bounds(roi: Roi, slide: Slide) -> Bounds:
    """Give a box of the slide frame as the platform has it."""
    return roi.x_min, flip_y(roi.y_max, slide.height), roi.x_max, flip_y(roi.y_min, slide.height)


def _given(first: Bounds, slide: Slide) -> Roi:
    x_min, y_min, x_max, y_max = first
    if not (x_min < x_max and y_min < y_max):
        raise InvalidPrompt("The box has no area: it is [x_min, y_min, x_max, y_max].", box=[repr(v) for v in first])
    return roi_of(box(x_min, y_min, x_max, y_max), slide.width, slide.height)


def _placed(click: Click, slide: Slide) -> PointPrompt:
    x, y = click.x, flip_y(click.y, slide.height)
    if not is_finite_point(x, y) or not (0 <= x <= slide.width and 0 <= y <= slide.height):
        raise InvalidPrompt(
            f"A click lies outside the slide of {slide.width} x {slide.height} pixels.",
            click=[repr(click.x), repr(click.y)],
        )
    return PointPrompt(x, y, click.label)
