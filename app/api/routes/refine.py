"""Refine an annotation in place."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response

from app import spans
from app.api.answers import refine_result, server_timing, written
from app.api.schemas import RefineRequest, RefineResult
from app.api.verbs import Verbs
from app.geometry.polygons import Holes, Parts
from app.usecases.find_points import PointsMode
from app.usecases.in_flight import InFlight
from app.usecases.refine_annotation import Refinement, RefineOptions

log = logging.getLogger(__name__)

AnnotationId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class _Refining:
    """What both routes do; of equal requests at a time one does it, and the others get its result."""

    verbs: Verbs
    in_flight: InFlight[Refinement] = field(default_factory=InFlight)

    def __call__(
        self, request: Request, annotation_id: int, options: RefineOptions, response: Response
    ) -> RefineResult:
        spans.note({"refine.annotation_id": annotation_id})
        claim = self.verbs.claim(request)

        def work() -> Refinement:
            refinement = self.verbs.refine(request, claim)(annotation_id, options)
            if refinement.outcome == "changed":
                log.info("%s", written(refinement))
            self.verbs.done("refine", refinement.outcome, refinement.timings_ms, response)
            return refinement

        refinement = self.in_flight.run(annotation_id, (options, request.state.caller), work, claim)
        response.headers["Server-Timing"] = server_timing(refinement.timings_ms)  # also for those who joined
        return refine_result(refinement)


def routes(verbs: Verbs) -> APIRouter:
    """Make the two routes that refine: by a query, as the first prototype had it, and by a body."""
    router = APIRouter()
    refined = _Refining(verbs)

    @router.post("/autonomous_prediction")
    def autonomous_prediction(
        request: Request,
        response: Response,
        annotation_id: Annotated[int, Query(ge=1, le=2**63 - 1)],
        keep_points: bool = False,
        points: PointsMode = "auto",
        dry_run: bool = False,
        holes: Holes = "fill",
        parts: Parts = "all",
    ) -> RefineResult:
        """Refine an annotation in place (the route of the first prototype)."""
        options = RefineOptions(keep_points, points, dry_run, holes, parts)
        return refined(request, annotation_id, options, response)

    @router.post("/annotations/{annotation_id}/refine")
    def refine_annotation(
        request: Request,
        response: Response,
        annotation_id: AnnotationId,
        body: Annotated[RefineRequest | None, Body()] = None,
    ) -> RefineResult:
        """Refine an annotation in place."""
        options = RefineOptions(**(body or RefineRequest()).model_dump())
        return refined(request, annotation_id, options, response)

    return router
