"""Each work item has a span, with a child for each step, in the trace of the event that started it.

Every span and log record has the operation's id. A span holds only names and ids: no secret value,
no person, and no text of an exception. The scrubbed log record has that text.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.state.request import FollowUp, Work

OPERATION = "rekey.operation"
_W3C = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("rekey")
_current: ContextVar[Handling | None] = ContextVar("rekey.handling", default=None)


@dataclass
class Handling:
    """The current work item: its span, and what is known of it so far."""

    span: Span
    operation: str | None = None
    rotator: str = ""
    outcome: str = ""
    steps: list[str] = field(default_factory=list)
    """The steps of the plan that were taken, in order."""
    waiting: list[tuple[Span, int]] = field(default_factory=list)
    """Steps that ended before the operation was known, each with its end in nanoseconds."""

    def learn(self, operation: str | None, rotator: str) -> None:
        """Add what was learned about the item."""
        self.rotator = rotator or self.rotator
        if operation and not self.operation:
            self.operation = operation
            self.span.set_attribute(OPERATION, operation)
            self.release()

    def release(self) -> None:
        """End the steps that waited for the operation's id."""
        for span, ended in self.waiting:
            _identify(span, self.operation)
            span.end(ended)
        self.waiting.clear()

    def close(self, outcome: str, rotator: str) -> None:
        """End the item's span."""
        self.release()
        self.span.set_attributes(
            {
                "rekey.outcome": outcome,
                "rekey.rotator": rotator,
                "rekey.steps": ", ".join(self.steps),
            }
        )
        if outcome in ("parked", "failed"):
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()


def current() -> Handling | None:
    """Return the current work item."""
    return _current.get()


@contextmanager
def handling(item: Work) -> Iterator[Handling]:
    """Open the span of a work item, linked to the function's span; the caller closes it."""
    here = trace.get_current_span().get_span_context()
    span = _tracer.start_span(
        "rekey.errand" if isinstance(item, FollowUp) else "rekey.rotation",
        _W3C.extract({"traceparent": item.trace or ""}, context.get_current()),
        links=[Link(here)] if here.is_valid and item.trace else [],
        attributes={
            "rekey.vault": item.ref.vault,
            "rekey.secret": item.ref.name,
            "rekey.action": item.action,
            "rekey.trigger": item.cause.trigger,
        },
    )
    state = Handling(span)
    state.learn(item.operation, "")
    token = _current.set(state)
    try:
        with _inside(span):
            yield state
    finally:
        _current.reset(token)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Put a span around one step."""
    state = _current.get()
    span = _tracer.start_span(f"rekey.{name.replace(' ', '_')}")
    try:
        with _inside(span):
            yield
    finally:
        if state and not state.operation:
            state.waiting.append((span, time.time_ns()))
        else:
            _identify(span, state.operation if state else None)
            span.end()


@contextmanager
def _inside(span: Span) -> Iterator[None]:
    """Make a span the current one; an exception marks it with the error's class, not its text."""
    with trace.use_span(
        span, end_on_exit=False, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", type(error).__name__)
            raise


def _identify(span: Span, operation: str | None) -> None:
    if operation:
        span.set_attribute(OPERATION, operation)


def traceparent() -> str | None:
    """Return the current span as a W3C traceparent for a message; None if there is no span."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


class OperationFilter(logging.Filter):
    """Adds the id of the current operation to every record, which becomes a custom dimension."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id and let the record pass."""
        state = _current.get()
        if state and state.operation:
            record.operation = state.operation
        return True
