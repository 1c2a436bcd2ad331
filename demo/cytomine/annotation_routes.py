"""Core's routes about annotations, each under both of its names."""

from __future__ import annotations

import sqlite3
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from demo.cytomine import annotating, listing, records, rights
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.refusals import NotFound, Refusal, Unreadable, WrongArgument

Id = Annotated[int, Path(alias="id")]
"""The number in a path; Core refuses anything but a number, and says so under this name."""


def annotation_router(desk: Desk) -> APIRouter:
    """Give the routes."""
    router = APIRouter(prefix="/api")
    _many(router, desk)
    for name in ("annotation", "userannotation"):
        _one(router, desk, name)
    return router


def _many(router: APIRouter, desk: Desk) -> None:
    @router.get("/annotation.json")
    @router.get("/annotation/search.json")
    async def listed(request: Request) -> Response:
        return await desk.read(request, lambda visit: listing.listed(visit.db, visit.caller, visit.query, visit.url))

    @router.post("/annotation/search.json")
    async def searched(request: Request) -> Response:
        return await desk.read(
            request,
            lambda visit: listing.listed(visit.db, visit.caller, {**visit.query, **visit.fields}, visit.url),
        )

    @router.get("/imageinstance/{id}/annotation/included.json")
    async def included(image: Id, request: Request) -> Response:
        return await desk.read(
            request, lambda visit: listing.included(visit.db, visit.caller, image, visit.query, visit.url)
        )


def _one(router: APIRouter, desk: Desk, name: str) -> None:
    @router.get(f"/{name}/{{id}}.json")
    async def read(number: Id, request: Request) -> Response:
        return await desk.read(
            request, lambda visit: records.annotation_record(visit.db, seen(visit, number), visit.url)
        )

    @router.put(f"/{name}/{{id}}.json")
    async def update(number: Id, request: Request) -> Response:
        if request.query_params.get("fill", "").lower() == "true":
            return await desk.change(request, lambda visit: _filled(visit, number))
        return await desk.write(request, lambda visit: _updated(visit, number))

    @router.post(f"/{name}/{{id}}/fill.json")
    async def fill(number: Id, request: Request) -> Response:
        return await desk.change(request, lambda visit: _filled(visit, number))

    @router.delete(f"/{name}/{{id}}.json")
    async def delete(number: Id, request: Request) -> Response:
        return await desk.write(request, lambda visit: annotating.delete(visit.session, _found(visit, number)))

    @router.post(f"/{name}.json")
    async def create(request: Request) -> Response:
        return await desk.write(request, _created)


def seen(visit: Visit, number: int) -> sqlite3.Row:
    """Find an annotation that the caller may see; raises `Refusal`."""
    row = annotating.find(visit.db, number)
    rights.check_read(visit.db, visit.caller, row["project"])
    return row


def _found(visit: Visit, number: int) -> sqlite3.Row:
    """Find the annotation of a path, which is missed before any command runs."""
    try:
        return annotating.find(visit.db, number)
    except NotFound as refusal:
        raise refusal.uniform() from refusal


def _filled(visit: Visit, number: int) -> Any:
    return annotating.fill(visit.session, annotating.find(visit.db, number))


def _updated(visit: Visit, number: int) -> Any:
    body = visit.fields
    _found(visit, number)
    return annotating.update(visit.session, body, unchanged_since=visit.headers.get("if-match"))


def _created(visit: Visit) -> Any:
    """Add one annotation, or each of a list that can be added."""
    if isinstance(visit.body, list):
        return _created_many(visit)
    if not isinstance(visit.body, dict):
        raise WrongArgument("Json not valid").uniform()
    return annotating.create(visit.session, {**_limits(visit), **visit.body})


def _limits(visit: Visit) -> dict[str, str]:
    return {name: visit.query[name] for name in ("minPoint", "maxPoint") if name in visit.query}


def _created_many(visit: Visit) -> Response:
    """Add what can be added of a list; whatever becomes of it, the status is 200.

    A refused item is told as it came; one that got as far as its place has by then become nothing that can be written
    as JSON, and so the whole answer is the text that Core puts in place of what it cannot write.
    """
    added: list[str] = []
    failed: list[dict[str, Any]] = []
    for body in visit.body:
        if not isinstance(body, dict):
            raise Unreadable
        try:
            answer = annotating.create(visit.session, {**_limits(visit), **body})
            added.append(str(answer["annotation"]["id"]))
        except Refusal as refusal:
            failed.append({"data": body, "message": str(refusal)})
    if any(each["data"].get("location") is not None and _has_place(each["data"]) for each in failed):
        return Response("invalid json string", media_type="application/json")
    if not failed:
        return JSONResponse({"data": {"message": f"userannotations {','.join(added)} added"}, "status": 200})
    part = f"Only part of the entries (userannotations {','.join(added)}" if added else "No entry saved"
    status = 206 if added else 400
    return JSONResponse({"data": {"success": False, "message": part, "errors": failed}, "status": status})


def _has_place(body: dict[str, Any]) -> bool:
    return body.get("image") is not None or body.get("slice") is not None
