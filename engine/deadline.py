"""Time limits that end every piece of work before the Functions host ends the whole worker.

At functionTimeout the host restarts the worker, and everything in flight on it fails
(Azure/azure-functions-host, WebScriptHostExceptionHandler.OnTimeoutExceptionAsync). The host
never gets an answer from a function that lets a CancelledError escape.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import TransientError

HANDLER_SECONDS = 540.0
"""The longest that any function runs. In normal operation, what runs inside it ends earlier."""
ROTATION_SECONDS = 480.0
"""The longest that one try of a work item takes."""
SWEEP_SECONDS = 240.0
"""How long a sweep keeps starting pages. A new message continues it from there.

One page takes a minute at worst.
"""
ANSWER_SECONDS = 200.0
"""The longest that an HTTP call is worked on. Azure cuts the call off after 230 seconds."""


OUT_OF_TIME = "OutOfTime"
"""The code of work that was cut off: what it began may or may not have taken effect."""


@asynccontextmanager
async def bounded(seconds: float, what: str) -> AsyncIterator[None]:
    """Raise TransientError if the body times out, is cancelled, or tries to end the process."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TransientError(
            f"{what} did not finish within {seconds:.0f} s",
            fix="see which service answered late in the log of its operation",
            code=OUT_OF_TIME,
        ) from None
    except (asyncio.CancelledError, SystemExit, KeyboardInterrupt) as end:
        raise TransientError(
            f"{what} was cut off: {type(end).__name__}", code=OUT_OF_TIME
        ) from None
