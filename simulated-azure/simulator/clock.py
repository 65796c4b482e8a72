"""A clock that only tests move, so that expiry, propagation and retries take no real time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
"""The default start of a virtual clock: a Monday morning, in the middle of a month."""

TURNS = 3
"""How many turns a sleeper gives to the other tasks of its loop."""


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class VirtualClock:
    """Time as a number that tests move.

    Calling the clock returns the time, so it serves as a world's `now`.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start
        self._alarms: list[tuple[datetime, int, Callable[[], object]]] = []
        self._turns = itertools.count()

    def __call__(self) -> datetime:
        """Return the current virtual time, aware, in UTC."""
        return self._now

    def now(self) -> datetime:
        """Return the current virtual time, aware, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`; scheduled actions on the way run at their time."""
        end = self._now + timedelta(seconds=seconds)
        while self._alarms and self._alarms[0][0] <= end:
            moment, _, act = heapq.heappop(self._alarms)
            self._now = max(self._now, moment)
            act()
        self._now = max(self._now, end)

    def at(self, moment: datetime, act: Callable[[], object]) -> None:
        """Schedule an action; if the moment is past, it runs when the clock next moves."""
        heapq.heappush(self._alarms, (moment, next(self._turns), act))

    def rule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make an event loop's timers, such as `asyncio.timeout`, use this clock."""
        began, zero = self._now, loop.time()
        loop.time = lambda: zero + (self._now - began).total_seconds()  # type: ignore[method-assign]

    async def sleep(self, seconds: float) -> None:
        """Move the clock forward instead of waiting, and let other tasks run once."""
        self.advance(max(seconds, 0.0))
        # A timeout that became due meanwhile needs a few turns of the loop to reach its task.
        for _ in range(TURNS):
            await asyncio.sleep(0)


def virtual_clock(now: Callable[[], datetime]) -> VirtualClock | None:
    """Return the virtual clock behind a world's `now`; None for any other clock."""
    clock = getattr(now, "__self__", now)
    return clock if isinstance(clock, VirtualClock) else None
