"""The embedded Cytomine as one running server: Core under ``/api``, PIMS under ``/ims``."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from demo.cytomine.annotation_routes import annotation_router
from demo.cytomine.answers import problem
from demo.cytomine.baggage_routes import baggage_router
from demo.cytomine.desk import Desk
from demo.cytomine.faults import Faults
from demo.cytomine.identity import Identity, SignatureForm
from demo.cytomine.image_routes import image_router
from demo.cytomine.pims import Pims, pims_router
from demo.cytomine.propose_routes import propose_router
from demo.cytomine.refine_routes import refine_router
from demo.cytomine.session_routes import session_router
from demo.cytomine.store import Store

_START_S = 20.0


class EmbeddedCytomine:
    """A Cytomine in a background thread, for ``with``.

    Parameters
    ----------
    folder : Path
        Holds the database; slides lie below its ``slides`` folder, whose paths are the images' paths.
    port : int
        0 takes a free one.
    host : str
        The address to listen on; a container's must be ``0.0.0.0``.
    signature : 'full' or 'short'
        The form that API keys sign: 2025.1 or 2026.
    jwt_secret : str, optional
        Signs bearer tokens; default: a fresh one.
    refine_url : str, optional
        Where Core's addition finds the refine service, prefix included, such as ``http://127.0.0.1:6000/sam``.
    refine_wait_s : float
        How long a refine waits for its turn in the addition.
    extend : callable, optional
        Adds what else this server serves, such as the demo's viewer.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        signature: SignatureForm = "full",
        jwt_secret: str | None = None,
        refine_url: str | None = None,
        refine_wait_s: float = 20.0,
        extend: Callable[[FastAPI, Desk], None] | None = None,
    ) -> None:
        self.slides = folder / "slides"
        self.slides.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / "cytomine.sqlite")
        identity = Identity(signature, jwt_secret or secrets.token_hex(32))
        desk = Desk(self.store, identity, Pims(self.slides), refine_url, refine_wait_s)
        app = _application(desk)
        if extend:
            extend(app, desk)
        self.faults = Faults(app)
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Base URL of Core; PIMS is below it at ``/ims``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pims_url(self) -> str:
        """Base URL of PIMS."""
        return f"{self.base_url}/ims"

    def __enter__(self) -> Self:
        """Start serving.

        Raises
        ------
        OSError
            The port is taken.
        """
        listener = socket.create_server((self._host, self._port))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms for an ACK
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(self.faults, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="cytomine", daemon=True)
        self._thread.start()
        give_up = time.monotonic() + _START_S
        while not self._server.started:
            if time.monotonic() > give_up or not self._thread.is_alive():
                raise OSError("The embedded Cytomine did not start.")
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; the data stay."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()


def _application(desk: Desk) -> FastAPI:
    app = FastAPI(title="Embedded Cytomine", openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(RequestValidationError, _unconvertible)
    app.add_exception_handler(HTTPException, _no_endpoint)
    app.include_router(session_router(desk))
    app.include_router(annotation_router(desk))
    app.include_router(baggage_router(desk))
    app.include_router(refine_router(desk))
    app.include_router(propose_router(desk))
    app.include_router(image_router(desk))
    app.include_router(pims_router(desk.pims), prefix="/ims")
    return app


async def _unconvertible(request: Request, error: Exception) -> Response:
    """Refuse a path or a query whose values are of another type, as the framework below Core does."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    if not request.url.path.startswith("/api"):
        return await request_validation_exception_handler(request, error)
    first = error.errors()[0]
    return problem(request, 400, f"Failed to convert '{first['loc'][-1]}' with value: '{first['input']}'")


async def _no_endpoint(request: Request, error: Exception) -> Response:
    """Say that there is no such route, as the framework below Core does."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    if not request.url.path.startswith("/api"):
        return await http_exception_handler(request, error)
    if error.status_code == 405:
        return problem(request, 405, f"Method '{request.method}' is not supported.")
    return problem(request, 404, f"No endpoint {request.method} {request.url.path}.")
