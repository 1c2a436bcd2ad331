"""Core's routes about annotations and what hangs on them."""

from __future__ import annotations

import sqlite3
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from demo.cytomine import commands, listing, records, rights
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.refusals import NotFound, Refusal, WrongArgument
from demo.cytomine.store import insert, next_id, now_ms

_NAMES = ("annotation", "userannotation")


def annotation_router(desk: Desk) -> APIRouter:
    """Give the routes, each under both of its names."""
    router = APIRouter(prefix="/api")
    for name in _NAMES:
        _one(router, desk, name)
    _many(router, desk)
    _hanging(router, desk)
    return router


def _one(router: APIRouter, desk: Desk, name: str) -> None:
    @router.get(f"/{name}/{{number:int}}.json")
    async def read(number: int, request: Request) -> Response:
        return await desk.read(
            request, lambda visit: records.annotation_record(visit.db, _seen(visit, number), visit.url)
        )

    @router.put(f"/{name}/{{number}}.json")
    async def update(number: str, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            fill = visit.query.get("fill", "").lower() == "true"
            return commands.update(visit.db, visit.caller, visit.fields, visit.url, fill=fill)

        return await desk.write(request, work)

    @router.delete(f"/{name}/{{number}}.json")
    async def delete(number: str, request: Request) -> Response:
        return await desk.write(request, lambda visit: commands.delete(visit.db, visit.caller, number, visit.url))

    @router.post(f"/{name}.json")
    async def create(request: Request) -> Response:
        return await desk.write(request, _created)


def _created(visit: Visit) -> Any:
    """Add one annotation, or each of a list that can be added."""
    if not isinstance(visit.body, list):
        return commands.create(visit.db, visit.caller, visit.fields, visit.url)
    answers, failed = [], 0
    for body in visit.body:
        try:
            answers.append(commands.create(visit.db, visit.caller, body, visit.url))
        except Refusal as refusal:
            failed += 1
            answers.append({"errors": str(refusal)})
    status = 200 if not failed else 400 if failed == len(answers) else 206
    return JSONResponse({"data": answers, "status": status}, status)


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

    @router.get("/imageinstance/{image:int}/annotation/included.json")
    async def included(image: int, request: Request) -> Response:
        return await desk.read(
            request, lambda visit: listing.included(visit.db, visit.caller, image, visit.query, visit.url)
        )


def _hanging(router: APIRouter, desk: Desk) -> None:
    """Add the routes of terms, properties, descriptions and comments."""

    @router.get("/annotation/{number:int}/term.json")
    async def terms(number: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            links = records.terms_of(visit.db, _seen(visit, number)["id"])
            return records.collection(records.annotation_term_record(link) for link in links)

        return await desk.read(request, work)

    @router.post("/annotation/{number:int}/term/{term:int}.json")
    async def link(number: int, term: int, request: Request) -> Response:
        return await desk.write(request, lambda visit: _linked(visit, number, term))

    @router.delete("/annotation/{number:int}/term/{term:int}.json")
    async def unlink(number: int, term: int, request: Request) -> Response:
        return await desk.write(request, lambda visit: _unlinked(visit, number, term))

    @router.get("/annotation/{number:int}/property.json")
    @router.get("/domain/{kind}/{number:int}/property.json")
    async def properties(number: int, request: Request, kind: str = "") -> Response:
        def work(visit: Visit) -> Any:
            rows = _hung(visit, "properties", _seen(visit, number)["id"])
            return records.collection(records.property_record(row) for row in rows)

        return await desk.read(request, work)

    @router.post("/annotation/{number:int}/property.json")
    @router.post("/domain/{kind}/{number:int}/property.json")
    async def add_property(number: int, request: Request, kind: str = "") -> Response:
        def work(visit: Visit) -> Any:
            row, body = _edited(visit, number), visit.fields
            if not body.get("key"):
                raise WrongArgument("A property needs a key")
            values = {"annotation": row["id"], "key": str(body["key"]), "value": str(body.get("value"))}
            made = {"id": next_id(visit.db), **values, "created": now_ms()}
            insert(visit.db, "properties", made)
            found = visit.db.execute("SELECT * FROM properties WHERE id = ?", (made["id"],)).fetchone()
            return {"message": "Property added", "property": records.property_record(found)}

        return await desk.write(request, work)

    @router.get("/domain/{kind}/{number:int}/description.json")
    async def description(kind: str, number: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            rows = _hung(visit, "descriptions", _seen(visit, number)["id"])
            if not rows:
                raise NotFound(f"Description not found with filters : {{domainIdent={number}}}")
            row = rows[0]
            return {"id": row["id"], "data": row["data"], "domainIdent": number, "domainClassName": kind}

        return await desk.read(request, work)

    @router.get("/annotation/{number:int}/annotationtrack.json")
    @router.get("/annotation/{number:int}/annotationlink.json")
    async def nothing_of_that_kind(number: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            _seen(visit, number)
            return records.collection([])

        return await desk.read(request, work)

    @router.get("/annotation/{number:int}/comment.json")
    async def comments(number: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            rows = _hung(visit, "comments", _seen(visit, number)["id"])
            return records.collection(
                {"id": row["id"], "sender": row["user"], "comment": row["text"], "annotationIdent": number}
                for row in rows
            )

        return await desk.read(request, work)


def _seen(visit: Visit, number: int) -> sqlite3.Row:
    row = commands.find(visit.db, number)
    rights.check_read(visit.db, visit.caller, row["project"])
    return row


def _edited(visit: Visit, number: int) -> sqlite3.Row:
    row = commands.find(visit.db, number)
    rights.check_may_edit(visit.db, visit.caller, row["project"], row["user"])
    return row


def _hung(visit: Visit, table: str, annotation: int) -> list[sqlite3.Row]:
    query = f"SELECT * FROM {table} WHERE annotation = ? ORDER BY id"  # noqa: S608  names of ours
    return visit.db.execute(query, (annotation,)).fetchall()


def _linked(visit: Visit, number: int, term: int) -> dict[str, Any]:
    row = _edited(visit, number)
    if visit.db.execute("SELECT 1 FROM terms WHERE id = ?", (term,)).fetchone() is None:
        raise NotFound(f"Term {term} not found")
    link = {"id": next_id(visit.db), "annotation": row["id"], "term": term, "user": visit.caller.id}
    try:
        insert(visit.db, "annotation_terms", link)
    except sqlite3.IntegrityError as error:
        raise WrongArgument(f"AnnotationTerm {number} - {term} already exists") from error
    found = visit.db.execute("SELECT * FROM annotation_terms WHERE id = ?", (link["id"],)).fetchone()
    return {"message": "Term added", "annotationterm": records.annotation_term_record(found)}


def _unlinked(visit: Visit, number: int, term: int) -> dict[str, Any]:
    row = _edited(visit, number)
    links = [link for link in records.terms_of(visit.db, number) if link["term"] == term]
    if not links:
        raise NotFound(f"AnnotationTerm not found with filters : {{annotation={number}, term={term}}}")
    for link in links:
        commands.check_may_unlink(visit.db, visit.caller, row, link)
        visit.db.execute("DELETE FROM annotation_terms WHERE id = ?", (link["id"],))
    return {"message": "Term removed"}
