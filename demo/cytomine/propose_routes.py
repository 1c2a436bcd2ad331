"""Core's addition for proposals: rights first, then the service, whose lines go on as they come.

Whoever may read the image may ask what is on it; nothing is written. The Java files and this one are alike. If the
caller goes away, so does the request to the service.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from demo.cytomine import refine_problems as problems
from demo.cytomine import rights
from demo.cytomine.departures import while_there
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.image_routes import image_row
from demo.cytomine.refine_line import WaitingLine
from demo.cytomine.refine_options import MOST_BYTES
from demo.cytomine.refine_problems import Problem
from demo.cytomine.refine_routes import check_caller, token_of, usable_id
from demo.cytomine.refine_service import PROBLEM, Passed
from demo.cytomine.refusals import Refusal

_TIMEOUT = httpx.Timeout(55, connect=10)
"""The longest silence between two lines."""
_AT_WORK, _WAITING = 4, 8
_LINES = "application/x-ndjson"


def propose_router(desk: Desk) -> APIRouter:
    """Give the route, or none if this Core has no service."""
    router = APIRouter(prefix="/api")
    if desk.refine_url is None:
        return router
    base_url, line = desk.refine_url, WaitingLine(_AT_WORK, _WAITING, longest_wait_s=desk.refine_wait_s)

    @router.post("/imageinstance/{number}/sam/propose")
    @router.post("/imageinstance/{number}/sam/propose.json")
    async def propose(number: str, request: Request) -> Response:
        try:
            await run_in_threadpool(check_caller, desk, request)
            image, wishes = usable_id(number, "image"), await _wishes(request)
            async with AsyncExitStack() as held:
                await held.enter_async_context(line.turn())
                token = await desk.visit(request, lambda visit: _permitted(desk, visit, image))
                asked = _ask(held, base_url, {**wishes, "image_id": image}, token)
                answer = await while_there(request, asked)
                if answer is None:
                    return Response(status_code=499)  # as proxies count it; nobody reads it
                headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
                return StreamingResponse(_lines(answer, held.pop_all()), 200, headers, _LINES)
        except Refusal as refusal:
            return refusal.answer(request)
        except (Problem, Passed) as problem:
            return problem.answer()

    return router


async def _wishes(request: Request) -> dict[str, Any]:
    """Read the body; the service checks what is in it, but the image is that of the path."""
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise problems.too_long(MOST_BYTES)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise problems.no_json()
    try:
        wishes = json.loads(body)
    except (ValueError, RecursionError):
        raise problems.invalid("The body is not JSON.") from None
    if not isinstance(wishes, dict):
        raise problems.invalid("The body is not a JSON object.")
    if "image_id" in wishes:
        raise problems.invalid("There is no option image_id here: the image is that of the path.")
    return wishes


def _permitted(desk: Desk, visit: Visit, image: int) -> str:
    """Check the caller's right to read the image, and give the token to act with."""
    rights.check_read(visit.db, visit.caller, image_row(visit.db, image)["project"])
    return token_of(desk, visit)


async def _ask(held: AsyncExitStack, base_url: str, wishes: dict[str, Any], token: str) -> httpx.Response:
    """Have proposals made; gives the answer once its first bytes are there."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        service = await held.enter_async_context(httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False))
        asked = service.stream("POST", f"{base_url}/propose", json=wishes, headers=headers)
        answer = await held.enter_async_context(asked)
        if answer.status_code != 200:
            await answer.aread()
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise problems.unreachable() from None
    except httpx.TimeoutException:
        raise problems.silent() from None
    except httpx.TransportError:
        raise problems.broken_off() from None
    if answer.status_code >= 400 and answer.headers.get("content-type", "").startswith(PROBLEM):
        raise Passed(answer)
    if answer.status_code != 200:
        raise problems.unfit(answer.status_code)
    return answer


async def _lines(answer: httpx.Response, held: AsyncExitStack) -> AsyncIterator[bytes]:
    """Pass the lines on; where the service breaks off, a last one says so."""
    async with held:
        try:
            async for part in answer.aiter_raw():
                yield part
        except httpx.TimeoutException:
            yield _last(problems.silent())
        except httpx.TransportError:
            yield _last(problems.broken_off())


def _last(problem: Problem) -> bytes:
    return json.dumps({"done": False, "problem": problem.body}).encode() + b"\n"
