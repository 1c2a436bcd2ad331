"""What is noted in another process than the request's reaches its span."""

from __future__ import annotations

import pickle

import pytest

from app import spans

pytest.importorskip("opentelemetry.sdk", reason="the extra traces is not installed")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def test_notes_travel_to_the_span_of_the_request() -> None:
    with spans.overheard() as notes:
        spans.note({"refine.queue.waited_s": 0.25})
        spans.event("turn came", 0.5)
    sent = pickle.loads(pickle.dumps(notes))
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with spans.request(provider.get_tracer("tests"), "request", {}):
        spans.retell(sent)
    (told,) = exporter.get_finished_spans()
    assert dict(told.attributes or {}) == {"refine.queue.waited_s": 0.25}
    assert [event.name for event in told.events] == ["turn came"]


def test_what_nobody_listens_to_is_gone() -> None:
    spans.note({"refine.points": 1})
    with spans.overheard() as notes:
        pass
    spans.note({"refine.points": 2})
    assert notes == spans.Notes()


def test_a_span_of_the_process_comes_first() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with spans.request(provider.get_tracer("tests"), "request", {}), spans.overheard() as notes:
        spans.note({"refine.points": 1})
        spans.event("turn came", 0.0)
    assert notes == spans.Notes()
