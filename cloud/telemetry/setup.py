"""Send telemetry to Application Insights, where the app has one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from opentelemetry import _logs, metrics, trace

from cloud.telemetry.scrubbing import ForeignFilter
from cloud.telemetry.tracing import OperationFilter

log = logging.getLogger("rekey.telemetry")

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
FLUSH_SECONDS = 5.0
_aside = threading.Lock()
"""Held while a thread sends."""


def configure(env: Mapping[str, str]) -> bool:
    """Start the exporter; tells whether it did.

    Nothing is done without a connection string, or where the Functions worker does it itself.
    Sampling is off: the default
    of five traces a second would drop most of a mass rotation. The SDK's own spans are off: two for
    every request would cost
    more than all others together, and hold URLs; rekey.azure.calls counts the requests.
    """
    if (
        not env.get(CONNECTION)
        or env.get("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "").lower() == "true"
    ):
        return False
    from azure.monitor.opentelemetry import configure_azure_monitor

    unused = (
        "azure_sdk",
        "django",
        "fastapi",
        "flask",
        "psycopg2",
        "requests",
        "urllib",
        "urllib3",
    )
    configure_azure_monitor(
        logger_name="rekey",
        sampling_ratio=1.0,
        enable_live_metrics=False,
        enable_performance_counters=False,
        instrumentation_options={name: {"enabled": False} for name in unused},
    )
    identify(logging.getLogger("rekey"))
    overhear(logging.getLogger())
    return True


def identify(logger: logging.Logger) -> None:
    """Have the handlers of a logger add the operation's id to every record, of whichever logger below it."""
    for handler in logger.handlers:
        handler.addFilter(OperationFilter())


def overhear(root: logging.Logger) -> None:
    """Send the warnings and errors of every other logger too, scrubbed: the host's own filter keeps them back."""
    from opentelemetry.instrumentation.logging.handler import LoggingHandler

    handler = LoggingHandler(level=logging.WARNING)
    handler.addFilter(ForeignFilter())
    handler.addFilter(OperationFilter())
    root.addHandler(handler)


def _flushes() -> list[Callable[[int], object]]:
    """Return what flushes each provider; those that are there before an exporter is started have nothing to send."""
    providers = (
        metrics.get_meter_provider(),
        trace.get_tracer_provider(),
        _logs.get_logger_provider(),
    )
    return [provider.force_flush for provider in providers if hasattr(provider, "force_flush")]


async def flush() -> None:
    """Send what is waiting to be sent, within 5 seconds. Never fails: telemetry is no reason to stop work."""
    await flush_all(
        [metrics.get_meter_provider(), trace.get_tracer_provider(), _logs.get_logger_provider()]
    )


def flush_now(seconds: float = FLUSH_SECONDS) -> None:
    """Do the same outside the event loop, one provider after the other."""
    for force_flush in _flushes():
        try:
            force_flush(int(seconds * 1000))
        except Exception as error:  # noqa: BLE001 - telemetry is no reason to stop work
            log.warning("telemetry could not be sent: %s", type(error).__name__)


def flush_aside() -> None:
    """Do the same in a thread of its own, so that nobody waits for it; not beside another one that still goes on."""
    if _flushes() and _aside.acquire(blocking=False):
        threading.Thread(target=_flush_and_release, name="rekey-flush", daemon=True).start()


def _flush_and_release() -> None:
    try:
        flush_now()
    finally:
        _aside.release()


async def flush_all(providers: Sequence[object], seconds: float = FLUSH_SECONDS) -> None:
    """Flush OpenTelemetry's providers; those that are there before an exporter is started have nothing to send."""
    flushes = [each.force_flush for each in providers if hasattr(each, "force_flush")]
    answers: Sequence[object]
    try:
        async with asyncio.timeout(seconds):
            waiting = (asyncio.to_thread(each, int(seconds * 1000)) for each in flushes)
            answers = await asyncio.gather(*waiting, return_exceptions=True)
    except TimeoutError as error:
        answers = [error]
    for answer in answers:
        if isinstance(answer, Exception):
            log.warning("telemetry could not be sent: %s", type(answer).__name__)
