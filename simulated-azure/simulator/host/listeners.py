"""The listeners of one app, by function group.

They start and stop together, and those of one group can be restarted.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from simulator.host import messages
from simulator.host.functions import Function
from simulator.host.group import group_of
from simulator.host.messages import Message
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.queue_options import QueueOptions
from simulator.host.queues import QueueListener
from simulator.host.schedule import Schedule
from simulator.host.schedule_status import ScheduleMonitor
from simulator.host.settings import HostFile, SettingError, resolve
from simulator.host.storage import Storage
from simulator.host.timer_lock import LockOptions, TimerLock
from simulator.host.timers import TimerListener, timer_metadata
from simulator.host.worker import Outcome

_log = logging.getLogger("Host.Startup")
_HOST_ID = "AzureFunctionsWebHost__hostid"
_POISON = "-poison"

type Invoke = Callable[[Function, TypedData, dict[str, Any]], Awaitable[Outcome]]
type Listener = QueueListener | TimerListener


def host_id() -> str:
    """Return the app's id, which all of its instances have in common."""
    return os.environ.get(_HOST_ID, "local")


class Listeners:
    """Everything that polls or waits on behalf of an app's functions."""

    def __init__(
        self,
        invoke: Invoke,
        storage: Storage,
        host_file: HostFile,
        between_tries: float | None = None,
    ) -> None:
        self._invoke, self._storage = invoke, storage
        self.options, self._locks = QueueOptions.read(host_file), LockOptions.read(host_file)
        if between_tries is not None:
            self._locks = replace(self._locks, between_tries=between_tries)
        self._functions: tuple[Function, ...] = ()
        self._active: dict[str, tuple[Listener, asyncio.Task[None]]] = {}
        self._recycling: set[asyncio.Task[None]] = set()
        self.broken: Callable[[BaseException], None] = lambda _error: None
        """Called when a listener breaks down: the real host then stops completely."""

    def start(self, functions: Iterable[Function]) -> None:
        """Start every listener.

        A function whose listener cannot be created is skipped, as in the real host.
        """
        self._functions = tuple(functions)
        for function in self._functions:
            self._start(function)

    async def stop(self) -> None:
        """Accept nothing new, and wait for running functions."""
        await asyncio.gather(*(listener.stop() for listener, _ in self._active.values()))
        await asyncio.gather(*(task for _, task in self._active.values()), return_exceptions=True)

    async def abandon(self) -> None:
        """Drop everything: nothing is completed, released or renewed any more."""
        for listener, task in self._active.values():
            listener.abandon()
            task.cancel()
        await asyncio.gather(*(task for _, task in self._active.values()), return_exceptions=True)

    def recycle(self, group: str) -> None:
        """Restart a group's listeners, as its host does after its worker died too often."""
        task = asyncio.create_task(self._recycle(group))
        self._recycling.add(task)
        task.add_done_callback(self._recycling.discard)

    def wake(self, queue_name: str) -> None:
        """Make this app's listeners poll a queue at once, after the app has written to it."""
        for listener, _ in self._active.values():
            if isinstance(listener, QueueListener) and listener.queue_name == queue_name:
                listener.wake()

    def monitor(self, function: Function) -> ScheduleMonitor | None:
        """Return where a timer's status is stored.

        None if it is not stored, as for schedules shorter than a minute.
        """
        trigger = function.trigger
        unmonitored = trigger.get("useMonitor") is False
        if unmonitored or Schedule(resolve(trigger["schedule"])).is_shorter_than_a_minute(
            datetime.now(UTC)
        ):
            return None
        return ScheduleMonitor(self._storage.blobs(), host_id(), function.name)

    async def _recycle(self, group: str) -> None:
        members = [function for function in self._functions if group_of(function) == group]
        for listener, task in [
            self._active[member.name] for member in members if member.name in self._active
        ]:
            await listener.stop()
            await asyncio.gather(task, return_exceptions=True)
        for member in members:
            self._start(member)

    def _start(self, function: Function) -> None:
        try:
            listener = self._make(function)
        except SettingError as error:
            _log.error(
                "Function '%s' failed indexing and will be disabled: %s", function.name, error
            )
            return
        if listener:
            task = asyncio.create_task(listener.listen(), name=f"listener of {function.name}")
            task.add_done_callback(self._ended)
            self._active[function.name] = (listener, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.broken(error)

    def _make(self, function: Function) -> Listener | None:
        if function.kind == "queuetrigger":
            return self._queue_listener(function)
        return self._timer_listener(function) if function.kind == "timertrigger" else None

    def _queue_listener(self, function: Function) -> QueueListener:
        trigger = function.trigger
        name, connection = resolve(trigger["queueName"]), trigger.get("connection")
        poison = None if name.endswith(_POISON) else self._storage.queue(connection, name + _POISON)

        async def run(message: Message, body: bytes) -> bool:
            return await self._run_queue(function, message, body)

        return QueueListener(self._storage.queue(connection, name), poison, self.options, run)

    def _timer_listener(self, function: Function) -> TimerListener:
        trigger = function.trigger
        schedule = Schedule(resolve(trigger["schedule"]))
        on_startup = bool(trigger.get("runOnStartup"))

        async def run(data: TypedData) -> None:
            await self._invoke(function, data, timer_metadata(function.name))

        lock = TimerLock(self._storage.blobs(), host_id(), function.name, self._locks)
        monitor = self.monitor(function)
        return TimerListener(schedule, monitor, lock, run, run_on_startup=on_startup)

    async def _run_queue(self, function: Function, message: Message, body: bytes) -> bool:
        try:
            data = messages.to_data(body, str(function.trigger.get("dataType") or ""))
        except UnicodeDecodeError as error:
            _log.error("Exception binding parameter '%s': %s", function.trigger["name"], error)
            return False
        return (
            await self._invoke(
                function, data, messages.metadata(message, body, data, function.name)
            )
        ).ok
