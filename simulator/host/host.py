"""The host: ties the worker, the triggers and the outputs of one app together."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError

from simulator.host import messages
from simulator.host.functions import Function
from simulator.host.messages import Message
from simulator.host.output_writer import OutputWriter
from simulator.host.outputs import OutputError
from simulator.host.protos import TypedData
from simulator.host.queue_options import QueueOptions
from simulator.host.queues import QueueListener
from simulator.host.schedule import Schedule
from simulator.host.schedule_status import ScheduleMonitor
from simulator.host.settings import HostFile, SettingError, resolve
from simulator.host.storage import Storage
from simulator.host.timers import TimerListener, timer_metadata
from simulator.host.worker import Outcome, Worker

_log = logging.getLogger("host")
_HOST_ID = "AzureFunctionsWebHost__hostid"
_POISON = "-poison"


class Host:
    """One running app: `invoke` runs a function with its outputs; `start` and `stop` govern the listeners."""

    def __init__(self, worker: Worker, storage: Storage, host_file: HostFile) -> None:
        self.worker = worker
        self.host_file = host_file
        self._storage = storage
        self._options = QueueOptions.read(host_file)
        self._outputs = OutputWriter(storage, self._wake, is_base64=self._options.is_base64)
        self._listeners: list[QueueListener | TimerListener] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every listener; a function whose listener cannot be made is left out, as the real host leaves it out."""
        for function in self.worker.functions:
            try:
                self._start(function)
            except SettingError as error:
                _log.error("Function '%s' failed indexing and will be disabled: %s", function.name, error)

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Wait for the event, or for a listener that breaks down; `stop` raises what broke it."""
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait([waiting, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def stop(self) -> None:
        """Take nothing new, and wait for what runs."""
        await asyncio.gather(*(listener.stop() for listener in self._listeners))
        await asyncio.gather(*self._tasks)

    def find(self, name: str) -> Function | None:
        """Return the function of this name."""
        return next((function for function in self.worker.functions if function.name == name), None)

    async def invoke(
        self, function: Function, data: TypedData, metadata: Mapping[str, Any] | None = None, traceparent: str = ""
    ) -> Outcome:
        """Run a function and write its outputs; a failing output fails the invocation."""
        outcome = await self.worker.invoke(function.name, data, metadata, traceparent)
        if not outcome.ok:
            return outcome
        try:
            await self._outputs.write(function, outcome)
        except (OutputError, AzureError) as error:
            _log.error("Writing the outputs of %s failed: %s", function.name, error)
            return replace(outcome, error=str(error))
        return outcome

    def _start(self, function: Function) -> None:
        if function.kind == "queuetrigger":
            self._listen(self._queue_listener(function), function)
        elif function.kind == "timertrigger":
            self._listen(self._timer_listener(function), function)

    def _listen(self, listener: QueueListener | TimerListener, function: Function) -> None:
        self._listeners.append(listener)
        self._tasks.append(asyncio.create_task(listener.listen(), name=f"listener of {function.name}"))

    def _queue_listener(self, function: Function) -> QueueListener:
        trigger = function.trigger
        name, connection = resolve(trigger["queueName"]), trigger.get("connection")
        poison = None if name.endswith(_POISON) else self._storage.queue(connection, name + _POISON)

        async def run(message: Message, body: bytes) -> bool:
            return await self._run_queue(function, message, body)

        return QueueListener(self._storage.queue(connection, name), poison, self._options, run)

    def _timer_listener(self, function: Function) -> TimerListener:
        trigger = function.trigger
        schedule = Schedule(resolve(trigger["schedule"]))
        on_startup = bool(trigger.get("runOnStartup"))

        async def run(data: TypedData) -> None:
            await self.invoke(function, data, timer_metadata(function.name))

        return TimerListener(schedule, self.monitor(function), run, run_on_startup=on_startup)

    def monitor(self, function: Function) -> ScheduleMonitor | None:
        """Return where a timer's status is kept; None if it is not, as with schedules shorter than a minute."""
        trigger = function.trigger
        wanted = trigger.get("useMonitor") is not False
        if not wanted or Schedule(resolve(trigger["schedule"])).is_shorter_than_a_minute(datetime.now(UTC)):
            return None
        return ScheduleMonitor(self._storage.blobs(), os.environ.get(_HOST_ID, "local"), function.name)

    async def _run_queue(self, function: Function, message: Message, body: bytes) -> bool:
        try:
            data = messages.to_data(body, str(function.trigger.get("dataType") or ""))
        except UnicodeDecodeError as error:
            _log.error("Exception binding parameter '%s': %s", function.trigger["name"], error)
            return False
        return (await self.invoke(function, data, messages.metadata(message, body, data, function.name))).ok

    def _wake(self, queue_name: str) -> None:
        for listener in self._listeners:
            if isinstance(listener, QueueListener) and listener.queue_name == queue_name:
                listener.wake()
