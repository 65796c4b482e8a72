"""Sends the app's log records to the host, with the invocation that each belongs to.

The invocation is an attribute of the task, and tasks inherit it, as in the real dispatcher. A
record from a thread that an async function started (asyncio.to_thread) therefore belongs to no
invocation, and the host drops it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

_SYSTEM = "proxy_worker"


class InvocationTask(asyncio.Task[Any]):
    """A task that inherits the invocation of the task that created it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invocation_id = current_invocation()


def current_invocation() -> str | None:
    """Return the current invocation, or None."""
    try:
        return getattr(asyncio.current_task(), "invocation_id", None)
    except RuntimeError:
        return _synchronous_invocation()


def _synchronous_invocation() -> str | None:
    # A synchronous function runs in the library's thread pool, which stores its invocation.
    library = sys.modules.get("azure_functions_runtime")
    variable = getattr(library, "invocation_id_cv", None)
    return variable.get() if variable else None


class ChannelHandler(logging.Handler):
    """Sends each record to the host."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        log = {"level": record.levelno, "category": record.name, "message": self.format(record)}
        log |= {"system": record.name.startswith(_SYSTEM), "invocation": current_invocation()}
        self._send({"log": log})
