"""The HTTP edge as a deployment: the very application of one machine, with replicas for a model."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.logs import log_to_stderr
from app.api.metrics import Metrics
from app.api.problems import problem_of
from app.errors import ModelNotReady
from app.main import connect
from app.memory import keep_what_is_loaded
from app.settings import Settings, check_serving, read_settings
from scale.replicas import Page, Replicas
from scale.segmenter import RaySegmenter
from scale.store import SharedEmbeddings

_AGAIN_S = 5.0


class _Edge(Metrics):
    """Figures of the edge and of the other replicas, as they are seen from here."""

    def __init__(self, service: str, own: str) -> None:
        super().__init__()
        self.replicas = Replicas(service, own, lambda: Page(super(_Edge, self).text().decode()))

    @property
    def metrics(self) -> Metrics:
        """Figures of all replicas."""
        return self

    def ready(self) -> bool:
        """Whether a replica of the model works."""
        return self.replicas.ready()

    def close(self) -> None:
        """Take this edge out of the replicas."""
        self.replicas.close()

    def text(self) -> bytes:
        """Render the figures of all replicas."""
        return self.replicas.figures(super().text())


class Door:
    """Counts who is inside, and can be closed; the application behind it answers as ever.

    Parameters
    ----------
    app : ASGI application
        What lies behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._inside = 0
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._closed:
            refusal = problem_of(ModelNotReady("The service is stopping.", retry_after_s=_AGAIN_S))
            await refusal.response(scope["path"])(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1

    async def close(self, patience_s: float) -> None:
        """Turn newcomers away with 503, and wait until everybody has left."""
        self._closed = True
        with anyio.move_on_after(patience_s):
            while self._inside:
                await anyio.sleep(0.05)


@serve.ingress()
class Ingress:
    """What Serve runs as a replica of the HTTP edge.

    Parameters
    ----------
    model : DeploymentHandle
        The replicas of the model.
    settings : Settings, optional
        Default: from this replica's environment.
    store_bytes : int
        The most that windows for other edges take; 0: there is no other edge.
    spare_key : bytes
        The same for all edges: signs previews where the settings give nothing that could.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, model: DeploymentHandle[Any], settings: Settings | None, store_bytes: int, spare_key: bytes = b""
    ) -> None:
        self._settings = settings = settings or read_settings()
        self._spare_key = spare_key
        check_serving(settings)
        log_to_stderr(settings.api.log_level)
        context = serve.get_replica_context()
        self._edge = _Edge(context.app_name, f"ingress-{context.replica_tag}")
        self._segmenter = segmenter = await asyncio.to_thread(
            RaySegmenter, model, settings.refine.deadline_s, lambda: self._edge.replicas.load
        )
        self._store = (
            SharedEmbeddings(context.app_name, store_bytes, settings.platform.host, lambda: segmenter.info)
            if store_bytes
            else None
        )

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Give Serve the application, once the model is there."""
        self._door = Door(connect(self._settings, self._segmenter, self._store, self._edge, self._spare_key))
        keep_what_is_loaded()
        return self._door

    async def stop(self) -> None:
        """Let nobody in any more, and wait until everybody has been served."""
        await self._door.close(self._settings.refine.deadline_s)
