"""How a request's span ends, whatever became of the request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

from app.main import assemble
from app.settings import Settings
from tests.api.conftest import SECRET
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

pytest.importorskip("opentelemetry.sdk", reason="the extra traces is not installed")
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.tracing import PatientExporter, Traces
from tests.fakes.collector import Collector, attributes, collecting

ERROR = 2


@contextmanager
def serving(settings: Settings, gateway: FakeGateway) -> Iterator[tuple[TestClient, Collector]]:
    with collecting() as collector:
        traces = Traces(collector.url, settings.traces, "1.2.3")
        app = assemble(settings, gateway, DiscReader(), DarkSegmenter(), traces=traces)
        with TestClient(app, headers={"X-Refine-Secret": SECRET}, raise_server_exceptions=False) as client:
            yield client, collector


def server_span(collector: Collector) -> Span:
    (found,) = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    return found


def test_a_refusal_at_the_door_is_seen_without_a_route(settings: Settings, gateway: FakeGateway) -> None:
    with serving(settings, gateway) as (client, collector):
        assert client.post("/sam/annotations/7/refine", headers={"X-Refine-Secret": "wrong"}).status_code == 401
    span = server_span(collector)
    assert span.name == "POST"
    assert attributes(span)["error.type"] == "not-authenticated"
    assert span.status.code != ERROR


def test_a_method_that_nobody_knows_gets_no_name_of_its_own(settings: Settings, gateway: FakeGateway) -> None:
    with serving(settings, gateway) as (client, collector):
        assert client.request("BREW", "/sam/tea").status_code == 404
    assert server_span(collector).name == "_OTHER"


def test_an_unforeseen_error_marks_the_span_without_its_words(settings: Settings, gateway: FakeGateway) -> None:
    gateway.annotation = None  # type: ignore[method-assign,assignment]
    with serving(settings, gateway) as (client, collector):
        assert client.post("/sam/annotations/7/refine").status_code == 500
    span = server_span(collector)
    assert span.status.code == ERROR
    assert attributes(span)["error.type"] == "TypeError"
    assert attributes(span)["http.response.status_code"] == 500
    assert not span.status.message
    assert not span.events


def test_a_problem_of_ours_counts_as_an_error_from_500_on(settings: Settings, gateway: FakeGateway) -> None:
    narrow = settings.model_copy(update={"api": settings.api.model_copy(update={"max_in_flight": 1})})
    with serving(narrow, gateway) as (client, collector):
        gateway.before_reread = lambda: client.post("/sam/annotations/8/refine")  # while the other one is in flight
        assert client.post("/sam/annotations/7/refine").status_code == 200
    busy, fine = sorted(
        (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER), key=lambda span: -span.status.code
    )
    assert (busy.status.code, attributes(busy)["error.type"]) == (ERROR, "model-busy")
    assert fine.name == "POST /sam/annotations/{annotation_id}/refine"
    assert "error.type" not in attributes(fine)


class Moody(SpanExporter):
    """Takes a batch or not, as it is told."""

    def __init__(self, *moods: bool) -> None:
        self.moods = list(moods)

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self.moods.pop(0) else SpanExportResult.FAILURE


def test_an_outage_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    moody = Moody(True, False, False, True, False)
    exporter = PatientExporter(moody, "http://collector:4318")
    with caplog.at_level("WARNING", "app.tracing"):
        for _ in range(5):
            exporter.export([])
        exporter.give_up_soon()
        assert exporter.export([]) is SpanExportResult.FAILURE  # and the collector is not asked
    said = [record.message.split(" http")[0] for record in caplog.records]
    assert said == ["Traces cannot be sent to", "Traces reach", "Traces cannot be sent to"]
