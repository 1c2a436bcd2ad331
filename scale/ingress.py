"""The HTTP edge as a deployment: the very application of one machine, with replicas for a model."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from app.main import connect
from app.settings import Settings, check_serving, read_settings
from app.usecases.ports import QueueLoad
from scale.segmenter import RaySegmenter


@serve.ingress()
class Ingress:
    """What Serve runs as a replica of the HTTP edge.

    Parameters
    ----------
    model : DeploymentHandle
        The replicas of the model.
    settings : Settings, optional
        Default: from this replica's environment.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, model: DeploymentHandle[Any], settings: Settings | None
    ) -> None:
        self._settings = settings or read_settings()
        check_serving(self._settings)
        self._segmenter = await asyncio.to_thread(
            RaySegmenter, model, self._settings.refine.deadline_s, lambda: QueueLoad(0, 0, 0.0)
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Give Serve the application, once the model is there."""
        return connect(self._settings, self._segmenter)
