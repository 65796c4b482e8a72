"""Everything that the app sends, kept in memory, through OpenTelemetry's own SDK.

OpenTelemetry takes one provider of each sort a process, for good: this is the only place that sets
them in process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from cloud.telemetry.setup import identify

type Dimensions = frozenset[tuple[str, Any]]


type Point = tuple[str, Dimensions, float]


class Reader(MetricReader):
    """Keeps what is collected, whoever asked for that."""

    def __init__(self) -> None:
        # As the exporter of Application Insights wants it: what was counted since the last time.
        super().__init__(preferred_temporality={Counter: AggregationTemporality.DELTA})
        self.received: list[MetricsData] = []

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object
    ) -> None:
        del timeout_millis
        self.received.append(metrics_data)

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """Do nothing."""

    def take(self) -> list[Point]:
        """Return the points that were received, and forget them."""
        received, self.received = self.received, []
        return [
            (
                metric.name,
                frozenset((point.attributes or {}).items()),
                float(getattr(point, "value", 0)),
            )
            for data in received
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            if scope.scope.name == "rekey"
            for metric in scope.metrics
            for point in metric.data.data_points
        ]


class Collected(SpanProcessor):
    """What was sent since the collection began."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._points: list[Point] = []
        self._logs = _exporter()
        self.listening = False
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        if self.listening:
            self.spans.append(span)

    def flushed(self) -> list[Point]:
        """Return the points that the app has sent by itself."""
        points = self._reader.take()
        self._points += points
        return points

    def collect(self) -> list[Point]:
        """Collect once, as an exporter does every minute, and return the points that are new."""
        self._reader.collect()
        return self.flushed()

    def points(self) -> list[Point]:
        """Return every point since the beginning."""
        self.collect()
        return self._points

    def metric(self, name: str) -> dict[Dimensions, float]:
        sums: dict[Dimensions, float] = {}
        for metric_name, dimensions, value in self.points():
            if metric_name == name:
                sums[dimensions] = sums.get(dimensions, 0) + value
        return sums

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name, in the order in which they ended."""
        return [span for span in self.spans if span.name == name]

    def records(self) -> list[ReadableLogRecord]:
        return list(self._logs.get_finished_logs())

    def everything(self) -> str:
        spans = [span.to_json() for span in self.spans]
        return "\n".join(
            [*spans, *(record.to_json() for record in self.records()), repr(self.points())]
        )

    @contextmanager
    def on(self) -> Iterator[None]:
        """Listen for a while, to spans, metrics and the logger `rekey` at INFO.

        As in production.
        """
        logger, provider = logging.getLogger("rekey"), LoggerProvider()
        self.collect()
        self.spans, self._points, self._logs = [], [], _exporter()
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        handler, level = LoggingHandler(logger_provider=provider), logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        identify(logger)
        self.listening = True
        try:
            yield
        finally:
            self.listening = False
            logger.removeHandler(handler)
            logger.setLevel(level)


def _exporter() -> InMemoryLogRecordExporter:
    return InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]


@cache
def providers() -> Collected:
    """Set the process's providers, once."""
    reader = Reader()
    collected, tracers = Collected(reader), TracerProvider()
    tracers.add_span_processor(collected)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([reader]))
    return collected


def dims(**named: object) -> Dimensions:
    return frozenset(named.items())


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}
