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

from demo.cytomine.answers import negotiated
from demo.cytomine.commands import Session
from demo.cytomine.identity import Caller, Identity
from demo.cytomine.pims import Pims
from demo.cytomine.refusals import Refusal, Unreadable
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
        """The body, which must be an object; raises `Unreadable`."""
        if not isinstance(self.body, dict):
            raise Unreadable
        return self.body

    @property
    def session(self) -> Session:
        """What commands run in."""
        return Session(self.db, self.caller, self.url)


Work = Callable[[Visit], Any]


@dataclass(frozen=True, slots=True)
class Desk:
    """What all routes share."""

    store: Store
    identity: Identity
    pims: Pims
    refine_url: str | None = None
    """Where the refine service is, prefix included; None: this Core has no addition for it."""
    refine_wait_s: float = 20.0
    """How long a refine waits for its turn in Core's addition."""

    async def read(self, request: Request, work: Work) -> Response:
        """Answer a question; the database is not written."""
        return await self._answer(request, work, write=False)

    async def write(self, request: Request, work: Work) -> Response:
        """Run the generic add, update or delete: its answer is negotiated, its refusals have its own shape."""
        return await self._answer(request, work, write=True, command=True)

    async def change(self, request: Request, work: Work, *, plain: bool = False) -> Response:
        """Run what changes something outside of those; `plain`: its answer is JSON for whoever asks."""
        return await self._answer(request, work, write=True, plain=plain)

    async def visit(self, request: Request, work: Work, *, write: bool = False) -> Any:
        """Give what `work` gives; raises `Refusal`."""
        text = await request.body()

        def run() -> Any:
            with self.store.transaction(write=write) as db:
                caller = self.identity.caller(request, db)
                body = None if "multipart" in request.headers.get("content-type", "") else _parsed(text)
                url = str(request.base_url).rstrip("/")
                return work(Visit(db, caller, body, dict(request.query_params), dict(request.headers), url))

        return await run_in_threadpool(run)

    async def _answer(
        self, request: Request, work: Work, *, write: bool, command: bool = False, plain: bool = False
    ) -> Response:
        try:
            answer = await self.visit(request, work, write=write)
        except Refusal as refusal:
            return refusal.answer_of_command(request) if command else refusal.answer(request)
        if isinstance(answer, Response):
            return answer
        return negotiated(request, answer) if write and not plain else JSONResponse(answer)


def _parsed(text: bytes) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable from error
