"""The host of one deployment.

It connects workers, triggers and outputs, and stops as the real one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from azure.core.exceptions import AzureError

from simulator.host.functions import Function
from simulator.host.keys import Keys, LoadedKeys
from simulator.host.listeners import Listeners
from simulator.host.output_writer import OutputWriter
from simulator.host.outputs import OutputError
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.routes import Route, all_routes
from simulator.host.storage import Storage
from simulator.host.supervisor import Supervisor
from simulator.host.worker import Outcome

_log = logging.getLogger("Host.Startup")


class Host:
    """One running app: `invoke` runs a function with its outputs.

    `start`, `stop` and `terminate` control its life.
    """

    def __init__(self, supervisor: Supervisor, storage: Storage, keys: Keys) -> None:
        self.supervisor = supervisor
        self.limits = supervisor.limits
        self.keys = self._loaded(keys, storage)
        self._http_slots = asyncio.Semaphore(self.limits.http_concurrency)
        self.listeners = Listeners(
            self.invoke, storage, supervisor.host_file, self.limits.timer_lock
        )
        is_base64 = self.listeners.options.is_base64
        self._outputs = OutputWriter(storage, self.listeners.wake, is_base64=is_base64)
        self._running: set[asyncio.Task[Outcome]] = set()
        self.invocations = 0
        """How many invocations have begun."""
        supervisor.recycled = self.listeners.recycle

    def _loaded(self, keys: Keys, storage: Storage) -> LoadedKeys:
        problem = storage.problem()
        if problem:
            _log.error("Unable to create client for AzureWebJobsStorage: %s", problem)
            _log.error("Process reporting unhealthy: every call with a key is answered with 401.")
        open_at = time.monotonic() + self.limits.extension_keys
        return LoadedKeys(keys, readable=not problem, open_at=open_at, clock=time.monotonic)

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions that the host runs."""
        return self.supervisor.functions

    @property
    def busy(self) -> bool:
        """Whether an invocation is under way."""
        return bool(self._running)

    @property
    def routes(self) -> list[Route]:
        """The routes of the HTTP functions, most specific first."""
        prefix = self.supervisor.host_file.get("extensions", "http", "routePrefix", default="api")
        return all_routes(self.functions, prefix)

    def start(self) -> None:
        """Start every listener."""
        self.listeners.start(self.functions)

    async def stop(self) -> None:
        """Stop as after SIGTERM.

        Accept nothing new and wait for running functions, twice; then kill what still runs.
        """
        for wait in (self.listeners.stop(), self._drained()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wait, self.limits.stop_phase)
        await self.terminate()

    async def drain(self) -> None:
        """Stop as a rolling update does.

        Accept nothing new, and let everything finish, however long it takes.
        """
        await self.listeners.stop()
        await self._drained()
        await self.terminate()

    async def terminate(self) -> None:
        """End at once.

        Running messages stay invisible until their ten minutes are over. Workers get no notice.
        """
        await self.listeners.abandon()
        await self.supervisor.kill()

    def find(self, name: str, *, ignore_case: bool = False) -> Function | None:
        """Return the function of this name."""
        target = name.lower() if ignore_case else name
        names = ((f.name.lower() if ignore_case else f.name, f) for f in self.functions)
        return next((function for known, function in names if known == target), None)

    async def invoke(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, Any] | None = None,
        traceparent: str = "",
    ) -> Outcome:
        """Run a function and write its outputs; a failing output fails the invocation.

        A caller that disconnects does not stop the function.
        """
        return await asyncio.shield(self._begin(function, data, metadata, traceparent))

    async def call(self, function: Function, data: TypedData, traceparent: str) -> Outcome:
        """Run an HTTP function once there is capacity, which it holds until it ends.

        A caller that is cut off does not free the capacity: the function runs on.
        """
        await self._http_slots.acquire()
        task = self._begin(function, data, None, traceparent)
        task.add_done_callback(lambda _: self._http_slots.release())
        return await asyncio.shield(task)

    def _begin(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, Any] | None,
        traceparent: str,
    ) -> asyncio.Task[Outcome]:
        self.invocations += 1
        task = asyncio.create_task(self._invoke(function, data, metadata, traceparent))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _invoke(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, Any] | None,
        traceparent: str,
    ) -> Outcome:
        outcome = await self.supervisor.invoke(function, data, metadata, traceparent)
        if not outcome.ok:
            return outcome
        try:
            await self._outputs.write(function, outcome)
        except (OutputError, AzureError) as error:
            _log.error("Writing the outputs of %s failed: %s", function.name, error)
            return replace(outcome, error=str(error))
        return outcome

    async def _drained(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
