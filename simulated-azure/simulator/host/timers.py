"""Timer triggers, as in Microsoft's timer listener.

One run at a time, and one past-due run after a stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from azure.core.exceptions import AzureError

from simulator.host.messages import system_metadata
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.schedule import Schedule
from simulator.host.schedule_status import ScheduleMonitor, ScheduleStatus

_log = logging.getLogger("Host.Triggers.Timer")

Run = Callable[[TypedData], Awaitable[object]]


class Lock(Protocol):
    """What lets one instance alone listen."""

    def held(self, stopping: asyncio.Event) -> AbstractAsyncContextManager[bool]:
        """Hold the lock while the block runs; yield whether it was got before the stop."""
        ...


def timer_data(status: ScheduleStatus | None, *, past_due: bool = False) -> TypedData:
    """Return the timer that a function receives; without a monitor it has no status."""
    timer = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status.to_dict() if status else None,
        "IsPastDue": past_due,
    }
    return TypedData(json=json.dumps(timer))


def timer_metadata(function: str) -> dict[str, Any]:
    """Return a timer invocation's metadata."""
    return {
        "TimerTrigger": f"{datetime.now(UTC):%m/%d/%Y %H:%M:%S}",
        "sys": system_metadata(function),
    }


class TimerListener:
    """Runs one function when it is due.

    `run` calls it; a failure does not change the schedule.
    """

    def __init__(
        self,
        schedule: Schedule,
        monitor: ScheduleMonitor | None,
        lock: Lock,
        run: Run,
        *,
        run_on_startup: bool,
    ) -> None:
        self._schedule = schedule
        self._monitor, self._lock = monitor, lock
        self._run = run
        self._run_on_startup = run_on_startup
        self._stopping = asyncio.Event()

    async def listen(self) -> None:
        """Run the function whenever it is due, until stopped, once this instance has the lock."""
        async with self._lock.held(self._stopping) as mine:
            if mine:
                await self._listen()

    async def _listen(self) -> None:
        """Run the function whenever it is due, until stopped; a missed run is due at once."""
        status, past_due = await self._begin()
        startup = past_due or self._run_on_startup
        while startup or await self._wait_until(status.next):
            status = await self._fire(status, past_due=past_due, startup=startup)
            startup = past_due = False

    async def stop(self) -> None:
        """Start no more runs."""
        self._stopping.set()

    def abandon(self) -> None:
        """Start no more runs; the caller cancels the listener's task."""
        self._stopping.set()

    async def _begin(self) -> tuple[ScheduleStatus, bool]:
        now = datetime.now(UTC)
        fresh = ScheduleStatus(None, self._schedule.after(now), None)
        if self._monitor is None:
            return fresh, False
        saved = await self._monitor.read()
        if saved is None:
            await self._monitor.write(ScheduleStatus(None, fresh.next, now))
            return fresh, False
        status = saved.checked(self._schedule, now)
        if status != saved:
            await self._monitor.write(status)
        return status, now > status.next

    async def _wait_until(self, moment: datetime) -> bool:
        while (
            not self._stopping.is_set()
            and (seconds := (moment - datetime.now(UTC)).total_seconds()) > 0
        ):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
        return not self._stopping.is_set()

    async def _fire(
        self, status: ScheduleStatus, *, past_due: bool, startup: bool
    ) -> ScheduleStatus:
        started = datetime.now(UTC)
        await self._run(timer_data(status if self._monitor else None, past_due=past_due))
        # A run that starts early (by a fast clock) counts as the run that was due. Otherwise it
        # would be due again at once.
        counted = started if startup else max(started, status.next)
        after = ScheduleStatus(counted, self._schedule.after(counted), counted)
        await self._remember(after)
        return after

    async def _remember(self, status: ScheduleStatus) -> None:
        if self._monitor is None:
            return
        try:
            await self._monitor.write(status)
        except AzureError as error:
            _log.error("The timer's status could not be written: %s", error)
