"""Segment a box that is no annotation: nothing is read from annotations but points, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from app.errors import InvalidPrompt
from app.geometry.frames import Roi, flip_y
from app.geometry.locations import is_finite_point, roi_of
from app.geometry.prompts import PointLabel, PointPrompt
from app.geometry.windows import plan_window
from app.usecases.find_points import find_points
from app.usecases.ports import Claim, Slide, SlideGateway
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
class PredictRoi:
    """The verb, with the rooms it needs."""

    gateway: SlideGateway
    segment: SegmentRoi
    max_points: int
    claim: Claim = Claim()

    def with_points(
        self, slide_id: int, geometry: BaseGeometry, points: tuple[GivenPoint, ...], wish: Wish = Wish()
    ) -> Prediction:
        """Segment with the caller's own points.

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
            prompts = tuple(_as_prompt(point, slide, roi) for point in points)
        return self._segment(slide, roi, prompts, wish, stopwatch)

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
                mode="auto",
                max_points=self.max_points,
                go_on=self.claim.check,
            )
            prompts = tuple(PointPrompt(point.x, flip_y(point.y, slide.height)) for point in found)
        return self._segment(slide, roi, prompts, Wish(), stopwatch)

    def _prepare(self, slide_id: int, geometry: BaseGeometry, stopwatch: Stopwatch) -> tuple[Slide, Roi]:
        with stopwatch.step("validity"):
            slide = self.gateway.slide(slide_id)
        with stopwatch.step("box"):
            return slide, roi_of(geometry, slide.width, slide.height)

    def _segment(
        self, slide: Slide, roi: Roi, prompts: tuple[PointPrompt, ...], wish: Wish, stopwatch: Stopwatch
    ) -> Prediction:
        with stopwatch.step("validity"):
            plane = self.gateway.plane(slide, None)
        with self.segment.begun(slide, plane, roi, stopwatch, self.claim, prompts) as begun:
            return Prediction(begun.outline(roi, prompts, wish), stopwatch.timings_ms())


def _as_prompt(point: GivenPoint, slide: Slide, roi: Roi) -> PointPrompt:
    """Bring a point into the slide frame, if the model can see it."""
    window = plan_window(roi, slide.width, slide.height)
    x, y = point.x, flip_y(point.y, slide.height)
    side = window.side_px0
    if not is_finite_point(x, y) or not (0 <= x - window.x0 <= side and 0 <= y - window.y0 <= side):
        raise InvalidPrompt(
            "A point lies outside the window around the box.",
            point=[repr(point.x), repr(point.y)],
        )
    return PointPrompt(x, y, point.label)
