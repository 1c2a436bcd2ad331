"""Errors as RFC 9457 problems: one table from meanings to statuses, one body for all."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app import errors, spans
from app.api.request_id import request_id

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


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
    errors.BrokenImage: Kind(400, "broken-image", "The image cannot be used"),
    errors.NotAuthenticated: Kind(401, "not-authenticated", "Credentials are missing or wrong"),
    errors.TooManyRequests: Kind(429, "too-many-requests", "Too many requests at a time"),
    errors.InvalidPrompt: Kind(422, "invalid-prompt", "This cannot be refined"),
    errors.RoiOutsideSlide: Kind(422, "outside-slide", "The annotation lies outside its slide"),
    errors.TooManyPoints: Kind(422, "too-many-points", "Too many points lie in the annotation"),
    errors.SlideNotReadable: Kind(422, "slide-not-readable", "The slide cannot be read"),
    errors.AnnotationNotFound: Kind(404, "annotation-not-found", "Unknown annotation"),
    errors.SlideNotFound: Kind(404, "image-not-found", "Unknown image"),
    errors.AnnotationChanged: Kind(409, "annotation-changed", "The annotation changed meanwhile"),
    errors.PlatformUnauthorized: Kind(401, "platform-unauthorized", "Cytomine does not know the account"),
    errors.PlatformForbidden: Kind(403, "platform-forbidden", "Cytomine forbids it"),
    errors.PlatformUnavailable: Kind(502, "platform-unavailable", "Cytomine does not answer properly"),
    errors.PlatformTimeout: Kind(504, "platform-timeout", "Cytomine does not answer in time"),
    errors.ModelNotReady: Kind(503, "model-not-ready", "The model is not ready"),
    errors.ModelBusy: Kind(503, "model-busy", "The model is busy"),
    errors.CallerGone: Kind(499, "caller-gone", "The caller went away"),  # as nginx counts it; nobody reads it
    errors.DeviceOutOfMemory: Kind(503, "out-of-memory", "The model has no memory left"),
}
"""Every leaf that can reach the edge. Errors of the start never do."""


def kind_of(error: errors.ServiceError) -> Kind:
    """Give the row of an error: its own, or its nearest parent's."""
    return next((KINDS[parent] for parent in type(error).__mro__ if parent in KINDS), _UNFORESEEN)


_UNFORESEEN = Kind(500, "internal-error", "The service failed")


def problem(kind: Kind, detail: str, *, instance: str, headers: dict[str, str], **facts: object) -> Response:
    """Shape one problem body; every answer that is an error comes from here."""
    spans.note({"error.type": kind.type})
    body = {
        "type": f"urn:cytomine-refine:{kind.type}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id(),
        **facts,
    }
    content = json.dumps(body, default=str, allow_nan=False)
    return Response(content, kind.status, headers, MEDIA_TYPE)


def problem_of(error: errors.ServiceError, instance: str) -> Response:
    """Shape one of our errors."""
    headers = {}
    if isinstance(error, errors.ModelError | errors.TooManyRequests):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(kind_of(error), error.detail, instance=instance, headers=headers, **error.facts)


def install(app: FastAPI, count: Callable[[str], None]) -> None:
    """Let every error of an app leave as a problem, and count our own by type."""

    async def on_service_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.ServiceError)  # noqa: S101  the handler is installed for it alone
        log.warning("%s: %s", type(error).__name__, error.detail)
        count(kind_of(error).type)
        return problem_of(error, request.url.path)

    app.add_exception_handler(errors.ServiceError, on_service_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unforeseen)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  the handler is installed for it alone
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "what": fault["msg"]} for fault in error.errors()[:10]
    ]
    detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:3])
    return problem(KINDS[errors.InvalidRequest], detail, instance=request.url.path, headers={}, faults=faults)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  the handler is installed for it alone
    phrase = HTTPStatus(error.status_code).phrase
    kind = Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase)
    if error.status_code == 400:  # the framework's word for a body that it cannot parse
        kind = KINDS[errors.InvalidRequest]
    return problem(kind, str(error.detail), instance=request.url.path, headers=dict(error.headers or {}))


async def _on_unforeseen(request: Request, error: Exception) -> Response:
    log.error("Unforeseen error", exc_info=error)
    detail = "An unforeseen error; the log tells more under this request id."
    return problem(_UNFORESEEN, detail, instance=request.url.path, headers={})
