"""The clock of scripts that wait: the tests pass one of their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a script that waits needs of time."""

    def now(self) -> datetime:
        """Return the time, aware."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass."""
        ...


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass."""
        time.sleep(seconds)
