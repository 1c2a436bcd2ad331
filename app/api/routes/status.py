"""Tell that the service lives, whether it is ready, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Response

from app.api.answers import model_body
from app.api.bodies import HealthBody, ReadyBody
from app.api.metrics import Metrics
from app.api.problems import PROBLEMS
from app.errors import ModelNotReady
from app.usecases.ports import ModelInfo


@dataclass(frozen=True, slots=True)
class Status:
    """What these routes tell."""

    version: str
    model: Callable[[], ModelInfo]
    is_ready: Callable[[], bool]
    metrics: Metrics

    def health(self) -> HealthBody:
        """Say what runs here."""
        model = self.model()
        return HealthBody(
            version=self.version,
            gpu=model.device != "cpu",
            ready=self.is_ready(),
            model=model_body(model),
            warning="The demo model is running; it is not meant for annotation work."
            if model.origin == "embedded"
            else None,
        )


def status_routes(base_path: str, status: Status) -> APIRouter:
    """Make the routes that are open to all and answer whatever the model does."""
    router = APIRouter()

    @router.get("/")
    async def root() -> HealthBody:
        """Say that the service is alive."""
        return status.health()

    @router.get("/health")
    async def healthy() -> HealthBody:
        """Say that the service is alive."""
        return status.health()

    @router.get(f"{base_path}/ready", responses={503: PROBLEMS[503]})
    async def ready() -> ReadyBody:
        """Say whether the model is loaded and warmed up."""
        if not status.is_ready():
            raise ModelNotReady("The model is still warming up.", retry_after_s=2.0)
        return ReadyBody()

    @router.get("/metrics", response_class=Response)
    async def figures() -> Response:
        """Give the metrics in Prometheus' text format."""
        return status.metrics.page()

    return router
