"""A span for every request that does work."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import spans
from app.api.doors import Doors, path_of
from app.api.request_id import request_id

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class TraceMiddleware:
    """Opens the span, goes on with the caller's trace if there is one, and writes down how the request ended.

    Parameters
    ----------
    tracer : Tracer
        Where spans go.
    doors : Doors
        Which paths do work; the others (health, metrics, documentation) are not traced.
    """

    def __init__(self, app: ASGIApp, tracer: spans.Tracer, doors: Doors) -> None:
        self._app, self._tracer, self._doors = app, tracer, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._doors.does_work(path_of(scope)):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with spans.request(self._tracer, method, Headers(scope=scope)) as span:
            span.set_attributes({"http.request.method": method, "refine.request_id": request_id()})
            try:
                await self._app(scope, receive, watched)
            finally:
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(spans.ERROR)
                if route := self._route(scope):
                    span.set_attribute("http.route", route)
                    span.update_name(f"{method} {route}")

    def _route(self, scope: Scope) -> str | None:
        """Give the pattern that a path has matched, once the request was routed; some versions leave the prefix out."""
        path: str | None = getattr(scope.get("route"), "path", None)
        base = self._doors.base
        return path if path is None or path.startswith(base) else base + path
