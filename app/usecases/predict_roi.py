"""Segment a box that is no annotation: nothing is read from annotations but points, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt
from app.geometry.frames import Roi, flip_y
from app.geometry.locations import is_finite_point, roi_of
from app.geometry.prompts import PointLabel, PointPrompt
from app.geometry.windows import Window, plan_window
from app.usecases.find_points import find_points, prompt_of
from app.usecases.ports import Claim, Slide, SlideGateway
from app.usecases.prompt_session import roi_around
from app.usecases.segment_roi import Segmentation, SegmentRoi, Wish
from app.usecases.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class GivenPoint:
    """A point that the caller drew."""

    x: float
    """Platform frame, level-0 pixels."""
    y: float
    label: PointLabel


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found, and how long it took."""

    segmentation: Segmentation
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Shown:
    """What shows the model an object; slide frame."""

    box: Roi | None
    points: tuple[PointPrompt, ...]


@dataclass(frozen=True, slots=True)
class PredictRoi:
    """The verb, with the rooms it needs."""

    gateway: SlideGateway
    segment: SegmentRoi
    max_points: int
    claim: Claim = Claim()
    background_term: int | None = None
    """Points of this term show what is not the object."""

    def with_points(
        self, slide_id: int, geometry: BaseGeometry, points: tuple[GivenPoint, ...], wish: Wish = Wish()
    ) -> Prediction:
        """Segment with a box and the caller's own points.

        Parameters
        ----------
        geometry : Polygon or MultiPolygon
            Platform frame; its envelope is the box.

        Raises
        ------
        NotRefinable
            The geometry gives no box on the slide, or a point lies outside the window that the model sees.
        """
        stopwatch = Stopwatch()
        slide, roi = self._prepare(slide_id, geometry, stopwatch)
        with stopwatch.step("points"):
            prompts = _in_window(points, slide, roi)
        return self._segment(slide, roi, Shown(roi, prompts), wish, stopwatch)

    def with_points_alone(
        self, slide_id: int, size_px0: float, points: tuple[GivenPoint, ...], wish: Wish = Wish()
    ) -> Prediction:
        """Segment with the caller's own points and no box.

        Parameters
        ----------
        size_px0 : float
            Rough longer side of the object, level-0 pixels.
        points : tuple of GivenPoint
            At least one of them on the object.

        Raises
        ------
        NotRefinable
            A point on the object lies outside of the slide, or another one outside the window that the model sees.
        """
        stopwatch = Stopwatch()
        with stopwatch.step("validity"):
            slide = self.gateway.slide(slide_id)
        with stopwatch.step("box"):
            roi = roi_around([(p.x, p.y) for p in points if p.label is PointLabel.FOREGROUND], size_px0, slide)
        with stopwatch.step("points"):
            prompts = _in_window(points, slide, roi)
        return self._segment(slide, roi, Shown(None, prompts), wish, stopwatch)

    def with_points_of(self, slide_id: int, geometry: BaseGeometry, user_id: int) -> Prediction:
        """Segment with the points that a user has drawn in the box; they stay.

        Raises
        ------
        NotRefinable
            The geometry gives no box on the slide, or too many points lie in it.
        """
        stopwatch = Stopwatch()
        slide, roi = self._prepare(slide_id, geometry, stopwatch)
        with stopwatch.step("points"):
            found = find_points(
                self.gateway,
                slide,
                roi,
                user_id=user_id,
                term_ids=frozenset(),
                background_term=self.background_term,
                mode="auto",
                max_points=self.max_points,
                go_on=self.claim.check,
            )
            prompts = tuple(prompt_of(point, slide, self.background_term) for point in found)
        return self._segment(slide, roi, Shown(roi, prompts), Wish(), stopwatch)

    def _prepare(self, slide_id: int, geometry: BaseGeometry, stopwatch: Stopwatch) -> tuple[Slide, Roi]:
        with stopwatch.step("validity"):
            slide = self.gateway.slide(slide_id)
        with stopwatch.step("box"):
            return slide, roi_of(geometry, slide.width, slide.height)

    def _segment(self, slide: Slide, roi: Roi, shown: Shown, wish: Wish, stopwatch: Stopwatch) -> Prediction:
        with stopwatch.step("validity"):
            plane = self.gateway.plane(slide, None)
        with self.segment.begun(slide, plane, roi, stopwatch, self.claim, shown.points) as begun:
            return Prediction(begun.outline(shown.box, shown.points, wish), stopwatch.timings_ms())


def _in_window(points: tuple[GivenPoint, ...], slide: Slide, roi: Roi) -> tuple[PointPrompt, ...]:
    """Bring points into the slide frame, if the model can see them."""
    window = plan_window(roi, slide.width, slide.height)
    return tuple(_as_prompt(point, slide, window) for point in points)


def _as_prompt(point: GivenPoint, slide: Slide, window: Window) -> PointPrompt:
    x, y, side = point.x, flip_y(point.y, slide.height), window.side_px0
    if not is_finite_point(x, y) or not (0 <= x - window.x0 <= side and 0 <= y - window.y0 <= side):
        raise InvalidPrompt(
            "A point lies outside the window around the box.",
            point=[repr(point.x), repr(point.y)],
        )
    return PointPrompt(x, y, point.label)
