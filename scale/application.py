"""The two deployments, plugged together: what ``serve deploy`` builds, and ``python -m scale serve`` runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ray import serve
from ray.serve import Application

from app.settings import Settings
from scale.ingress import Ingress
from scale.model import Model
from scale.options import Options

_DECODING = 32
"""Requests at a replica that are not in the encoder's line."""
_AHEAD = 32
"""Windows ahead of a click that may be in the line beside those of clicks."""
_DRAIN_S = 5.0
_AS_SET: Mapping[str, str] = MappingProxyType({})
"""The weights that the settings name; else what `scale.options.Weights` holds."""
_deployment: Any = serve.deployment
"""Its type forgets what it gives."""


def build(arguments: dict[str, Any]) -> Application:
    """Describe the service; each replica reads its settings from its own environment.

    Parameters
    ----------
    arguments : dict
        The ``args`` of ``serve.yaml``: what `Options` holds.
    """
    return assemble(Options.model_validate(arguments), None)


def assemble(options: Options, settings: Settings | None) -> Application:
    """Describe the service with settings that are given to its replicas, or with those of their environments."""
    known = settings or Settings()
    together = {"request_router_config": {"request_router_class": "scale.routing:SameEdge"}}
    ingress = _deployment(Ingress, name="ingress").options(
        **(together if options.ingresses > 1 else {}),
        num_replicas=options.ingresses,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=known.api.max_in_flight + 64,  # the guards say no before Serve does, and answer health
        max_queued_requests=known.api.max_in_flight,
        backpressure_config={"status_code": 503, "retry_after_s": 2.0},
        graceful_shutdown_timeout_s=_drain_s(options, known),
    )
    application: Application = ingress.bind(
        model(options, settings), settings, options.store_bytes if options.ingresses > 1 else 0, secrets.token_bytes(32)
    )
    return application


def model(options: Options, settings: Settings | None, weights: Mapping[str, str] = _AS_SET) -> Application:
    """Describe the replicas of the model alone; other `weights` than those that run are swapped while they run."""
    known = settings or Settings()
    here = known.segmenter.max_waiting + _AHEAD + known.segmenter.batch + _DECODING
    deployment = _deployment(Model, name="model").options(
        **options.scaling,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        max_ongoing_requests=here,  # waiting is the business of the replica's own line, which is fair
        max_queued_requests=here,
        graceful_shutdown_timeout_s=_drain_s(options, known),
        health_check_period_s=5.0,
        health_check_timeout_s=30.0,
        user_config=dict(weights),
    )
    application: Application = deployment.bind(options.factory, settings, here)
    return application


def _drain_s(options: Options, settings: Settings) -> float:
    """Tell how long a replica that is to stop may take: a request that has begun has until its deadline."""
    return options.drain_s or settings.refine.deadline_s + _DRAIN_S
