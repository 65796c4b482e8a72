"""Send telemetry to Application Insights, where the app has one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from opentelemetry import _logs, metrics, trace

from cloud.telemetry.tracing import OperationFilter

log = logging.getLogger("rekey.telemetry")

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
FLUSH_SECONDS = 5.0


def configure(env: Mapping[str, str]) -> bool:
    """Start the exporter; tells whether it did.

    Nothing is done without a connection string, or where the Functions worker does it itself. Sampling is off: the default
    of five traces a second would drop most of a mass rotation. The SDK's own spans are off: two for every request would cost
    more than all others together, and hold URLs; rekey.azure.calls counts the requests.
    """
    if not env.get(CONNECTION) or env.get("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "").lower() == "true":
        return False
    from azure.monitor.opentelemetry import configure_azure_monitor

    unused = ("azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3")
    configure_azure_monitor(
        logger_name="rekey",
        sampling_ratio=1.0,
        enable_live_metrics=False,
        enable_performance_counters=False,
        instrumentation_options={name: {"enabled": False} for name in unused},
    )
    identify(logging.getLogger("rekey"))
    return True


def identify(logger: logging.Logger) -> None:
    """Have the handlers of a logger add the operation's id to every record, of whichever logger below it."""
    for handler in logger.handlers:
        handler.addFilter(OperationFilter())


async def flush() -> None:
    """Send what is waiting to be sent, within 5 seconds. Never fails: telemetry is no reason to stop work."""
    await flush_all([metrics.get_meter_provider(), trace.get_tracer_provider(), _logs.get_logger_provider()])


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
