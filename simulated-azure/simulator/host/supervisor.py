"""All workers of one app: one indexes it, and each function runs in its group's worker."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from simulator.host.app_folder import AppFolder
from simulator.host.functions import Function
from simulator.host.group import HTTP, group_of
from simulator.host.group_worker import GroupWorker
from simulator.host.indexing import runnable
from simulator.host.limits import Limits
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.settings import HostFile
from simulator.host.worker import IndexingError, Outcome

_log = logging.getLogger("Host.Startup")


class Supervisor:
    """The workers of one app.

    With `one_process` all groups share the first worker, as on a developer's machine.
    """

    def __init__(
        self,
        app: AppFolder,
        limits: Limits | None = None,
        *,
        one_process: bool = False,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self.environ = app, environ
        self.host_file = HostFile.read(app.root, environ)
        timeout = Limits.function_timeout_of(self.host_file)
        self.limits = replace(limits or Limits(), function_timeout=timeout)
        self.functions: tuple[Function, ...] = ()
        self.refused: Mapping[str, str] = {}
        self.open_telemetry = False
        """Whether the workers export telemetry themselves: then the host filters its log."""
        self.recycled: Callable[[str], None] = lambda _group: None
        """Called with each group whose host must be recycled."""
        self._one_process, self._clock = one_process, clock
        self._groups: dict[str, GroupWorker] = {}

    async def index(self) -> None:
        """Index the app's functions.

        An app that cannot be loaded gets a second worker, and then has no functions.
        """
        first = self._group(HTTP)
        for _ in range(2):
            try:
                worker = await first.worker()
            except IndexingError as error:
                _log.warning(
                    "Removing errored webhost language worker channel for runtime: python. %s",
                    error,
                )
                continue
            accepted, self.refused = runnable(worker.functions, self.host_file)
            self.open_telemetry = worker.open_telemetry
            self.functions = tuple(accepted)
            break
        self._report()

    def _report(self) -> None:
        for name, reason in self.refused.items():
            _log.error("The '%s' function is in error: %s", name, reason)
        if not self.functions:
            _log.warning("0 functions found: every call is answered with 404.")

    async def invoke(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, Any] | None = None,
        traceparent: str = "",
    ) -> Outcome:
        """Run a function in its group's worker, and log it as the host does."""
        category = logging.getLogger(f"Function.{function.name}")
        category.info("Executing 'Functions.%s'", function.name)
        began = time.monotonic()
        outcome = await self._group(group_of(function)).invoke(
            function, data, metadata, traceparent
        )
        ended, state = time.monotonic(), "Succeeded" if outcome.ok else "Failed"
        category.info(
            "Executed 'Functions.%s' (%s, Duration=%dms)",
            function.name,
            state,
            (ended - began) * 1000,
        )
        if not outcome.ok:
            category.error(
                "Exception while executing function: Functions.%s. %s", function.name, outcome.error
            )
        return outcome

    @property
    def processes(self) -> Mapping[str, GroupWorker]:
        """The workers started so far, by their groups."""
        return self._groups

    async def kill(self) -> None:
        """Kill every worker without notice."""
        for group in self._groups.values():
            group.kill()
        await asyncio.gather(*(group.gone() for group in self._groups.values()))

    def _recycle(self, group: str) -> None:
        self.recycled(group)

    def _group(self, name: str) -> GroupWorker:
        name = HTTP if self._one_process else name
        if name not in self._groups:
            self._groups[name] = GroupWorker(
                name, self.app, self.environ, self.limits, self._recycle, self._clock
            )
        return self._groups[name]
