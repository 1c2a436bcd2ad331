"""Core's addition for the refine service, as `core-patch` brings it to a real Core: rights first, then the service.

The caller's own bearer token goes along; whoever signed with API keys gets a short-lived one for this call. The Java
files and this one are held to the same cases, in ``docs/api/examples/core-addition.json``. If the caller goes away, so
does the request to the service; a real Core notices that only when it answers.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from demo.cytomine import annotating, records, rights
from demo.cytomine.departures import while_there
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.refine_line import WaitingLine
from demo.cytomine.refine_options import read_options
from demo.cytomine.refine_problems import Problem, invalid, not_found, reads_only
from demo.cytomine.refine_service import Passed, ask_for_refine
from demo.cytomine.refusals import Refusal

_TOKEN_S = 300
_ID = re.compile("[1-9][0-9]{0,18}")


def refine_router(desk: Desk) -> APIRouter:
    """Give the route, or none if this Core has no service."""
    router = APIRouter(prefix="/api")
    if desk.refine_url is None:
        return router
    base_url, line = desk.refine_url, WaitingLine(longest_wait_s=desk.refine_wait_s)

    @router.post("/annotation/{number}/sam")
    @router.post("/annotation/{number}/sam.json")
    async def refine(number: str, request: Request) -> Response:
        try:
            await run_in_threadpool(check_caller, desk, request)
            annotation, options = usable_id(number, "annotation"), await _options(request)
            async with line.turn():
                token, before = await desk.visit(request, lambda visit: _permitted(desk, visit, annotation))
                refinement = await while_there(request, ask_for_refine(base_url, annotation, options, token))
                if refinement is None:
                    return Response(status_code=499)  # as proxies count it; nobody reads it
                if refinement.get("changed") is False:
                    return JSONResponse(_told(before, refinement))
                return await desk.read(request, lambda visit: _told(_record(visit, annotation), refinement))
        except Refusal as refusal:
            return refusal.answer(request)
        except (Problem, Passed) as problem:
            return problem.answer()

    @router.post("/annotation/{number}/sam/")
    async def no_route(number: str) -> Response:
        return not_found().answer()

    return router


def check_caller(desk: Desk, request: Request) -> None:
    """Refuse whoever comes with a token that may only read, or is nobody."""
    if desk.identity.is_short_term(request):
        raise reads_only()
    with desk.store.transaction(write=False) as db:
        desk.identity.caller(request, db)


def usable_id(text: str, of: str) -> int:
    """Read an id from a path."""
    if not _ID.fullmatch(text) or int(text) >= 2**63:
        raise invalid(f"The {of}'s id must be a positive decimal number.")
    return int(text)


async def _options(request: Request) -> dict[str, Any]:
    """Read the options; like Core's filter, take what has no type for JSON where the path says so."""
    given = request.headers.get("content-type", "")
    if given in {"", "application/octet-stream"} and ".json" in str(request.url):
        given = "application/json"
    return read_options(request.query_params.multi_items(), given, await request.body())


def _permitted(desk: Desk, visit: Visit, number: int) -> tuple[str, dict[str, Any]]:
    """Check the caller's rights as for an update; give the token to act with, and the annotation as it is."""
    row = annotating.find(visit.db, number)
    rights.check_may_edit(visit.db, visit.caller, row["project"], row["user"])
    return token_of(desk, visit), _record(visit, number)


def token_of(desk: Desk, visit: Visit) -> str:
    """Give the token to act with: the caller's own, or for a signature one of five minutes."""
    scheme, _, token = visit.headers.get("authorization", visit.query.get("Authorization", "")).partition(" ")
    if scheme == "Bearer":
        return token
    return desk.identity.token(visit.caller.username, ",".join(sorted(visit.caller.roles)), "SESSION", _TOKEN_S)


def _record(visit: Visit, number: int) -> dict[str, Any]:
    return records.annotation_record(visit.db, annotating.find(visit.db, number), visit.url)


def _told(annotation: dict[str, Any], refinement: dict[str, Any]) -> dict[str, Any]:
    message, command = refinement["message"], refinement["command"]
    return {"message": message, "annotation": annotation, "command": command, "refinement": refinement}
