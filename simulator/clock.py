"""A clock that moves only when told to, so that expiry, propagation and retries cost no real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
"""Where a virtual clock starts unless told otherwise: a Monday morning, far from a month's or a day's edge."""


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class VirtualClock:
    """Time as a number that tests move. Calling the clock gives the time, so it serves as a world's `now`."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """Return the current virtual time, aware, in UTC."""
        return self._now

    def now(self) -> datetime:
        """Return the current virtual time, aware, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Move the clock forward instead of waiting, and let other tasks run once."""
        self.advance(max(seconds, 0.0))
        await asyncio.sleep(0)


def virtual_clock(now: Callable[[], datetime]) -> VirtualClock | None:
    """Return the virtual clock behind a world's `now`, or None where it is another clock."""
    clock = getattr(now, "__self__", now)
    return clock if isinstance(clock, VirtualClock) else None
