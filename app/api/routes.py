"""The routes: parse, call one use case, shape the answer.

Model and platform calls block, so these are plain functions: the framework runs them on worker threads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import shapely
from fastapi import APIRouter, Body, File, Form, Path, Query, Request, Response, UploadFile
from shapely.geometry.base import BaseGeometry

from app import spans
from app.api.answers import (
    crop_feature,
    model_body,
    planned_window,
    prediction_feature,
    refine_result,
    server_timing,
    written,
)
from app.api.metrics import Metrics
from app.api.schemas import (
    AreaFeature,
    EmbeddingsBody,
    EmbeddingsRequest,
    FeatureBody,
    HealthBody,
    PredictionRequest,
    ProblemBody,
    ReadyBody,
    RefineRequest,
    RefineResult,
    SmartPredictionRequest,
)
from app.errors import InvalidPrompt, ModelNotReady
from app.geometry.locations import read_location
from app.geometry.prompts import PointLabel
from app.usecases.embed_ahead import EmbedAhead
from app.usecases.embeddings import Ahead
from app.usecases.find_points import PointsMode
from app.usecases.in_flight import InFlight
from app.usecases.ports import Caller, Claim, ModelInfo, SlideGateway
from app.usecases.predict_roi import GivenPoint, Prediction, PredictRoi
from app.usecases.refine_annotation import RefineAnnotation, Refinement, RefineOptions
from app.usecases.refine_crop import RefineCrop
from app.usecases.segment_roi import SegmentRoi

log = logging.getLogger(__name__)

_STATUSES = (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": ProblemBody.model_json_schema()}},
    }
    for status in _STATUSES
}
AnnotationId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_NOTHING_FOUND: dict[int | str, dict[str, Any]] = {204: {"description": "The model found no object."}}


@dataclass(frozen=True, slots=True)
class Status:
    """What the health routes tell."""

    version: str
    model: Callable[[], ModelInfo]
    is_ready: Callable[[], bool]


CROPS_ROUTE = "/annotations/refine"


@dataclass(frozen=True, slots=True)
class Verbs:
    """The use cases, made for whoever asks."""

    gateway: Callable[[Caller | None], SlideGateway]
    """The platform as a caller sees it, or for None as the service account does."""
    segment: SegmentRoi
    crop: RefineCrop
    ahead: Ahead
    max_points: int
    deadline_s: float

    def refine(self, request: Request, claim: Claim) -> RefineAnnotation:
        """Refine on behalf of the caller."""
        gateway = self.gateway(request.state.caller)
        return RefineAnnotation(gateway, self.segment, self.max_points, claim)

    def predict(self, request: Request) -> PredictRoi:
        """Predict on behalf of the caller."""
        return PredictRoi(self.gateway(request.state.caller), self.segment, self.max_points, self.claim(request))

    def claim(self, request: Request) -> Claim:
        """Tell who waits, and how long: from the request's arrival on, whatever it waited for meanwhile."""
        deadline = getattr(request.state, "arrived", time.monotonic()) + self.deadline_s
        return Claim(_whose(request), deadline=deadline, given_up=request.state.gone)

    def embed(self, request: Request) -> EmbedAhead:
        """Prepare on behalf of the caller."""
        return EmbedAhead(self.gateway(request.state.caller), self.ahead)


def work_routes(verbs: Verbs, metrics: Metrics) -> APIRouter:
    """Make the routes that do work; the caller puts them behind the prefix and the guards."""
    router = APIRouter(responses=PROBLEMS)
    in_flight: InFlight[Refinement] = InFlight()

    def done(use_case: str, outcome: str, timings_ms: dict[str, float]) -> None:
        spans.note({"refine.use_case": use_case, "refine.outcome": outcome})
        metrics.done(use_case, outcome, timings_ms)

    def refined(request: Request, annotation_id: int, options: RefineOptions, response: Response) -> RefineResult:
        spans.note({"refine.annotation_id": annotation_id})
        claim = verbs.claim(request)

        def work() -> Refinement:
            refinement = verbs.refine(request, claim)(annotation_id, options)
            if refinement.outcome == "changed":
                log.info("%s", written(refinement))
            done("refine", refinement.outcome, refinement.timings_ms)
            return refinement

        refinement = in_flight.run(annotation_id, (options, request.state.caller), work, claim)
        response.headers["Server-Timing"] = server_timing(refinement.timings_ms)
        return refine_result(refinement)

    def predicted(prediction: Prediction, response: Response) -> FeatureBody | Response:
        feature = prediction_feature(prediction)
        done("predict", "nothing found" if feature is None else "found", prediction.timings_ms)
        if feature is None:
            return Response(status_code=204)
        response.headers["Server-Timing"] = server_timing(prediction.timings_ms)
        return feature

    @router.post("/autonomous_prediction")
    def autonomous_prediction(
        request: Request,
        response: Response,
        annotation_id: Annotated[int, Query(ge=1, le=2**63 - 1)],
        keep_points: bool = False,
        points: PointsMode = "auto",
    ) -> RefineResult:
        """Refine an annotation in place (the route of the first prototype)."""
        return refined(request, annotation_id, RefineOptions(keep_points=keep_points, points=points), response)

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

    @router.post("/prediction", response_model=FeatureBody, responses=_NOTHING_FOUND)
    def prediction(request: Request, body: PredictionRequest, response: Response) -> FeatureBody | Response:
        """Segment a box with given points; nothing is written."""
        points = tuple(
            GivenPoint(point.geometry.coordinates[0], point.geometry.coordinates[1], PointLabel(point.label))
            for point in body.points or ()
        )
        predict = verbs.predict(request)
        return predicted(predict.with_points(body.image_id, _area(body.geometry), points), response)

    @router.post("/smart_prediction", response_model=FeatureBody, responses=_NOTHING_FOUND)
    def smart_prediction(request: Request, body: SmartPredictionRequest, response: Response) -> FeatureBody | Response:
        """Segment a box with the points that a user has drawn in it; nothing is written or deleted."""
        predict = verbs.predict(request)
        return predicted(predict.with_points_of(body.image_id, _area(body.geometry), body.user_id), response)

    @router.post("/embeddings", status_code=202)
    def embeddings(request: Request, body: EmbeddingsRequest) -> EmbeddingsBody:
        """Let the encoder work ahead of the click; a newer wish of the same caller replaces one that has not begun."""
        whose, embed = _whose(request), verbs.embed(request)
        if body.annotation_id is not None:
            window = embed.annotation(whose, body.annotation_id)
        else:
            assert body.image_id is not None  # noqa: S101  the schema has seen to it
            assert body.geometry is not None  # noqa: S101
            window = embed.shape(whose, body.image_id, _area(body.geometry))
        return EmbeddingsBody(window=planned_window(window))

    @router.delete("/embeddings", status_code=204)
    def forget_embeddings(request: Request) -> None:
        """Forget what the caller wished to have prepared; what the encoder has begun is finished."""
        verbs.ahead.cancel(_whose(request))

    @router.post(CROPS_ROUTE)
    def refine_crop(
        request: Request,
        response: Response,
        annotation_crop: Annotated[UploadFile, File(description="The annotation's crop, full resolution.")],
        image_width: Annotated[int, Form(ge=1, le=2**31)],
        image_height: Annotated[int, Form(ge=1, le=2**31)],
        location: Annotated[str, Form(description="WKT, platform frame.")],
    ) -> FeatureBody:
        """Refine an annotation that Core reads and writes by itself: always one valid Polygon inside the image."""
        refinement = verbs.crop(annotation_crop.file.read(), location, image_width, image_height, verbs.claim(request))
        done("crop", "changed" if refinement.changed else "nothing found", refinement.timings_ms)
        response.headers["Server-Timing"] = server_timing(refinement.timings_ms)
        return crop_feature(refinement)

    return router


def status_routes(base_path: str, status: Status, metrics: Metrics) -> APIRouter:
    """Make the routes that are open to all and answer whatever the model does."""
    router = APIRouter()

    def health() -> HealthBody:
        model = status.model()
        return HealthBody(
            version=status.version,
            gpu=model.device != "cpu",
            ready=status.is_ready(),
            model=model_body(model),
            warning="The embedded demo model runs: not for annotation work." if model.origin == "embedded" else None,
        )

    @router.get("/")
    async def root() -> HealthBody:
        """Tell that the service is alive."""
        return health()

    @router.get("/health")
    async def healthy() -> HealthBody:
        """Tell that the service is alive."""
        return health()

    @router.get(f"{base_path}/ready", responses={503: PROBLEMS[503]})
    async def ready() -> ReadyBody:
        """Tell that the model is loaded and warmed up."""
        if not status.is_ready():
            raise ModelNotReady("The model is still warming up.", retry_after_s=2.0)
        return ReadyBody()

    @router.get("/metrics", response_class=Response)
    async def figures() -> Response:
        """Give the figures in Prometheus' text form."""
        return metrics.page()

    return router


def _whose(request: Request) -> int | None:
    """Tell whose turn it is that a request takes."""
    caller: Caller | None = request.state.caller
    return None if caller is None else caller.user_id


def _area(feature: AreaFeature) -> BaseGeometry:
    """Read the geometry of a GeoJSON Feature."""
    try:
        geometry = shapely.geometry.shape(feature.geometry.model_dump())
        return read_location(geometry.wkt)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, shapely.errors.ShapelyError) as error:
        raise InvalidPrompt("The coordinates are not those of a GeoJSON Polygon or MultiPolygon.") from error
