"""Spans of the request that is being worked on, for whoever collects traces; without a collector, nothing happens.

The tracer travels with the context of its request, into the request's threads too. There is no global one: what runs
outside of a traced request leaves no trace, and two applications in a process do not meet (docs/traces.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

__all__ = ["ERROR", "Notes", "Span", "Tracer", "event", "note", "overheard", "request", "retell", "span", "traceparent"]

ERROR = StatusCode.ERROR
_TRACER = context.create_key("refine-tracer")
_NOTES = context.create_key("refine-notes")
_W3C = TraceContextTextMapPropagator()


@dataclass(slots=True)
class Notes:
    """What was noted in a process that does not have the request's span; it can be pickled."""

    facts: dict[str, AttributeValue] = field(default_factory=dict)
    moments: dict[str, float] = field(default_factory=dict)
    """Of each event, how many seconds before the end of the work it was."""


@contextmanager
def request(tracer: Tracer, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """Open the span of a request that came with `headers`; whatever runs inside the block belongs to it.

    Parameters
    ----------
    tracer : Tracer
        Makes this span and those inside it.
    headers : mapping of str to str
        In lower case; a ``traceparent`` among them is the parent.
    """
    token = context.attach(context.set_value(_TRACER, tracer, _W3C.extract(headers)))
    try:
        with _opened(tracer, name, SpanKind.SERVER) as opened:
            yield opened
    finally:
        context.detach(token)


@contextmanager
def span(name: str) -> Iterator[None]:
    """Open a span inside the current one, if there is one; an exception marks it."""
    tracer = context.get_value(_TRACER)
    if tracer is None:
        yield
        return
    with _opened(tracer, name, SpanKind.INTERNAL):  # type: ignore[arg-type]
        yield


def note(facts: Mapping[str, AttributeValue]) -> None:
    """Write facts on the current span. Nothing secret, and no location of an annotation, belongs there."""
    current = trace.get_current_span()
    if current.is_recording():
        current.set_attributes(facts)
    elif (notes := context.get_value(_NOTES)) is not None:
        notes.facts.update(facts)  # type: ignore[attr-defined]


def event(name: str, ago_s: float) -> None:
    """Mark a moment on the current span."""
    current = trace.get_current_span()
    if current.is_recording():
        current.add_event(name, timestamp=time.time_ns() - int(ago_s * 1e9))
    elif (notes := context.get_value(_NOTES)) is not None:
        notes.moments[name] = ago_s  # type: ignore[attr-defined]


@contextmanager
def overheard() -> Iterator[Notes]:
    """Collect what is noted inside the block, for a span that lies in another process."""
    notes = Notes()
    token = context.attach(context.set_value(_NOTES, notes))
    try:
        yield notes
    finally:
        context.detach(token)


def retell(notes: Notes) -> None:
    """Write on the current span what was noted elsewhere; events are late by the time that the notes travelled."""
    note(notes.facts)
    for name, ago_s in notes.moments.items():
        event(name, ago_s)


def traceparent() -> dict[str, str]:
    """Give the headers that let the platform go on with the trace; none without one."""
    headers: dict[str, str] = {}
    if context.get_value(_TRACER) is not None:
        _W3C.inject(headers)
    return headers


@contextmanager
def _opened(tracer: Tracer, name: str, kind: SpanKind) -> Iterator[Span]:
    """Open a span. Of an exception only the type is kept: its words may quote what somebody sent."""
    with tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False) as opened:
        try:
            yield opened
        except BaseException as error:
            opened.set_attribute("error.type", type(error).__name__)
            opened.set_status(ERROR)
            raise
