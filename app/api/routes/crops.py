"""Refine a crop, for a Core of 2026 that reads and writes by itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from app.api.answers import crop_feature
from app.api.bodies import FeatureBody
from app.api.verbs import Verbs

PATH = "/annotations/refine"


def routes(verbs: Verbs) -> APIRouter:
    """Make the route of crops."""
    router = APIRouter()

    @router.post(PATH)
    def refine_crop(
        request: Request,
        response: Response,
        annotation_crop: Annotated[UploadFile, File(description="The annotation's crop, full resolution.")],
        image_width: Annotated[int, Form(ge=1, le=2**31)],
        image_height: Annotated[int, Form(ge=1, le=2**31)],
        location: Annotated[str, Form(description="WKT, platform frame.")],
    ) -> FeatureBody:
        """Refine a crop for a Core that reads and writes by itself; return one valid Polygon inside the image."""
        refinement = verbs.crop(annotation_crop.file.read(), location, image_width, image_height, verbs.claim(request))
        outcome = "changed" if refinement.changed else "nothing found"
        verbs.done("crop", outcome, refinement.timings_ms, response)
        return crop_feature(refinement)

    return router
