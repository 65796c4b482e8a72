"""Wraps every function call: sets a deadline, logs a failure, and sends telemetry at the end.

The worker may be killed without notice, and OpenTelemetry sends metrics only once a minute. So
telemetry is sent one second after the app becomes idle (but at least five seconds after the last
time), and every 15 seconds while it is busy. This happens in a separate thread, so no call waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cloud.telemetry import setup as telemetry
from engine.deadline import HANDLER_SECONDS, bounded
from engine.errors import RekeyError, TransientError

log = logging.getLogger("rekey")

IDLE_SECONDS = 1.0
AGAIN_SECONDS = 5.0
BUSY_SECONDS = 15.0


class Invocations:
    """The function calls of one process."""

    def __init__(
        self, seconds: float = HANDLER_SECONDS, flush: Callable[[], bool] = telemetry.flush_aside
    ) -> None:
        self._seconds = seconds
        self._flush = flush
        self._running = 0
        self._begun = 0
        self._flushed = float("-inf")

    @asynccontextmanager
    async def run(self, name: str) -> AsyncIterator[None]:
        """Run one call; an error is logged under `rekey` and leaves as an ordinary exception."""
        self._running += 1
        self._begun += 1
        try:
            async with bounded(self._seconds, name):
                yield
        except Exception as error:
            _log(name, error)
            raise
        finally:
            self._running -= 1
            self._ended()

    def _ended(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._running:
            loop.call_later(IDLE_SECONDS, self._if_idle, self._begun)
        elif loop.time() - self._flushed >= BUSY_SECONDS:
            self._send(loop)

    def _if_idle(self, begun: int) -> None:
        if self._running or begun != self._begun:
            return
        loop = asyncio.get_running_loop()
        if (early := self._flushed + AGAIN_SECONDS - loop.time()) > 0:
            loop.call_later(early, self._if_idle, begun)
        else:
            self._send(loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flushed = loop.time()
        if not self._flush():
            # An earlier one is still sending, and may not send what came since.
            loop.call_later(AGAIN_SECONDS, self._if_idle, self._begun)


def _log(name: str, error: Exception) -> None:
    """Log why a call failed, since the host does not send its own log to Application Insights."""
    if isinstance(error, RekeyError):
        level = logging.WARNING if isinstance(error, TransientError) else logging.ERROR
        log.log(level, "%s failed: %s", name, error)
        return
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = (
        f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"
    )
    log.error("%s failed: %s at %s", name, type(error).__name__, place)
