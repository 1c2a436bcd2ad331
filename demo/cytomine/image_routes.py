"""Core's routes about images and their pixels; the pixels come from PIMS, by the calls that Core makes."""

from __future__ import annotations

import sqlite3
from typing import Any

from fastapi import APIRouter, Request, Response

from demo.cytomine import annotating, records, rights
from demo.cytomine.annotation_routes import Id
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.locations import parse_location, pseudo_envelope, reduced_precision, simplified_for_crop
from demo.cytomine.pims import PimsAnswer
from demo.cytomine.pims.routes import sent
from demo.cytomine.refusals import NotFound
from demo.cytomine.rows import reference_slice

_FORMATS = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_CROPS = {"crop": "crop", "mask": "mask", "alphamask": "crop", "draw": "drawing"}

_BOTH = ["GET", "POST"]


def image_router(desk: Desk) -> APIRouter:
    """Give the routes."""
    router = APIRouter(prefix="/api")
    _facts(router, desk)
    _slice_facts(router, desk)
    _pixels(router, desk)
    return router


def _facts(router: APIRouter, desk: Desk) -> None:
    @router.get("/imageinstance/{image}.json")
    async def read(image: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: _shaped(visit, _seen(visit, image)))

    @router.get("/project/{project}/imageinstance.json")
    async def of_project(project: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            of = rights.project_of(visit.db, project)
            rights.check_read(visit.db, visit.caller, project)
            rows = visit.db.execute("SELECT * FROM images WHERE project = ? ORDER BY id DESC", (project,)).fetchall()
            most, offset = int(visit.query.get("max") or 0), int(visit.query.get("offset") or 0)
            told = {"projectBlind": bool(of["blind"]), "projectName": of["name"]}
            return records.collection([{**_shaped(visit, row), **told} for row in rows], offset, most)

        return await desk.read(request, work)


def _slice_facts(router: APIRouter, desk: Desk) -> None:
    @router.get("/imageinstance/{image}/sliceinstance/reference.json")
    async def reference(image: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = _seen(visit, image)
            return records.slice_record(reference_slice(visit.db, image), row)

        return await desk.read(request, work)

    @router.get("/imageinstance/{image}/sliceinstance.json")
    async def slices(image: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = _seen(visit, image)
            return records.collection(records.slice_record(each, row) for each in _slices(visit.db, image))

        return await desk.read(request, work)

    @router.get("/sliceinstance/{number}.json")
    async def one_slice(number: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = visit.db.execute("SELECT * FROM slices WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise NotFound(f"SliceInstance {number} not found")
            return records.slice_record(row, _seen(visit, row["image"]))

        return await desk.read(request, work)


def _pixels(router: APIRouter, desk: Desk) -> None:
    def window(visit: Visit, image: int, box: tuple[int, int, int, int], extension: str) -> PimsAnswer:
        row = _seen(visit, image)
        left, top, width, height = box
        region = {"left": left, "top": top, "width": width, "height": height}
        body = {"region": region, **_plane(visit.db, row), "level": 0}
        return desk.pims.window(row["path"], body, accept=_accept(extension), if_none_match=_etag(visit))

    @router.api_route("/imageinstance/{image}/window-{x:int}-{y:int}-{w:int}-{h:int}.{extension}", methods=_BOTH)
    async def windows(image: int, x: int, y: int, w: int, h: int, extension: str, request: Request) -> Response:
        return await desk.read(request, lambda visit: sent(window(visit, image, (x, y, w, h), extension)))

    @router.api_route("/imageinstance/{image}/thumb.{extension}", methods=_BOTH)
    async def thumb(image: int, extension: str, request: Request) -> Response:
        def work(visit: Visit) -> Response:
            body = {"length": int(visit.query.get("maxSize") or 512)}
            row = _seen(visit, image)
            return sent(desk.pims.reduced(row["path"], body, accept=_accept(extension), if_none_match=_etag(visit)))

        return await desk.read(request, work)

    @router.api_route("/imageinstance/{image}/crop.{extension}", methods=_BOTH)
    async def image_crop(image: int, extension: str, request: Request) -> Response:
        def work(visit: Visit) -> Response:
            wkt = visit.query.get("geometry") or visit.query.get("location") or ""
            return _crop(desk, visit, _seen(visit, image), wkt, "crop", extension, 256)

        return await desk.read(request, work)

    for name in ("annotation", "userannotation"):
        for kind in ("crop", "mask", "alphamask"):
            _cropped(router, desk, name, kind)


def _cropped(router: APIRouter, desk: Desk, name: str, kind: str) -> None:
    @router.api_route(f"/{name}/{{id}}/{kind}.{{extension}}", methods=_BOTH)
    async def annotation_crop(number: Id, extension: str, request: Request) -> Response:
        def work(visit: Visit) -> Response:
            found = annotating.find(visit.db, number)
            if name == "userannotation":  # the other route asks for no right in the project
                rights.check_read(visit.db, visit.caller, found["project"])
            image = image_row(visit.db, found["image"])
            return _crop(desk, visit, image, found["location"], kind, extension, None)

        return await desk.read(request, work)


def _crop(
    desk: Desk, visit: Visit, row: sqlite3.Row, wkt: str, kind: str, extension: str, default: int | None
) -> Response:
    """Have PIMS cut out a shape: simplified, unless the query asks for all of it."""
    query = visit.query
    flags = {name for name in ("draw", "mask", "alphaMask", "complete", "safe", "square") if _is_true(query.get(name))}
    wanted = "draw" if "draw" in flags else "mask" if "mask" in flags else "alphamask" if "alphaMask" in flags else kind
    geometry = pseudo_envelope(parse_location(wkt))
    geometry = reduced_precision(geometry) if "complete" in flags else simplified_for_crop(geometry)
    colours = {"mask": {"fill_color": "#fff"}, "draw": {"stroke_color": _colour(query.get("color"))}}
    body: dict[str, Any] = {
        "context_factor": float(query.get("increaseArea") or 1.0),
        "annotations": [{"geometry": geometry.wkt, **colours.get(wanted, {})}],
        "background_transparency": 100 if wanted == "alphamask" else 0,
        "try_square": wanted == "draw" and "square" in flags,
        **_plane(visit.db, row),
    }
    most = query.get("maxSize") or default
    body |= {"length": int(most)} if most else {"level": 0}
    answer = desk.pims.annotation(
        _CROPS[wanted],
        row["path"],
        body,
        accept=_accept(extension),
        origin="LEFT_BOTTOM",
        safety="SAFE_RESIZE" if "safe" in flags else None,
        if_none_match=_etag(visit),
    )
    return sent(answer)


def _colour(text: str | None) -> str:
    return text.replace("0x", "#") if text else "#f00"


def _is_true(text: str | None) -> bool:
    return (text or "").lower() == "true"


def _plane(db: sqlite3.Connection, image: sqlite3.Row) -> dict[str, int]:
    """Name the plane to look at: the image's middle one; a channel only where there are several."""
    place = reference_slice(db, image["id"])
    channel = {"channels": place["channel"]} if image["channels"] > 1 else {}
    return {**channel, "z_slices": place["z"], "timepoints": place["t"]}


def _accept(extension: str) -> str:
    """Name one type; any other format is answered with PNG."""
    return _FORMATS.get(extension, "image/png")


def _etag(visit: Visit) -> str | None:
    return visit.headers.get("if-none-match")


def image_row(db: sqlite3.Connection, image: int) -> sqlite3.Row:
    """Read an image; raises `NotFound`."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM images WHERE id = ?", (image,)).fetchone()
    if row is None:
        raise NotFound(f"ImageInstance {image} not found")
    return row


def _seen(visit: Visit, image: int) -> sqlite3.Row:
    row = image_row(visit.db, image)
    rights.check_read(visit.db, visit.caller, row["project"])
    return row


def _slices(db: sqlite3.Connection, image: int) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM slices WHERE image = ? ORDER BY channel, z, t", (image,)).fetchall()


def _shaped(visit: Visit, row: sqlite3.Row) -> dict[str, Any]:
    blind = rights.project_of(visit.db, row["project"])["blind"]
    hidden = bool(blind) and not rights.is_manager(visit.db, visit.caller, row["project"])
    return records.image_record(visit.db, row, visit.url, blind=bool(blind), hide_names=hidden)
