"""Let the encoder work ahead of the click: find the window of a shape, with the caller's rights, and put it in line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from app.geometry.locations import read_location, roi_of
from app.geometry.windows import Window, plan_window
from app.usecases.embeddings import Ahead
from app.usecases.ports import Slide, SlideGateway


@dataclass(frozen=True, slots=True)
class EmbedAhead:
    """The verb, with the rooms it needs."""

    gateway: SlideGateway
    ahead: Ahead

    def annotation(self, caller: Hashable, annotation_id: int) -> Window:
        """Prepare for a refine of an annotation.

        Raises
        ------
        NotRefinable, PlatformError
            As the refine itself would.
        """
        annotation = self.gateway.annotation(annotation_id)
        slide = self.gateway.slide(annotation.slide_id)
        return self._prepare(caller, slide, annotation.slice_id, read_location(annotation.location))

    def shape(self, caller: Hashable, slide_id: int, geometry: BaseGeometry) -> Window:
        """Prepare for a prediction, or for the refine of a shape that is still being drawn.

        Parameters
        ----------
        geometry : Polygon or MultiPolygon
            Platform frame.

        Raises
        ------
        NotRefinable, PlatformError
            As the prediction itself would.
        """
        return self._prepare(caller, self.gateway.slide(slide_id), None, geometry)

    def _prepare(self, caller: Hashable, slide: Slide, slice_id: int | None, geometry: BaseGeometry) -> Window:
        plane = self.gateway.plane(slide, slice_id)
        roi = roi_of(geometry, slide.width, slide.height)
        self.ahead.prepare(caller, slide, plane, roi)
        return plan_window(roi, slide.width, slide.height)
