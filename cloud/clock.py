"""The real clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the current time in UTC, with its time zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary start; they never decrease."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait this many seconds without blocking other tasks."""
        await asyncio.sleep(seconds)
