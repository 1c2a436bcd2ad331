"""What the demo serves beside Core and PIMS: the viewer's page, its session, and the way in for slides of one's own.

The viewer is for the person who started the demo, so it needs no password. Therefore these routes answer only requests
that come from this machine and from the viewer's own page: no other web site gets a token out of them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from demo.cytomine import rights
from demo.cytomine.departures import while_there
from demo.cytomine.desk import Desk
from demo.cytomine.identity import Caller
from demo.cytomine.refusals import Refusal
from demo.prediction import passed_on
from demo.seeding import Seeded, register
from slides import DamagedPixels, NotASlide, SlideFile, open_slide

VIEWER = Path(__file__).parent / "viewer" / "dist"
"""Where the built viewer lies."""
_MAX_SLIDE_BYTES = 4 * 1024**3
_SESSION_S = 24 * 3600
_PREPARE_S = 30.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Refused(Exception):
    """A request that these routes do not serve."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(title)
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        self.answer = JSONResponse(body, status, media_type="application/problem+json")


@dataclass
class Front:
    """The viewer's side of the embedded Cytomine; see `EmbeddedCytomine`, parameter `extend`.

    Parameters
    ----------
    service_url : str
        The refine service, prefix included.
    page : Path
        The folder of the built viewer. Where it is missing, only the page is.
    max_slide_bytes : int
        A larger slide file is not taken in.
    published : bool
        Whether visitors come through a container's published port, so that where they come from says nothing.
    """

    service_url: str
    page: Path = VIEWER
    max_slide_bytes: int = _MAX_SLIDE_BYTES
    published: bool = False
    _opened: dict[str, Any] = field(default_factory=dict)
    _seeded: Seeded | None = None

    @property
    def has_page(self) -> bool:
        """Whether the viewer was built."""
        return (self.page / "index.html").is_file()

    def open(self, seeded: Seeded, image: int, annotations: list[int], timings_ms: dict[str, float]) -> None:
        """Let visitors in, who first see an image and shapes to try, and learn how long a refine took here."""
        users = [{"id": user.id, "username": user.username} for user in seeded.users]
        shown: dict[str, Any] = {"project": seeded.project, "image": image, "annotations": annotations, "users": users}
        self._opened = {**shown, "timings_ms": timings_ms, "max_slide_bytes": self.max_slide_bytes}
        self._seeded = seeded

    def extend(self, app: FastAPI, desk: Desk) -> None:
        """Add the routes and the page."""
        app.include_router(self._routes(desk))
        app.add_exception_handler(_Refused, _answer)
        if self.has_page:
            app.mount("/", _Page(directory=self.page, html=True))

    def _routes(self, desk: Desk) -> APIRouter:
        router = APIRouter(prefix="/demo", dependencies=[Depends(self._check_own_page)])

        @router.get("/about")
        async def about() -> dict[str, Any]:
            self._check_open()
            prepares, warning = await asyncio.gather(_prepares(self.service_url), _warning(self.service_url))
            return {**self._opened, "prepares": prepares, "warning": warning}

        @router.post("/session/{username}")
        def session(username: str) -> dict[str, str]:
            users = {user.username for user in self._check_open().users}
            if username not in users:
                raise _Refused(404, "Unknown user", f"The demo has no user {username}.")
            with desk.store.transaction() as db:
                roles = db.execute("SELECT roles FROM users WHERE username = ?", (username,)).fetchone()[0]
            return {"token": desk.identity.token(username, roles, "SESSION", _SESSION_S)}

        @router.post("/embeddings")
        async def embeddings(request: Request) -> Response:
            """Pass the hint on; 204 where it came to nothing, which is nobody's worry before the click."""
            headers = {"Authorization": request.headers.get("authorization", ""), "Content-Type": "application/json"}
            body = await request.body()
            try:
                async with httpx.AsyncClient(timeout=_PREPARE_S, trust_env=False) as service:
                    answer = await service.post(f"{self.service_url}/embeddings", content=body, headers=headers)
            except httpx.TransportError:
                return Response(status_code=204)
            if answer.status_code != 202:
                return Response(status_code=204)
            return Response(answer.content, 202, media_type="application/json")

        @router.post("/prediction")
        async def prediction(request: Request) -> Response:
            """Outline a shape that is no annotation yet, as nginx passes it on elsewhere."""
            passed = await while_there(request, passed_on(self.service_url, request, await request.body()))
            return Response(status_code=499) if passed is None else passed  # as proxies count it; nobody reads it

        @router.post("/slides/{name}")
        async def add_slide(name: str, request: Request) -> Response:
            project = self._check_open().project
            caller = await run_in_threadpool(_contributor, desk, request, project)
            file = desk.pims.root / f"upload-{secrets.token_hex(6)}" / _plain(name)
            try:
                await _receive(request, file, self.max_slide_bytes)
                slide = await run_in_threadpool(_checked, file)
            except BaseException:
                file.unlink(missing_ok=True)
                file.parent.rmdir()
                raise
            path = str(file.relative_to(desk.pims.root))
            number = await run_in_threadpool(register, desk.store, project, caller.id, path, slide)
            return JSONResponse({"image": number}, 201)

        return router

    def _check_own_page(self, request: Request) -> None:
        """Refuse other machines, other names of this one (a rebound DNS name), and pages of other origins."""
        host = request.headers.get("host", "")
        local = self.published or (request.client is not None and request.client.host in _LOOPBACK)
        named = urlsplit(f"//{host}").hostname in _LOOPBACK
        same_origin = request.headers.get("origin", f"http://{host}") == f"http://{host}"
        same_site = request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
        if not (local and named and same_origin and same_site):
            raise _Refused(403, "Not from here", "Only the demo's own page on this machine may ask for this.")

    def _check_open(self) -> Seeded:
        if self._seeded is None:
            raise _Refused(503, "The demo is starting", "Try again in a moment.")
        return self._seeded


class _Page(StaticFiles):
    """The viewer's files; their names carry a digest, except that of the page, which is asked for each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.update(_HEADERS)
        kept = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        answer.headers["Cache-Control"] = kept
        return answer


async def _answer(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, _Refused)  # noqa: S101  registered for nothing else
    return refused.answer


async def _prepares(service_url: str) -> bool:
    """Whether the service encodes ahead of the click; a service that is down does not."""
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as service:
            paths = (await service.get(f"{service_url}/openapi.json")).json()["paths"]
    except (httpx.TransportError, ValueError, KeyError):
        return False
    return any(path.endswith("/embeddings") for path in paths)


async def _warning(service_url: str) -> str | None:
    """Ask the service what it says of itself, such as that it runs the demo's model."""
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as service:
            warning = (await service.get(urljoin(service_url, "/health"))).json()["warning"]
    except (httpx.TransportError, ValueError, KeyError):
        return None
    return None if warning is None else str(warning)


def _contributor(desk: Desk, request: Request, project: int) -> Caller:
    """Give the caller, who must be allowed to add to the project."""
    with desk.store.transaction() as db:
        try:
            caller = desk.identity.caller(request, db)
            rights.check_may_add(db, caller, project)
        except Refusal as refusal:
            raise _Refused(refusal.status, "Not allowed", str(refusal) or "Log in first.") from refusal
    return caller


def _plain(name: str) -> str:
    """Keep of a file's name what is safe in every path and address."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".")[-100:] or "slide"


async def _receive(request: Request, file: Path, most: int) -> None:
    """Write the body to a file as it comes, and stop as soon as it is too long."""
    file.parent.mkdir()
    too_large = _Refused(413, "The file is too large", f"The demo takes slides of up to {most / 1024**2:,.0f} MiB.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    size = 0
    with file.open("wb") as stream:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise too_large
            await run_in_threadpool(stream.write, chunk)


def _checked(file: Path) -> SlideFile:
    """Open a slide and look at it once as a whole, because some damage shows only then.

    A slide with a damaged place is taken in; one of which more than half cannot be read is not.
    """
    try:
        slide = open_slide(file)
        damaged = slide.look(0, 0, slide.width, slide.height, (64, 64)).damaged
        if sum(box.width * box.height for box in damaged) > slide.width * slide.height / 2:
            raise DamagedPixels(file.name, damaged)
    except (NotASlide, DamagedPixels) as error:
        detail = str(error).replace(f"{file.parent}/", "")  # readers tell where on this machine they looked
        raise _Refused(422, "This file is not a slide", detail) from error
    except Exception as error:  # decoders raise whatever they like on a damaged file
        raise _Refused(422, "The slide cannot be read", f"{file.name} is damaged, or of an unknown kind.") from error
    return slide
