"""How long anything may take, so that it ends by itself before the Functions host ends the whole worker.

At functionTimeout the host restarts the worker, and everything in flight on it fails (Azure/azure-functions-host,
WebScriptHostExceptionHandler.OnTimeoutExceptionAsync). A CancelledError that escapes is never answered at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import TransientError

FUNCTION_TIMEOUT = 600.0
"""functionTimeout in host.json, in seconds."""
HANDLER_SECONDS = 540.0
"""The longest that any function runs. What is inside it ends earlier, where all goes well."""
ROTATION_SECONDS = 480.0
"""The longest that one try of a work item takes."""
SWEEP_SECONDS = 240.0
"""How long a sweep begins further pages; the rest goes on by a new message. One page takes a minute at worst."""
ANSWER_SECONDS = 200.0
"""The longest that an HTTP call is worked on. Azure cuts it off after 230 seconds."""


@asynccontextmanager
async def bounded(seconds: float, what: str) -> AsyncIterator[None]:
    """Raise TransientError where this takes longer, is cancelled, or tries to end the process."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TransientError(f"{what} did not come to its end in {seconds:.0f} s") from None
    except (asyncio.CancelledError, SystemExit, KeyboardInterrupt) as end:
        raise TransientError(f"{what} was cut off: {type(end).__name__}") from None
