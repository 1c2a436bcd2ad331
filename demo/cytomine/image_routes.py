"""Core's routes about images and their pixels; the pixels come from PIMS, by the calls that Core makes."""

from __future__ import annotations

import sqlite3
from typing import Any

from fastapi import APIRouter, Request, Response

from demo.cytomine import commands, records, rights
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.locations import parse_location, pseudo_envelope
from demo.cytomine.pims import PimsAnswer
from demo.cytomine.pims.routes import sent
from demo.cytomine.refusals import NotFound

_FORMATS = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_CROPS = {"crop": "crop", "mask": "mask", "alphamask": "crop"}


def image_router(desk: Desk) -> APIRouter:
    """Give the routes."""
    router = APIRouter(prefix="/api")
    _facts(router, desk)
    _pixels(router, desk)
    return router


def _facts(router: APIRouter, desk: Desk) -> None:
    @router.get("/imageinstance/{image:int}.json")
    async def read(image: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: _shaped(visit, _seen(visit, image)))

    @router.get("/project/{project:int}/imageinstance.json")
    async def of_project(project: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            rights.project_of(visit.db, project)
            rights.check_read(visit.db, visit.caller, project)
            rows = visit.db.execute("SELECT * FROM images WHERE project = ? ORDER BY id DESC", (project,)).fetchall()
            most, offset = int(visit.query.get("max") or 0), int(visit.query.get("offset") or 0)
            return records.collection([_shaped(visit, row) for row in rows], offset, most)

        return await desk.read(request, work)

    @router.get("/imageinstance/{image:int}/sliceinstance/reference.json")
    async def reference_slice(image: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = _seen(visit, image)
            slices = _slices(visit.db, image)
            return records.slice_record(slices[len(slices) // 2], row)

        return await desk.read(request, work)

    @router.get("/imageinstance/{image:int}/sliceinstance.json")
    async def slices(image: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = _seen(visit, image)
            return records.collection(records.slice_record(each, row) for each in _slices(visit.db, image))

        return await desk.read(request, work)

    @router.get("/sliceinstance/{number:int}.json")
    async def one_slice(number: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = visit.db.execute("SELECT * FROM slices WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise NotFound(f"SliceInstance not found with filters : {{id={number}}}")
            return records.slice_record(row, _seen(visit, row["image"]))

        return await desk.read(request, work)


def _pixels(router: APIRouter, desk: Desk) -> None:
    def window(visit: Visit, image: int, box: tuple[int, int, int, int], extension: str) -> PimsAnswer:
        row = _seen(visit, image)
        left, top, width, height = box
        region = {"left": left, "top": top, "width": width, "height": height}
        body = {"region": region, "z_slices": 0, "timepoints": 0, "level": 0}
        return desk.pims.window(row["path"], body, accept=_accept(extension), if_none_match=_etag(visit))

    @router.api_route("/imageinstance/{image:int}/window-{x:int}-{y:int}-{w:int}-{h:int}.{extension}", methods=_BOTH)
    async def windows(image: int, x: int, y: int, w: int, h: int, extension: str, request: Request) -> Response:
        return await desk.read(request, lambda visit: sent(window(visit, image, (x, y, w, h), extension)))

    @router.api_route("/imageinstance/{image:int}/thumb.{extension}", methods=_BOTH)
    async def thumb(image: int, extension: str, request: Request) -> Response:
        def work(visit: Visit) -> Response:
            body = {"length": int(visit.query.get("maxSize") or 512)}
            row = _seen(visit, image)
            return sent(desk.pims.reduced(row["path"], body, accept=_accept(extension), if_none_match=_etag(visit)))

        return await desk.read(request, work)

    def crop(visit: Visit, row: sqlite3.Row, wkt: str, kind: str, extension: str, default: int | None) -> Response:
        query = visit.query
        geometry = pseudo_envelope(parse_location(wkt))
        body: dict[str, Any] = {
            "context_factor": float(query.get("increaseArea") or 1.0),
            "annotations": [{"geometry": geometry.wkt, **({"fill_color": "#fff"} if kind == "mask" else {})}],
            "background_transparency": 100 if kind == "alphamask" else 0,
        }
        most = query.get("maxSize") or default
        body |= {"length": int(most)} if most else {"level": 0}
        answer = desk.pims.annotation(
            _CROPS[kind],
            row["path"],
            body,
            accept=_accept(extension),
            origin="LEFT_BOTTOM",
            safety="SAFE_RESIZE" if query.get("safe", "").lower() == "true" else None,
            if_none_match=_etag(visit),
        )
        return sent(answer)

    @router.api_route("/imageinstance/{image:int}/crop.{extension}", methods=_BOTH)
    async def image_crop(image: int, extension: str, request: Request) -> Response:
        def work(visit: Visit) -> Response:
            wkt = visit.query.get("geometry") or visit.query.get("location") or ""
            return crop(visit, _seen(visit, image), wkt, "crop", extension, 256)

        return await desk.read(request, work)

    @router.api_route("/{name}annotation/{number:int}/{kind}.{extension}", methods=_BOTH)
    @router.api_route("/annotation/{number:int}/{kind}.{extension}", methods=_BOTH)
    async def annotation_crop(number: int, kind: str, extension: str, request: Request, name: str = "") -> Response:
        def work(visit: Visit) -> Response:
            if kind not in _CROPS or name not in {"", "user"}:
                raise NotFound(kind)
            found = commands.find(visit.db, number)
            if name:  # the route without a prefix asks for no right in the project
                rights.check_read(visit.db, visit.caller, found["project"])
            return crop(visit, _image(visit.db, found["image"]), found["location"], kind, extension, None)

        return await desk.read(request, work)


_BOTH = ["GET", "POST"]


def _accept(extension: str) -> str:
    """Name one type; any other format is answered with PNG."""
    return _FORMATS.get(extension, "image/png")


def _etag(visit: Visit) -> str | None:
    return visit.headers.get("if-none-match")


def _image(db: sqlite3.Connection, image: int) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM images WHERE id = ?", (image,)).fetchone()
    if row is None:
        raise NotFound(f"ImageInstance not found with filters : {{id={image}}}")
    return row


def _seen(visit: Visit, image: int) -> sqlite3.Row:
    row = _image(visit.db, image)
    rights.check_read(visit.db, visit.caller, row["project"])
    return row


def _slices(db: sqlite3.Connection, image: int) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM slices WHERE image = ? ORDER BY channel, z, t", (image,)).fetchall()


def _shaped(visit: Visit, row: sqlite3.Row) -> dict[str, Any]:
    blind = rights.project_of(visit.db, row["project"])["blind"]
    hidden = bool(blind) and not rights.is_manager(visit.db, visit.caller, row["project"])
    return records.image_record(visit.db, row, visit.url, hide_names=hidden)
