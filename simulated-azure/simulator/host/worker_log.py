"""What happens to a worker's log records and printed lines.

Which category the host files each under, and which it drops.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

CONSOLE = "Host.Function.Console"
_CHANNEL = logging.getLogger("Host.WorkerChannel")


@dataclass
class WorkerLog:
    """One worker's log; `specialised` is false while the worker is a placeholder.

    A record without a running invocation is dropped, as GrpcWorkerChannel drops it: records from
    the import of function_app.py are lost. Printed lines always reach the log, except from a
    placeholder.
    """

    specialised: bool = False
    _functions: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def running(self, invocation: str, function: str) -> Iterator[None]:
        """Know an invocation while it runs."""
        self._functions[invocation] = function
        try:
            yield
        finally:
            del self._functions[invocation]

    def record(self, log: dict[str, Any]) -> None:
        """File one record of Python's logging."""
        function = self._functions.get(log["invocation"] or "")
        if log["system"]:
            _CHANNEL.debug("%s", log["message"])
        elif function is None:
            _CHANNEL.debug("Ignoring RpcLog of no invocation: %s", log["message"])
        else:
            self._file(f"Function.{function}.User", log["level"], log["message"])

    def line(self, stream: str, text: str) -> None:
        """File one printed line.

        Its text decides its level (WorkerProcess.ParseErrorMessageAndLog).
        """
        if self.specialised and text.strip():
            self._file(CONSOLE, severity(text) if stream == "stderr" else logging.INFO, text)

    def _file(self, category: str, level: int, text: str) -> None:
        logging.getLogger(category).log(level, "%s", text)


def severity(text: str) -> int:
    """Return the log level of a line on stderr."""
    lowered = text.lower()
    if "warn" in lowered:
        return logging.WARNING
    bad = ("error", "fail", "severe", "unhandled exception")
    return logging.ERROR if any(word in lowered for word in bad) else logging.INFO
