"""The real clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the machine has it."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some start; they never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let this many seconds pass without holding anybody else up."""
        await asyncio.sleep(seconds)
