"""Core's addition for proposals: rights first, then the service, whose lines go on as they come.

Whoever may read the image may ask what is on it; nothing is written. The Java files and this one are held to the same
cases, in ``docs/api/examples/core-propose.json``. If the caller goes away, so does the request to the service.
"""

from __future__ import annotations

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
from demo.cytomine.propose_lines import passed_on
from demo.cytomine.propose_question import read_question
from demo.cytomine.refine_line import WaitingLine
from demo.cytomine.refine_problems import Problem
from demo.cytomine.refine_routes import check_caller, token_of, usable_id
from demo.cytomine.refine_service import PROBLEM, Passed
from demo.cytomine.refusals import Refusal

_TIMEOUT = httpx.Timeout(150, connect=10)
"""The longest silence between two lines."""
_AT_WORK, _WAITING = 4, 8
_LINES = "application/x-ndjson"
_OF_PROXIES = {f"urn:cytomine-refine:service-{end}" for end in ("absent", "slow", "broke-off")}


def propose_router(desk: Desk) -> APIRouter:
    """Give the route, or none if this Core has no service."""
    router = APIRouter(prefix="/api")
    if desk.refine_url is None:
        return router
    base_url, line = (
        desk.refine_url,
        WaitingLine(_AT_WORK, _WAITING, longest_wait_s=desk.refine_wait_s, what="searches"),
    )

    @router.post("/imageinstance/{number}/sam/propose")
    @router.post("/imageinstance/{number}/sam/propose.json")
    async def propose(number: str, request: Request) -> Response:
        try:
            await run_in_threadpool(check_caller, desk, request)
            image, question = usable_id(number, "image"), await _question(request)
            async with AsyncExitStack() as held:
                await held.enter_async_context(line.turn())
                token = await desk.visit(request, lambda visit: _permitted(desk, visit, image))
                asked = _ask(held, base_url, {**question, "image_id": image}, token)
                answer = await while_there(request, asked)
                if answer is None:
                    return Response(status_code=499)  # as proxies count it; nobody reads it
                headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
                return StreamingResponse(passed_on(answer, held.pop_all()), 200, headers, _LINES)
        except Refusal as refusal:
            return refusal.answer(request)
        except (Problem, Passed) as problem:
            return problem.answer()

    return router


async def _question(request: Request) -> dict[str, Any]:
    """Read the body; like Core's filter, take what has no type for JSON where the path says so."""
    given = request.headers.get("content-type", "")
    if given in {"", "application/octet-stream"} and ".json" in str(request.url):
        given = "application/json"
    return read_question(request.query_params.keys(), given, await request.body())


def _permitted(desk: Desk, visit: Visit, image: int) -> str:
    """Check the caller's right to read the image, and give the token to act with."""
    rights.check_read(visit.db, visit.caller, image_row(visit.db, image)["project"])
    return token_of(desk, visit)


async def _ask(held: AsyncExitStack, base_url: str, question: dict[str, Any], token: str) -> httpx.Response:
    """Have proposals made; gives the answer once its first bytes are there."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        service = await held.enter_async_context(httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False))
        asked = service.stream("POST", f"{base_url}/propose", json=question, headers=headers)
        answer = await held.enter_async_context(asked)
        if answer.status_code != 200:
            await answer.aread()
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise problems.unreachable() from None
    except httpx.TimeoutException:
        raise problems.silent() from None
    except httpx.TransportError:
        raise problems.broken_off() from None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if answer.status_code >= 400 and kind == PROBLEM:
        raise _own_words(answer)
    if answer.status_code != 200:
        raise problems.unfit(f"Its status was {answer.status_code}.")
    if kind != _LINES:
        raise problems.unfit("Its answer does not contain proposals.")
    return answer


def _own_words(answer: httpx.Response) -> Exception:
    """Pass a problem on, but for those of a proxy, which speak of outlines."""
    if answer.json().get("type") in _OF_PROXIES:
        return problems.silent() if answer.status_code == 504 else problems.broken_off()
    return Passed(answer)
