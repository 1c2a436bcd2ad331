"""Core's addition for the refine service, as `core-patch` brings it to a real Core: rights first, then the service.

The caller's own bearer token goes along; whoever signed with API keys gets a short-lived one for this call.
"""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from demo.cytomine import annotating, records, rights
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.refusals import Refusal, WrongArgument

_TIMEOUT = httpx.Timeout(120, connect=5)
_TOKEN_S = 300
_OPTIONS = {"keepPoints": "keep_points", "dryRun": "dry_run", "points": "points"}


def refine_router(desk: Desk) -> APIRouter:
    """Give the route, or none if this Core has no service."""
    router = APIRouter(prefix="/api")
    if desk.refine_url is None:
        return router
    base_url = desk.refine_url

    @router.post("/annotation/{number:int}/sam")
    @router.post("/annotation/{number:int}/sam.json")
    async def refine(number: int, request: Request) -> Response:
        try:
            token, options = await desk.visit(request, lambda visit: (_permitted(desk, visit, number), _options(visit)))
        except Refusal as refusal:
            return refusal.answer(request)
        url, headers = f"{base_url}/annotations/{number}/refine", {"Authorization": f"Bearer {token}"}
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as service:
                answer = await service.post(url, json=options, headers=headers)
        except httpx.TimeoutException:
            return _problem(504, "Refine service too slow", "The refine service did not answer in time.")
        except httpx.TransportError:
            return _problem(502, "Refine service unreachable", "The refine service cannot be reached.")
        if answer.status_code != 200:
            passed = ("content-type", "retry-after")
            headers = {name: answer.headers[name] for name in passed if name in answer.headers}
            return Response(answer.content, answer.status_code, headers)
        return await desk.read(request, lambda visit: _answered(visit, number, answer.json()))

    return router


def _permitted(desk: Desk, visit: Visit, number: int) -> str:
    """Check the caller's rights as for an update; give the token to act with."""
    row = annotating.find(visit.db, number)
    rights.check_may_edit(visit.db, visit.caller, row["project"], row["user"])
    scheme, _, token = visit.headers.get("authorization", visit.query.get("Authorization", "")).partition(" ")
    if scheme == "Bearer":
        return token
    return desk.identity.token(visit.caller.username, ",".join(sorted(visit.caller.roles)), "SESSION", _TOKEN_S)


def _options(visit: Visit) -> dict[str, Any]:
    """Read the options from the query and the body; the service checks their values."""
    given: dict[str, Any] = {**visit.query, **(visit.fields if visit.body is not None else {})}
    options = {theirs: given[ours] for ours, theirs in _OPTIONS.items() if ours in given}
    for name in ("keep_points", "dry_run"):
        if isinstance(options.get(name), str):
            options[name] = _truth(options[name])
    return options


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise WrongArgument(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _answered(visit: Visit, number: int, refinement: dict[str, Any]) -> dict[str, Any]:
    annotation = records.annotation_record(visit.db, annotating.find(visit.db, number), visit.url)
    message, command = refinement["message"], refinement["command"]
    return {"message": message, "annotation": annotation, "command": command, "refinement": refinement}


def _problem(status: int, title: str, detail: str) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
