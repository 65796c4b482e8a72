"""Send telemetry to Application Insights, where the app has one."""

from __future__ import annotations

from collections.abc import Mapping

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"


def configure(env: Mapping[str, str]) -> bool:
    """Start the exporter; tells whether it did.

    Nothing is done without a connection string, or where the Functions worker does it itself. Sampling is off: the default
    of five traces a second would drop most of a mass rotation.
    """
    if not env.get(CONNECTION) or env.get("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "").lower() == "true":
        return False
    from azure.monitor.opentelemetry import configure_azure_monitor

    unused = ("django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3")
    configure_azure_monitor(
        logger_name="rekey",
        sampling_ratio=1.0,
        enable_live_metrics=False,
        instrumentation_options={name: {"enabled": False} for name in unused},
    )
    return True
