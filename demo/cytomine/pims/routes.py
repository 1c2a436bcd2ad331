"""PIMS on the network: unauthenticated, as the real one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from demo.cytomine.pims.answers import PimsAnswer, Refused
from demo.cytomine.pims.service import Pims, read_body


def pims_router(pims: Pims) -> APIRouter:
    """Give the routes below ``/ims``."""
    router = APIRouter()

    @router.get("/ping")
    def ping() -> dict[str, str]:
        return {"ping": "pong"}

    @router.get("/info")
    def info() -> Response:
        return sent(pims.server_info())

    @router.get("/image/{path:path}/info")
    def image_info(path: str) -> Response:
        return sent(pims.info(path))

    @router.get("/image/{path:path}/metadata")
    def metadata(path: str) -> Response:
        return sent(pims.metadata(path))

    @router.get("/image/{path:path}/normalized-tile/zoom/{zoom:int}/ti/{index:int}.jpg")
    def tile(path: str, zoom: int, index: int) -> Response:
        return sent(pims.tile(path, zoom, None, None, index))

    @router.get("/image/{path:path}/normalized-tile/zoom/{zoom:int}/tx/{tx:int}/ty/{ty:int}.jpg")
    def tile_at(path: str, zoom: int, tx: int, ty: int) -> Response:
        return sent(pims.tile(path, zoom, tx, ty, None))

    async def window(path: str, request: Request, extension: str | None = None) -> Response:
        return await _posted(pims.window, request, path, extension=extension)

    async def annotation(path: str, kind: str, request: Request, extension: str | None = None) -> Response:
        if kind not in {"mask", "crop", "drawing"}:
            raise HTTPException(404)
        origin = request.headers.get("x-annotation-origin")
        return await _posted(pims.annotation, request, kind, path, extension=extension, origin=origin)

    async def thumb(path: str, request: Request, extension: str | None = None) -> Response:
        return await _reduced(pims, request, path, extension, png_first=False)

    async def resized(path: str, request: Request, extension: str | None = None) -> Response:
        return await _reduced(pims, request, path, extension, png_first=True)

    for suffix in ("", ".{extension}"):
        router.add_api_route(f"/image/{{path:path}}/window{suffix}", window, methods=["POST"])
        router.add_api_route(f"/image/{{path:path}}/annotation/{{kind}}{suffix}", annotation, methods=["POST"])
        router.add_api_route(f"/image/{{path:path}}/thumb{suffix}", thumb, methods=["GET", "POST"])
        router.add_api_route(f"/image/{{path:path}}/resized{suffix}", resized, methods=["GET", "POST"])
    return router


def sent(answer: PimsAnswer) -> Response:
    """Turn an answer into the framework's."""
    return Response(answer.body, answer.status, answer.headers)


async def _posted(serve: Any, request: Request, *parts: str, **more: Any) -> Response:
    try:
        body = read_body(await request.body(), request.headers.get("content-type"))
    except Refused as refused:
        return sent(refused.answer)
    return sent(await run_in_threadpool(lambda: serve(*parts, body, **_common(request), **more)))


async def _reduced(pims: Pims, request: Request, path: str, extension: str | None, *, png_first: bool) -> Response:
    try:
        if request.method == "POST":
            body = read_body(await request.body(), request.headers.get("content-type"))
        else:
            body = {name: _number(value) for name, value in request.query_params.items()}
    except Refused as refused:
        return sent(refused.answer)
    common = _common(request)
    return sent(
        await run_in_threadpool(lambda: pims.reduced(path, body, extension=extension, png_first=png_first, **common))
    )


def _common(request: Request) -> dict[str, Any]:
    return {
        "accept": request.headers.get("accept"),
        "safety": request.headers.get("x-image-size-safety"),
        "if_none_match": request.headers.get("if-none-match"),
    }


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
