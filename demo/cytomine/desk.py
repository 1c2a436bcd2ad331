"""How a request reaches Core's rules: one transaction, one caller, one answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from demo.cytomine.identity import Caller, Identity
from demo.cytomine.pims import Pims
from demo.cytomine.refusals import Refusal, Unauthorized, WrongArgument
from demo.cytomine.store import Store


@dataclass(frozen=True, slots=True)
class Visit:
    """What a rule gets to see of a request."""

    db: sqlite3.Connection
    caller: Caller
    body: Any
    """The parsed JSON body, or None."""
    query: dict[str, str]
    headers: dict[str, str]
    url: str
    """Base URL of the server, without a slash at its end."""

    @property
    def fields(self) -> dict[str, Any]:
        """The body, which must be an object; raises `WrongArgument`."""
        if not isinstance(self.body, dict):
            raise WrongArgument("The body is no JSON object")
        return self.body


Work = Callable[[Visit], Any]


@dataclass(frozen=True, slots=True)
class Desk:
    """What all routes share."""

    store: Store
    identity: Identity
    pims: Pims
    refine_url: str | None = None
    """Where the refine service is, prefix included; None: this Core has no addition for it."""

    async def read(self, request: Request, work: Work) -> Response:
        """Answer a question; the database is not written."""
        return await self._answer(request, work, write=False, command=False)

    async def write(self, request: Request, work: Work) -> Response:
        """Run a command; refusals have the shape of the generic add, update and delete."""
        return await self._answer(request, work, write=True, command=True)

    async def visit(self, request: Request, work: Work, *, write: bool = False) -> Any:
        """Give what `work` gives; raises `Refusal`."""
        text = await request.body()

        def run() -> Any:
            with self.store.transaction(write=write) as db:
                caller = self.identity.caller(request, db)
                body = _parsed(text)
                url = str(request.base_url).rstrip("/")
                return work(Visit(db, caller, body, dict(request.query_params), dict(request.headers), url))

        return await run_in_threadpool(run)

    async def _answer(self, request: Request, work: Work, *, write: bool, command: bool) -> Response:
        try:
            answer = await self.visit(request, work, write=write)
        except Unauthorized as refusal:
            return refusal.answer()
        except Refusal as refusal:
            return refusal.answer_of_command() if command else refusal.answer()
        return answer if isinstance(answer, Response) else JSONResponse(answer)


class _Unreadable(WrongArgument):
    """The body is no JSON."""

    def answer_of_command(self) -> Response:
        """Answer before any command is looked at."""
        return JSONResponse({"errors": {"message": str(self)}}, self.status)

    answer = answer_of_command


def _parsed(text: bytes) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise _Unreadable("Cannot parse request body") from error
