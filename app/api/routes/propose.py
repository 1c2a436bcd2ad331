"""Propose outlines in a region, streamed as they are found."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from app import spans
from app.api.answers import proposed_feature, summed_up
from app.api.areas import area
from app.api.bodies import ProposedFeature, ProposingEnd
from app.api.problems import problem_of
from app.api.schemas import ProposeRequest
from app.api.verbs import Verbs, whose
from app.errors import CallerGone
from app.geometry.outlines import OutlineOptions
from app.usecases.propose import Asked
from app.usecases.proposing import Proposing

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/x-ndjson"
SIGN_OF_LIFE = " "
"""Of a tile in which nothing was found: a blank before the next line, so that no proxy takes silence for the end."""
_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One GeoJSON Feature a line, the best first within each tile; the last line has `done`: true, "
        "or false with the `problem` that ended it. Closing the connection stops the work.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"anyOf": [ProposedFeature.model_json_schema(), ProposingEnd.model_json_schema()]},
            }
        },
    }
}


def routes(verbs: Verbs) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.post("/propose", response_class=StreamingResponse, responses=_LINES)
    def propose(request: Request, body: ProposeRequest) -> StreamingResponse:
        """Outline the objects in a region, or those that look like some annotations; write nothing."""
        proposing = verbs.propose(request).begin(_asked(body))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold the lines back
        return StreamingResponse(_told(verbs, request, proposing), media_type=MEDIA_TYPE, headers=headers)

    return router


def _asked(body: ProposeRequest) -> Asked:
    region = body.annotation_id
    return Asked(
        region=area(body.geometry) if region is None and body.geometry is not None else region or 0,
        slide_id=body.image_id,
        like=tuple(body.like),
        unlike=tuple(body.unlike),
        limit=body.limit,
        least_confidence=body.min_confidence,
        outline=OutlineOptions(style=body.outline, detail=body.detail),
    )


def _told(verbs: Verbs, request: Request, proposing: Proposing) -> Iterator[str]:
    """Write the lines, tile by tile; whatever goes wrong in the middle is the last one."""
    outcome = "failed"
    try:
        for found in proposing.tiles():
            told = (_line(proposed_feature(each, len(proposing.wanted.tiles))) for each in found)
            yield "".join(told) or SIGN_OF_LIFE
        ended = proposing.ended()
        outcome = ended.stopped or "done"
        yield _line(summed_up(ended))
    except CallerGone:
        outcome = "gone"
    except Exception as error:
        problem = problem_of(error)
        verbs.metrics.failed(problem.kind.type)
        yield _line({"done": False, "problem": problem.body(request.url.path)})
    finally:
        proposing.leave()
        ended = proposing.ended()
        spans.note({"refine.use_case": "propose", "refine.outcome": outcome})
        verbs.metrics.done("propose", outcome, ended.timings_ms)
        log.info(
            "Proposed %d outlines in %d of %d tiles of image %d for %s: %s",
            ended.proposals,
            ended.tiles,
            len(proposing.wanted.tiles),
            proposing.wanted.slide.id,
            "the service account" if whose(request) is None else f"user {whose(request)}",
            outcome,
        )


def _line(told: dict[str, Any]) -> str:
    return json.dumps(told, allow_nan=False, separators=(",", ":"), default=str) + "\n"
