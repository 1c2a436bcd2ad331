"""Prometheus figures: what was asked, what became of it, and how long each step took."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.usecases.embeddings import Source
from app.usecases.ports import ModelInfo, QueueLoad

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Model(Protocol):
    """What the figures of a model are taken from."""

    @property
    def info(self) -> ModelInfo:
        """Which one works here."""
        ...

    @property
    def load(self) -> QueueLoad:
        """How long the line in front of its encoder is."""
        ...


class Cache(Protocol):
    """What the figures of the windows are taken from."""

    @property
    def kept_bytes(self) -> int:
        """How much is remembered."""
        ...

    @property
    def given(self) -> Counts[Source]:
        """Where windows came from."""
        ...


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
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

    def watch_cache(self, encoded: Cache) -> None:
        """Show the use of the embedding cache."""
        Gauge("refine_embedding_cache_bytes", "Memory used by cached windows", registry=self._registry).set_function(
            lambda: encoded.kept_bytes
        )
        self._registry.register(_Windows(encoded))

    def watch_queue(self, model: Model) -> None:
        """Show the line in front of the encoder, and which model works there."""
        shown: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("refine_queue_waiting", "Windows waiting for the encoder", lambda: model.load.waiting),
            ("refine_queue_running", "Windows in the encoder", lambda: model.load.running),
            ("refine_queue_oldest_seconds", "How long the first in line has waited", lambda: model.load.oldest_s),
            (
                "refine_device_memory_bytes",
                "GPU memory in use",
                lambda: model.load.device_bytes,
            ),
        )
        for name, about, value in shown:
            Gauge(name, about, registry=self._registry).set_function(value)
        self._registry.register(_Model(model))

    def done(self, use_case: str, outcome: str, timings_ms: Mapping[str, float]) -> None:
        """Count a request that was answered."""
        self._outcomes.labels(use_case, outcome).inc()
        for step, spent_ms in timings_ms.items():
            self._steps.labels(step).observe(spent_ms / 1e3)

    def failed(self, kind: str) -> None:
        """Count a request that ended in a problem."""
        self._problems.labels(kind).inc()

    def text(self) -> bytes:
        """Render the figures in Prometheus' text form."""
        return generate_latest(self._registry)

    def page(self) -> Response:
        """Answer with the figures."""
        return Response(self.text(), media_type=CONTENT_TYPE_LATEST)


class _Windows(Collector):
    """Counts windows by where they came from, when asked."""

    def __init__(self, encoded: Cache) -> None:
        self._encoded = encoded

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the counts."""
        about = "Windows given to the decoder, by where they came from"
        counted = CounterMetricFamily("refine_windows", about, labels=["source"])
        for source in get_args(Source):
            counted.add_metric([source], self._encoded.given[source])
        yield counted


class _Model(Collector):
    """Tells which model works, and counts what its encoder did, when asked."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def collect(self) -> Iterator[Metric]:
        """Give the model and the counts."""
        info, load = self._model.info, self._model.load
        told = {name: getattr(info, name) for name in ("name", "engine", "precision", "device", "sha256")}
        yield InfoMetricFamily("refine_model", "The model in use", value=told)
        yield CounterMetricFamily("refine_encoder_windows", "Windows encoded", value=load.windows)
        yield CounterMetricFamily("refine_encoder_batches", "Batches of windows that were encoded", value=load.batches)
