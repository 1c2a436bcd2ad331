"""Segment a box; nothing is written."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.answers import prediction_feature
from app.api.areas import area
from app.api.bodies import FeatureBody
from app.api.schemas import PredictionRequest, SmartPredictionRequest
from app.api.verbs import Verbs
from app.geometry.outlines import OutlineOptions
from app.geometry.prompts import PointLabel
from app.usecases.predict_roi import GivenPoint, Prediction
from app.usecases.segment_roi import Wish

_NOTHING_FOUND: dict[int | str, dict[str, Any]] = {204: {"description": "The model found no object."}}


def routes(verbs: Verbs) -> APIRouter:
    """Make the two routes that predict: with points of the request, and with points of a user."""
    router = APIRouter()

    def predicted(prediction: Prediction, response: Response) -> FeatureBody | Response:
        feature = prediction_feature(prediction)
        verbs.done("predict", "nothing found" if feature is None else "found", prediction.timings_ms, response)
        return Response(status_code=204) if feature is None else feature

    @router.post("/prediction", response_model=FeatureBody, responses=_NOTHING_FOUND)
    def prediction(request: Request, body: PredictionRequest, response: Response) -> FeatureBody | Response:
        """Outline the object in a box or at points; write nothing."""
        points = tuple(
            GivenPoint(point.geometry.coordinates[0], point.geometry.coordinates[1], PointLabel(point.label))
            for point in body.points or ()
        )
        wish = Wish(OutlineOptions(style=body.outline, detail=body.detail), body.proposal, "always")
        predict = verbs.predict(request)
        if body.geometry is None:
            return predicted(predict.with_points_alone(body.image_id, body.size or 0.0, points, wish), response)
        return predicted(predict.with_points(body.image_id, area(body.geometry), points, wish), response)

    @router.post("/smart_prediction", response_model=FeatureBody, responses=_NOTHING_FOUND)
    def smart_prediction(request: Request, body: SmartPredictionRequest, response: Response) -> FeatureBody | Response:
        """Outline the object in a box, with the points that a user has drawn there; write and delete nothing."""
        predict = verbs.predict(request)
        return predicted(predict.with_points_of(body.image_id, area(body.geometry), body.user_id), response)

    return router
