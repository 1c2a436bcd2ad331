"""Prometheus figures: what was asked, what became of it, and how long each step took."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._steps = Histogram(
            "refine_step_seconds",
            "Time of each step of a request",
            ["step"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._outcomes = Counter(
            "refine_requests_total",
            "Requests by use case and outcome",
            ["use_case", "outcome"],
            registry=self._registry,
        )
        self._problems = Counter("refine_problems_total", "Errors by type", ["type"], registry=self._registry)

    def done(self, use_case: str, outcome: str, timings_ms: Mapping[str, float]) -> None:
        """Count a request that was answered."""
        self._outcomes.labels(use_case, outcome).inc()
        for step, spent_ms in timings_ms.items():
            self._steps.labels(step).observe(spent_ms / 1e3)

    def failed(self, kind: str) -> None:
        """Count a request that ended in a problem."""
        self._problems.labels(kind).inc()

    def page(self) -> Response:
        """Render the figures in Prometheus' text form."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
