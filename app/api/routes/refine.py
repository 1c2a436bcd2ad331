"""Refine an annotation in place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response

from app import spans
from app.api.answers import refine_result, server_timing, written
from app.api.bodies import RefineResult
from app.api.schemas import RefineRequest
from app.api.verbs import Verbs
from app.geometry.polygons import Holes, Parts
from app.geometry.prompts import PointLabel
from app.usecases.find_points import PointsMode
from app.usecases.in_flight import InFlight
from app.usecases.ports import Claim
from app.usecases.prompt_session import Click
from app.usecases.refine_annotation import Doubtful, RefineOptions
from app.usecases.refinement import Refinement

log = logging.getLogger(__name__)

AnnotationId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class _Refining:
    """What both routes do; of equal requests at a time one does it, and the others get its result."""

    verbs: Verbs
    in_flight: InFlight[Refinement] = field(default_factory=InFlight)

    def __call__(self, request: Request, number: int, options: RefineOptions, response: Response) -> RefineResult:
        """Refine. What writes nothing need not wait for others that work on the same annotation."""
        subject = (number, request.state.caller, options) if options.dry_run else number
        claim = self.verbs.claim(request)
        verb = self.verbs.refine(request, claim)
        return self._run(request, (number, subject, options), lambda: verb(number, options), claim, response)

    def accept(self, request: Request, number: int, body: RefineRequest, response: Response) -> RefineResult:
        """Write what an earlier answer showed."""
        preview = self.verbs.previews.open(body.preview or "")
        claim = self.verbs.claim(request)
        verb = self.verbs.accept(request, claim)
        asked = (number, number, (body.preview, body.keep_points))
        return self._run(request, asked, lambda: verb(number, preview, keep_points=body.keep_points), claim, response)

    def _run(
        self,
        request: Request,
        asked: tuple[int, Hashable, Hashable],
        verb: Callable[[], Refinement],
        claim: Claim,
        response: Response,
    ) -> RefineResult:
        number, subject, options = asked
        spans.note({"refine.annotation_id": number})

        def work() -> Refinement:
            refinement = self.verbs.record(request, claim, verb())
            if refinement.outcome == "changed":
                log.info("%s", written(refinement))
            self.verbs.done("refine", refinement.outcome, refinement.timings_ms, response)
            return refinement

        refinement = self.in_flight.run(subject, (options, request.state.caller), work, claim)
        response.headers["Server-Timing"] = server_timing(refinement.timings_ms)  # also for those who joined
        return refine_result(refinement, self.verbs.previews)


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
        options = RefineOptions(keep_points, points, dry_run, holes, parts, doubtful=verbs.doubtful)
        return refined(request, annotation_id, options, response)

    @router.post("/annotations/{annotation_id}/refine")
    def refine_annotation(
        request: Request,
        response: Response,
        annotation_id: AnnotationId,
        body: Annotated[RefineRequest | None, Body()] = None,
    ) -> RefineResult:
        """Refine an annotation in place, preview the outline, or write a preview."""
        body = body or RefineRequest()
        if body.preview is not None:
            return refined.accept(request, annotation_id, body, response)
        return refined(request, annotation_id, options_of(body, verbs.doubtful), response)

    return router


def options_of(body: RefineRequest, doubtful: Doubtful) -> RefineOptions:
    """Read the options of a body; `doubtful` is what counts where it does not say."""
    clicks = tuple(Click(click.x, click.y, PointLabel(click.label)) for click in body.clicks)
    given = body.model_dump(exclude={"preview", "clicks", "doubtful"})
    return RefineOptions(**given, clicks=clicks, doubtful=body.doubtful or doubtful)
