"""Show the HTTP interface on a page: Swagger UI, served from here, since many a hospital has no internet."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse

PATH = "/docs"
KINDS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}
"""Media types of the files that the page needs; the package that brings them holds more."""
PATHS = (PATH, *(f"{PATH}/{name}" for name in KINDS))
_ONLY_FROM_HERE = "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'"


def docs_routes(base_path: str, title: str) -> APIRouter:
    """Make the page and its files, named relative to it: they hold below whatever prefix a proxy adds."""
    router = APIRouter(prefix=base_path, include_in_schema=False)

    @router.get(PATH)
    async def page() -> Response:
        script, style, icon = (f"docs/{name}" for name in KINDS)
        shown = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url=icon,
            swagger_ui_parameters={"validatorUrl": None},
        )
        shown.headers["Content-Security-Policy"] = _ONLY_FROM_HERE
        return shown

    for name, kind in KINDS.items():
        router.get(f"{PATH}/{name}")(_file(name, kind))
    return router


def _file(name: str, kind: str) -> Callable[[], Response]:
    path = str(files("fastapi_offline") / "static" / name)

    def give() -> Response:
        return FileResponse(path, media_type=kind)

    return give
