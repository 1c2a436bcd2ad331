"""PIMS on the network: unauthenticated, as the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from demo.cytomine.pims.answers import PimsAnswer, Refused
from demo.cytomine.pims.service import Pims, read_body
from demo.cytomine.pims.turns import Turns


def pims_router(pims: Pims) -> APIRouter:
    """Give the routes below ``/ims``."""
    router, turns = APIRouter(), Turns()

    @router.get("/ping")
    def ping() -> dict[str, str]:
        return {"ping": "pong"}

    @router.get("/info")
    def info() -> Response:
        return sent(pims.server_info())

    @router.get("/image/{path:path}/info")
    async def image_info(path: str) -> Response:
        return sent(await turns.of(path, lambda: pims.info(path)))

    @router.get("/image/{path:path}/metadata")
    async def metadata(path: str) -> Response:
        return sent(await turns.of(path, lambda: pims.metadata(path)))

    @router.get("/image/{path:path}/normalized-tile/zoom/{zoom:int}/ti/{index:int}.jpg")
    async def tile(path: str, zoom: int, index: int) -> Response:
        return sent(await turns.of(path, lambda: pims.tile(path, zoom, None, None, index)))

    @router.get("/image/{path:path}/normalized-tile/zoom/{zoom:int}/tx/{tx:int}/ty/{ty:int}.jpg")
    async def tile_at(path: str, zoom: int, tx: int, ty: int) -> Response:
        return sent(await turns.of(path, lambda: pims.tile(path, zoom, tx, ty, None)))

    async def window(path: str, request: Request, extension: str | None = None) -> Response:
        return await _posted(
            turns, path, request, lambda body, **how: pims.window(path, body, extension=extension, **how)
        )

    async def annotation(path: str, kind: str, request: Request, extension: str | None = None) -> Response:
        if kind not in {"mask", "crop", "drawing"}:
            raise HTTPException(404)
        origin = request.headers.get("x-annotation-origin")

        def serve(body: dict[str, Any], **how: Any) -> PimsAnswer:
            return pims.annotation(kind, path, body, extension=extension, origin=origin, **how)

        return await _posted(turns, path, request, serve)

    async def thumb(path: str, request: Request, extension: str | None = None) -> Response:
        return await _reduced(pims, turns, request, path, extension, png_first=False)

    async def resized(path: str, request: Request, extension: str | None = None) -> Response:
        return await _reduced(pims, turns, request, path, extension, png_first=True)

    for suffix in ("", ".{extension}"):
        router.add_api_route(f"/image/{{path:path}}/window{suffix}", window, methods=["POST"])
        router.add_api_route(f"/image/{{path:path}}/annotation/{{kind}}{suffix}", annotation, methods=["POST"])
        router.add_api_route(f"/image/{{path:path}}/thumb{suffix}", thumb, methods=["GET", "POST"])
        router.add_api_route(f"/image/{{path:path}}/resized{suffix}", resized, methods=["GET", "POST"])
    return router


def sent(answer: PimsAnswer) -> Response:
    """Turn an answer into the framework's."""
    return Response(answer.body, answer.status, answer.headers)


async def _posted(turns: Turns, path: str, request: Request, serve: Callable[..., PimsAnswer]) -> Response:
    try:
        body = read_body(await request.body(), request.headers.get("content-type"))
    except Refused as refused:
        return sent(refused.answer)
    return sent(await turns.of(path, lambda: serve(body, **_common(request))))


async def _reduced(
    pims: Pims, turns: Turns, request: Request, path: str, extension: str | None, *, png_first: bool
) -> Response:
    try:
        if request.method == "POST":
            body = read_body(await request.body(), request.headers.get("content-type"))
        else:
            body = {name: _number(value) for name, value in request.query_params.items()}
    except Refused as refused:
        return sent(refused.answer)
    common = _common(request)
    return sent(
        await turns.of(path, lambda: pims.reduced(path, body, extension=extension, png_first=png_first, **common))
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
