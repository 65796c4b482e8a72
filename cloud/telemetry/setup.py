"""Send telemetry to Application Insights, if the app has one."""

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
"""Locked while a thread sends."""


def configure(env: Mapping[str, str]) -> bool:
    """Start the exporter; return whether it was started.

    It is not started without a connection string, or if the Functions worker starts it itself.
    Sampling is off, since the default of five traces a second would drop most of a mass rotation.
    The SDK's own spans are off: they hold URLs, and two for every request would cost more than all
    other spans together. The metric rekey.azure.calls counts the requests instead.
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
    """Make the handlers of a logger add the operation's id to every record."""
    for handler in logger.handlers:
        handler.addFilter(OperationFilter())


def overhear(root: logging.Logger) -> None:
    """Send scrubbed warnings and errors of all other loggers, which the host does not send."""
    from opentelemetry.instrumentation.logging.handler import LoggingHandler

    handler = LoggingHandler(level=logging.WARNING)
    handler.addFilter(ForeignFilter())
    handler.addFilter(OperationFilter())
    root.addHandler(handler)


def _flushes() -> list[Callable[[int], object]]:
    """Return the flush methods of the providers; before an exporter starts, providers have none."""
    providers = (
        metrics.get_meter_provider(),
        trace.get_tracer_provider(),
        _logs.get_logger_provider(),
    )
    return [provider.force_flush for provider in providers if hasattr(provider, "force_flush")]


async def flush() -> None:
    """Send pending telemetry within 5 seconds. Never fails: telemetry must not stop work."""
    await flush_all(
        [metrics.get_meter_provider(), trace.get_tracer_provider(), _logs.get_logger_provider()]
    )


def flush_now() -> None:
    """Do the same as `flush` outside the event loop, one provider after the other."""
    for force_flush in _flushes():
        try:
            force_flush(int(FLUSH_SECONDS * 1000))
        except Exception as error:  # noqa: BLE001 - telemetry must not stop work
            log.warning("telemetry could not be sent: %s", type(error).__name__)


def flush_aside() -> bool:
    """Do the same as `flush` in a separate thread; return False if one has to come back for it.

    That is so if such a thread still runs, which may have read what was pending before the latest
    came, or if the process can start no thread.
    """
    if not _flushes():
        return True
    if not _aside.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=_flush_and_release, name="rekey-flush", daemon=True).start()
    except RuntimeError as error:
        _aside.release()
        log.warning("telemetry could not be sent: %s", type(error).__name__)
        return False
    return True


def _flush_and_release() -> None:
    try:
        flush_now()
    finally:
        _aside.release()


async def flush_all(providers: Sequence[object], seconds: float = FLUSH_SECONDS) -> None:
    """Flush OpenTelemetry's providers; before an exporter starts, they have nothing to flush."""
    flushes = [provider.force_flush for provider in providers if hasattr(provider, "force_flush")]
    answers: Sequence[object]
    try:
        async with asyncio.timeout(seconds):
            waiting = (
                asyncio.to_thread(flush_provider, int(seconds * 1000)) for flush_provider in flushes
            )
            answers = await asyncio.gather(*waiting, return_exceptions=True)
    except TimeoutError as error:
        answers = [error]
    for answer in answers:
        if isinstance(answer, Exception):
            log.warning("telemetry could not be sent: %s", type(answer).__name__)
