"""Core's routes about what hangs on annotations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile

from demo.cytomine import baggage, kinds, rights
from demo.cytomine.annotation_routes import Id, seen
from demo.cytomine.commands import Session
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.kinds import Kind
from demo.cytomine.records import collection
from demo.cytomine.refusals import Crash, NotFound, Refusal
from demo.cytomine.rows import hanging, row_of

Rule = Callable[..., dict[str, Any]]


def baggage_router(desk: Desk) -> APIRouter:
    """Give the routes."""
    router = APIRouter(prefix="/api")
    for add in (_terms, _comments, _properties, _descriptions, _tags, _files, _tracks, _groups):
        add(router, desk)
    return router


def _terms(router: APIRouter, desk: Desk) -> None:
    _listed_by_annotation(router, desk, "term", kinds.TERM)

    @router.post("/annotation/{id}/term/{term}.json")
    async def set_term(number: Id, term: int, request: Request) -> Response:
        return await desk.change(request, lambda visit: baggage.set_term(visit.session, visit.fields))

    async def unset(number: int, term: int, user: int | None, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            try:
                row = seen(visit, number)
                _one(visit, "Term", "terms", term)
            except Refusal as refusal:
                raise refusal.uniform() from refusal
            return baggage.unset_term(visit.session, row, term, user)

        return await desk.write(request, work)

    @router.delete("/annotation/{id}/term/{term}.json")
    async def unset_own(number: Id, term: int, request: Request) -> Response:
        return await unset(number, term, None, request)

    @router.delete("/annotation/{id}/term/{term}/user/{user}.json")
    async def unset_of(number: Id, term: int, user: int, request: Request) -> Response:
        return await unset(number, term, user, request)


def _comments(router: APIRouter, desk: Desk) -> None:
    @router.get("/userannotation/{annotation}/comment.json")
    async def comments(annotation: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            rows = hanging(visit.db, "comments", seen(visit, annotation)["id"])
            shown = [row for row in rows if visit.caller.admin_by_now or row["user"] == visit.caller.id]
            return _all(visit, kinds.COMMENT, shown[::-1])

        return await desk.read(request, work)

    @router.post("/userannotation/{annotation}/comment.json")
    async def comment(annotation: int, request: Request) -> Response:
        return await desk.change(request, lambda visit: baggage.comment(visit.session, annotation, visit.fields))


def _properties(router: APIRouter, desk: Desk) -> None:
    _listed_by_annotation(router, desk, "property", kinds.PROPERTY)
    _listed_by_domain(router, desk, "property", kinds.PROPERTY)

    @router.post("/domain/{name}/{ident}/property.json")
    async def add(name: str, ident: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            place = {"domainClassName": name, "domainIdent": ident}
            if not isinstance(visit.body, list):
                return baggage.add_property(visit.session, {**place, **visit.fields})
            made = [baggage.add_property(visit.session, {**place, **each})["property"]["id"] for each in visit.body]
            message = f"propertys {','.join(str(number) for number in made)} added"
            return JSONResponse({"data": {"message": message}, "status": 200})

        return await desk.write(request, work)

    @router.put("/domain/{name}/{ident}/property/{id}.json")
    async def edit(name: str, ident: int, number: Id, request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.edit_property(visit.session, number, visit.fields))

    @router.delete("/domain/{name}/{ident}/property/{id}.json")
    async def delete(name: str, ident: int, number: Id, request: Request) -> Response:
        return await desk.write(request, lambda visit: _gone(visit, kinds.PROPERTY, number))


def _descriptions(router: APIRouter, desk: Desk) -> None:
    def described(visit: Visit, name: str, ident: int) -> sqlite3.Row:
        rows = hanging(visit.db, "descriptions", baggage.of_domain_by_acl(visit.session, name, ident)["id"])
        if not rows:
            domain = f'{{"domainIdent":{ident},"domainClassName":"{name}"}}'
            raise NotFound(f"Description {domain} not found")
        return rows[0]

    @router.get("/domain/{name}/{ident}/description.json")
    async def read(name: str, ident: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            return kinds.description_record(visit.db, described(visit, name.replace("_", "."), ident), visit.url)

        return await desk.read(request, work)

    @router.post("/description.json")
    @router.post("/domain/{name}/{ident}/description.json")
    async def add(request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.add_description(visit.session, visit.fields))

    @router.delete("/domain/{name}/{ident}/description.json")
    async def delete(name: str, ident: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = described(visit, name.replace("_", "."), ident)
            return baggage.take_away(visit.session, kinds.DESCRIPTION, row)

        return await desk.change(request, work)


def _tags(router: APIRouter, desk: Desk) -> None:
    def of_domain(session: Session, name: str, ident: int) -> sqlite3.Row:
        row = baggage.of_domain(session, name, ident)
        if desk.identity.form == "short" and not session.caller.admin_by_now:
            raise Crash("Page size must not be less than one")  # 2026 fails on the empty page that it gives others
        return row

    _listed_by_domain(router, desk, "tag_domain_association", kinds.TAG_ASSOCIATION, of_domain)

    @router.get("/tag.json")
    async def tags(request: Request) -> Response:
        rows = "SELECT * FROM tags ORDER BY id"
        return await desk.read(request, lambda visit: _all(visit, kinds.TAG, visit.db.execute(rows).fetchall()))

    @router.post("/tag.json")
    async def add(request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.add_tag(visit.session, visit.fields))

    @router.post("/tag_domain_association.json")
    @router.post("/domain/{name}/{ident}/tag_domain_association.json")
    async def associate(request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.tag(visit.session, visit.fields))

    @router.delete("/tag_domain_association/{id}.json")
    async def delete(number: Id, request: Request) -> Response:
        return await desk.write(request, lambda visit: _gone(visit, kinds.TAG_ASSOCIATION, number))


def _files(router: APIRouter, desk: Desk) -> None:
    _listed_by_domain(router, desk, "attachedfile", kinds.FILE, baggage.of_domain_by_acl)

    @router.post("/attachedfile.json")
    @router.put("/attachedfile.json")
    async def attach(request: Request) -> Response:
        await request.body()  # kept for the desk, which would find it read otherwise
        async with request.form() as form:
            file = form.get("files[]")
            data = await file.read() if isinstance(file, UploadFile) else b""
            name = (file.filename if isinstance(file, UploadFile) else None) or "file"
            texts = {key: value for key, value in form.items() if isinstance(value, str)}

        def work(visit: Visit) -> Any:
            given = {**visit.query, **texts}
            filename = given.get("filename") or name.rpartition("/")[2]
            row = baggage.attach(visit.session, given, filename, data)
            return kinds.file_record(visit.db, row, visit.url)

        return await desk.change(request, work, plain=True)

    @router.get("/attachedfile/{id}.json")
    async def read(number: Id, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            return kinds.file_record(visit.db, _attached(visit, number), visit.url)

        return await desk.read(request, work)

    @router.get("/attachedfile/{id}/download")
    @router.get("/attachedfile/{id}/download.json")
    async def download(number: Id, request: Request) -> Response:
        def work(visit: Visit) -> Response:
            row = _attached(visit, number)
            told = {"content-disposition": f"attachment; filename={row['filename']}"}
            return Response(row["data"], 200, told, "application/octet-stream")

        return await desk.read(request, work)

    @router.delete("/attachedfile/{id}.json")
    async def delete(number: Id, request: Request) -> Response:
        return await desk.write(request, lambda visit: _gone(visit, kinds.FILE, number))


def _tracks(router: APIRouter, desk: Desk) -> None:
    _listed_by_annotation(router, desk, "annotationtrack", kinds.TRACK_LINK)

    @router.get("/imageinstance/{id}/track.json")
    async def of_image(number: Id, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            image = _one(visit, "ImageInstance", "images", number)
            rights.check_read(visit.db, visit.caller, image["project"])
            rows = visit.db.execute("SELECT * FROM tracks WHERE image = ? ORDER BY id", (number,)).fetchall()
            return _all(visit, kinds.TRACK, rows)

        return await desk.read(request, work)

    @router.post("/track.json")
    async def add(request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.add_track(visit.session, visit.fields))

    @router.post("/annotationtrack.json")
    async def put_on(request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.put_on_track(visit.session, visit.fields))

    @router.delete("/annotationtrack/{annotation}/{track}.json")
    async def take_off(annotation: int, track: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            links = [row for row in hanging(visit.db, "annotation_tracks", annotation) if row["track"] == track]
            if not links:
                raise NotFound(f"AnnotationTrack {{annotationIdent={annotation}, track={track}}} not found")
            return baggage.take_away(visit.session, kinds.TRACK_LINK, links[0])

        return await desk.write(request, work)


def _groups(router: APIRouter, desk: Desk) -> None:
    def links(visit: Visit, group: int) -> Any:
        found = _one(visit, "AnnotationGroup", "annotation_groups", group)
        rights.check_read(visit.db, visit.caller, found["project"])
        rows = visit.db.execute('SELECT * FROM annotation_links WHERE "group" = ? ORDER BY id', (group,)).fetchall()
        return _all(visit, kinds.GROUP_LINK, rows)

    @router.get("/annotation/{id}/annotationlink.json")
    async def of_annotation(number: Id, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            own = hanging(visit.db, "annotation_links", number)
            return links(visit, own[0]["group"]) if own else collection([])

        return await desk.read(request, work)

    @router.get("/annotationgroup/{id}/annotationlink.json")
    async def of_group(number: Id, request: Request) -> Response:
        return await desk.read(request, lambda visit: links(visit, number))

    @router.post("/annotationlink.json")
    async def link(request: Request) -> Response:
        return await desk.write(request, lambda visit: baggage.link(visit.session, visit.fields))

    @router.delete("/annotationgroup/{group}/annotation/{annotation}.json")
    async def unlink(group: int, annotation: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            own = hanging(visit.db, "annotation_links", annotation)
            if not own:
                raise NotFound(f"Annotationlink not found with filters : {{Annotation={annotation}}}")
            return baggage.take_away(visit.session, kinds.GROUP_LINK, own[0])

        return await desk.change(request, work)


def _listed_by_annotation(router: APIRouter, desk: Desk, name: str, kind: Kind) -> None:
    @router.get(f"/annotation/{{id}}/{name}.json")
    async def listed(number: Id, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            return _all(visit, kind, hanging(visit.db, kind.table, seen(visit, number)["id"]))

        return await desk.read(request, work)


def _listed_by_domain(
    router: APIRouter, desk: Desk, route: str, kind: Kind, find: Callable[..., sqlite3.Row] = baggage.of_domain
) -> None:
    @router.get(f"/domain/{{name}}/{{ident}}/{route}.json")
    async def listed(name: str, ident: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            return _all(visit, kind, hanging(visit.db, kind.table, find(visit.session, name, ident)["id"]))

        return await desk.read(request, work)


def _all(visit: Visit, kind: Kind, rows: list[sqlite3.Row]) -> dict[str, Any]:
    most, offset = int(visit.query.get("max") or 0), int(visit.query.get("offset") or 0)
    return collection((kind.record(visit.db, row, visit.url) for row in rows), offset, most)


def _one(visit: Visit, name: str, table: str, number: int) -> sqlite3.Row:
    row = row_of(visit.db, table, number)
    if row is None:
        raise NotFound(f"{name} {number} not found")
    return row


def _attached(visit: Visit, number: int) -> sqlite3.Row:
    row = _one(visit, "AttachedFile", "attached_files", number)
    seen(visit, row["annotation"])
    return row


def _gone(visit: Visit, kind: Kind, number: int) -> dict[str, Any]:
    """Delete something by its number."""
    row = row_of(visit.db, kind.table, number)
    if row is None:
        raise NotFound(f"class {kind.name} {number} not found")
    return baggage.take_away(visit.session, kind, row)
