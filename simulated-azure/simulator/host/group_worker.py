"""One group's worker process.

It is started on first use, restarted when it dies, and killed when a function hangs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulator.host.app_folder import AppFolder
from simulator.host.functions import Function
from simulator.host.limits import Limits
from simulator.host.process import WorkerDiedError
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.worker import IndexingError, Outcome, Worker

_log = logging.getLogger("Host.WorkerChannel")


class GroupWorker:
    """Runs one group's functions.

    `recycle` is called when the worker has died too often.
    """

    def __init__(
        self,
        name: str,
        app: AppFolder,
        environ: Mapping[str, str],
        limits: Limits,
        recycle: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._app, self._environ = app, environ
        self._limits, self._clock = limits, clock
        self._recycle = recycle
        self._worker: Worker | None = None
        self._starting = asyncio.Lock()
        self._deaths: list[float] = []
        self._watchers: set[asyncio.Task[None]] = set()
        self._ends: set[int] = set()
        """The processes that the host itself has killed."""
        self._started_before = False

    @property
    def running(self) -> Worker | None:
        """The live worker, or None."""
        return self._worker if self._worker and not self._worker.process.ended.is_set() else None

    async def worker(self) -> Worker:
        """Return the running worker, starting one if need be.

        Raises:
            IndexingError: the app cannot be loaded.

        """
        async with self._starting:
            if self._worker is None or self._worker.process.ended.is_set():
                start = Worker.restart if self._started_before else Worker.specialise
                self._started_before = True
                self._worker = await start(self._app, self._environ, self._limits.start)
                self._watch(self._worker)
                _log.info(
                    "python process with Id=%s started for %s", self._worker.process.pid, self.name
                )
            return self._worker

    async def invoke(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, Any] | None,
        traceparent: str,
    ) -> Outcome:
        """Run a function.

        If the worker dies, hangs or cannot be started, the outcome is an error.
        """
        try:
            worker = await self.worker()
        except IndexingError as error:
            return Outcome(error=str(error))
        try:
            async with asyncio.timeout(self._limits.function_timeout):
                return await worker.invoke(function, data, metadata, traceparent)
        except TimeoutError:
            return self._timed_out(function, worker)
        except WorkerDiedError as error:
            return Outcome(error=f"The worker of {self.name} died: {error}.")

    def kill(self) -> None:
        """Kill the process without notice; running functions fail."""
        if self._worker:
            self._end(self._worker)

    async def gone(self) -> None:
        """Return once the process has ended and its last lines are in the log."""
        if self._worker:
            await self._worker.process.gone()

    def _timed_out(self, function: Function, worker: Worker) -> Outcome:
        seconds = self._limits.function_timeout
        _log.error(
            "Timeout value of %s s was exceeded by function: Functions.%s", seconds, function.name
        )
        _log.warning("A function timeout has occurred. Restarting worker process of %s.", self.name)
        self._end(worker)
        return Outcome(
            error=(
                f"Timeout value of {seconds} s was exceeded by function: Functions.{function.name}."
            )
        )

    def _end(self, worker: Worker) -> None:
        self._ends.add(worker.process.pid)
        worker.process.kill()

    def _watch(self, worker: Worker) -> None:
        task = asyncio.create_task(self._bury(worker), name=f"watcher of {self.name}")
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _bury(self, worker: Worker) -> None:
        await worker.process.ended.wait()
        if worker.process.pid in self._ends:
            self._ends.discard(worker.process.pid)
            return
        code = await worker.process.gone()
        _log.error(
            "Language Worker Process exited. Pid=%s, exit code %s, group %s.",
            worker.process.pid,
            code,
            self.name,
        )
        self._count_death()

    def _count_death(self) -> None:
        now = self._clock()
        if self._deaths and now - self._deaths[-1] > self._limits.death_window:
            self._deaths.clear()
        self._deaths.append(now)
        if len(self._deaths) >= self._limits.deaths:
            _log.error(
                "Exceeded language worker restart retry count for runtime:python. "
                "Shutting down and proactively recycling the Functions Host to recover."
            )
            self._deaths.clear()
            self._started_before = False
            self._recycle(self.name)
