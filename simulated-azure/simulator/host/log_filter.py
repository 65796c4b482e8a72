"""Which of the host's log records would reach Application Insights' table `traces`.

One JSON object per line, in a file.

Source: OpenTelemetryConfigurationExtensions.AddDefaultOpenTelemetryFilters of the host (2026).
Azure.*, Host.Results and Host.Aggregator are never exported. Function.* is not exported if the
worker uses OpenTelemetry. A worker's printed output is always exported, under
Host.Function.Console.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

_NEVER = ("Azure", "Host.Results", "Host.Aggregator")
_WORKERS = "Function"


def reaches_traces(category: str, *, open_telemetry: bool) -> bool:
    """Return whether the host exports a record of this category."""
    if _is_of(category, *_NEVER):
        return False
    return not (open_telemetry and _is_of(category, _WORKERS))


def _is_of(category: str, *prefixes: str) -> bool:
    return any(category == prefix or category.startswith(f"{prefix}.") for prefix in prefixes)


class TracesView(logging.Handler):
    """Writes the records that pass the filter.

    `open_telemetry` is whether the app's workers currently export telemetry themselves.
    """

    def __init__(self, path: Path, open_telemetry: Callable[[], bool]) -> None:
        super().__init__(logging.INFO)
        self._path, self._open_telemetry = path, open_telemetry

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record."""
        if reaches_traces(record.name, open_telemetry=self._open_telemetry()):
            row = {
                "category": record.name,
                "severity": record.levelname,
                "message": record.getMessage(),
            }
            with self._path.open("a", encoding="utf-8") as view:
                view.write(json.dumps(row) + "\n")
