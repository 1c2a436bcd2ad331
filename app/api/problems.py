"""Errors as RFC 9457 problems: one table from meanings to statuses, one body, and one place where errors leave."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors, spans
from app.api.bodies import ProblemBody
from app.api.request_id import request_id

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_STATUSES = (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}},
    }
    for status in _STATUSES
}
"""What routes that do work declare."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one error of ours looks over HTTP."""

    status: int
    type: str
    """Stable: scripts and translations rely on it."""
    title: str


KINDS: dict[type[errors.ServiceError], Kind] = {
    errors.InvalidRequest: Kind(400, "invalid-request", "The request is malformed"),
    errors.BodyTooLarge: Kind(413, "body-too-large", "The request is too large"),
    errors.BodyTooSlow: Kind(408, "body-too-slow", "The request did not arrive in time"),
    errors.RegionTooLarge: Kind(413, "region-too-large", "The region is too large"),
    errors.BrokenImage: Kind(400, "broken-image", "The image cannot be used"),
    errors.NotAuthenticated: Kind(401, "not-authenticated", "Credentials are missing or wrong"),
    errors.TooManyRequests: Kind(429, "too-many-requests", "Too many requests"),
    errors.InvalidPrompt: Kind(422, "invalid-prompt", "This cannot be refined"),
    errors.RoiOutsideSlide: Kind(422, "outside-slide", "The annotation lies outside its slide"),
    errors.TooManyPoints: Kind(422, "too-many-points", "Too many points lie in the annotation"),
    errors.SlideNotReadable: Kind(422, "slide-not-readable", "The slide cannot be read"),
    errors.AnnotationNotFound: Kind(404, "annotation-not-found", "Unknown annotation"),
    errors.SlideNotFound: Kind(404, "image-not-found", "Unknown image"),
    errors.AnnotationChanged: Kind(409, "annotation-changed", "The annotation was changed in the meantime"),
    errors.PreviewUnfit: Kind(409, "preview-unfit", "This preview is no longer valid"),
    errors.DoubtfulOutline: Kind(422, "doubtful", "The outline is doubtful"),
    errors.PlatformUnauthorized: Kind(401, "platform-unauthorized", "Cytomine did not accept the credentials"),
    errors.PlatformForbidden: Kind(403, "platform-forbidden", "You are not allowed to do this in Cytomine"),
    errors.PlatformUnavailable: Kind(502, "platform-unavailable", "Cytomine is not working properly"),
    errors.PlatformTimeout: Kind(504, "platform-timeout", "Cytomine did not answer in time"),
    errors.ModelNotReady: Kind(503, "model-not-ready", "The model is not ready"),
    errors.ModelBusy: Kind(503, "model-busy", "The model is busy"),
    errors.CallerGone: Kind(499, "caller-gone", "The caller went away"),  # as nginx counts it; nobody reads it
    errors.DeviceOutOfMemory: Kind(503, "out-of-memory", "The model ran out of memory"),
}
"""Every leaf that can reach the edge. Errors of the start never do."""
_UNFORESEEN = Kind(500, "internal-error", "The service failed")


def kind_of(error: errors.ServiceError) -> Kind:
    """Give the row of an error: its own, or its nearest parent's."""
    return next((KINDS[parent] for parent in type(error).__mro__ if parent in KINDS), _UNFORESEEN)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is told."""

    kind: Kind
    detail: str
    facts: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, instance: str) -> dict[str, object]:
        """Shape what is told; `instance` is the path that was asked for."""
        return {
            "type": f"urn:cytomine-refine:{self.kind.type}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id(),
            **self.facts,
        }

    def response(self, instance: str) -> Response:
        """Shape the answer; `instance` is the path that was asked for."""
        content = json.dumps(self.body(instance), default=str, allow_nan=False)
        return Response(content, self.kind.status, self.headers, MEDIA_TYPE)


@singledispatch
def problem_of(error: Exception) -> Problem:
    """Turn an error into a problem; of what nobody foresaw, the log alone tells more."""
    log.error("Unforeseen error", exc_info=error)
    spans.note({"error.type": type(error).__name__})
    return Problem(_UNFORESEEN, "An unexpected error; see the service's log for this request id.")


@problem_of.register
def _(error: errors.ServiceError) -> Problem:
    log.warning("%s: %s", type(error).__name__, error.detail)
    headers = {}
    if isinstance(error, errors.ModelError | errors.TooManyRequests):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    kind = kind_of(error)
    spans.note({"error.type": kind.type})
    return Problem(kind, error.detail, error.facts, headers)


@problem_of.register
def _(error: RequestValidationError) -> Problem:
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "what": fault["msg"]} for fault in error.errors()[:10]
    ]
    detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:3])
    return Problem(KINDS[errors.InvalidRequest], detail, {"faults": faults})


@problem_of.register
def _(error: HTTPException) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    kind = Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase)
    if error.status_code == 400:  # the framework's word for a body that it cannot parse
        kind = KINDS[errors.InvalidRequest]
    return Problem(kind, str(error.detail), headers=dict(error.headers or {}))


async def _leave_it(request: Request, error: Exception) -> NoReturn:
    raise error


LEFT_TO_US: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    HTTPException: _leave_it,
    RequestValidationError: _leave_it,
}
"""Handlers for FastAPI that handle nothing, so that its own errors reach `ProblemMiddleware` as all others do."""


class ProblemMiddleware:
    """Lets every error leave as a problem, whoever raised it: a guard, the framework or a use case.

    Parameters
    ----------
    count : callable
        Told the type of each.
    """

    def __init__(self, app: ASGIApp, count: Callable[[str], None]) -> None:
        self._app, self._count = app, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            problem = problem_of(error)
            self._count(problem.kind.type)
            await problem.response(scope["path"])(scope, receive, send)
