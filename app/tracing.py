"""Traces leave the service: OpenTelemetry's SDK, sending to a collector over OTLP/HTTP.

The only file that imports the SDK; ``app.main`` imports it where an endpoint is set.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from app.settings import TracesSettings
from app.spans import Tracer

log = logging.getLogger(__name__)

_SEND_S = 5.0
"""A batch that the collector does not take within this time is dropped; the end of the service waits no longer."""
_SDK_LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""They tell of every failed attempt; here one line is enough."""


class Traces:
    """Collects spans and sends them from a thread of its own; no request waits for it.

    Parameters
    ----------
    endpoint : str
        Base URL of the collector, without ``/v1/traces``.
    settings : TracesSettings
        Name of the service, and the share of traces to keep.
    version : str
        Of the service.
    """

    def __init__(self, endpoint: str, settings: TracesSettings, version: str) -> None:
        for name in _SDK_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = PatientExporter(OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=_SEND_S), endpoint)
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(settings.sample_share),
            resource=Resource.create({"service.name": settings.service_name, "service.version": version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))

    @property
    def tracer(self) -> Tracer:
        """What makes spans."""
        return self._provider.get_tracer("app")

    def close(self) -> None:
        """Send what is left, unless the collector is away."""
        self._exporter.give_up_soon()
        self._provider.shutdown()


class PatientExporter(SpanExporter):
    """Says once that the collector is away, and once that it is back.

    Parameters
    ----------
    exporter : SpanExporter
        Does the work.
    where : str
        For the log.
    """

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self._exporter, self._where = exporter, where
        self._away = False
        self._last = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what cannot be sent is lost."""
        if self._away and self._last:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away and not self._away:
            log.warning("Traces cannot be sent to %s; they are dropped until it answers.", self._where)
        elif self._away and not away:
            log.warning("Traces reach %s again.", self._where)
        self._away = away
        return result

    def give_up_soon(self) -> None:
        """Try nothing further with a collector that is away."""
        self._last = True

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()
