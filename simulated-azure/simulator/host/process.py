"""One worker process.

It gets requests over a socket, it is killed without notice, and its output goes to the host's log.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from simulator.host.app_folder import LOOPBACK_SCRIPT, OF_THIS_PROCESS, WORKER_SCRIPT
from simulator.host.python_worker.proxy_worker import frames

_LONGEST_LINE = 2**24

type Listener = Callable[[dict[str, Any]], None]


class WorkerDiedError(RuntimeError):
    """The worker process ended, or was killed, while the host waited for its answer."""


class WorkerProcess:
    """A running worker.

    `on_log` is called with each log message, `on_print` with each line and its stream's name.
    """

    def __init__(
        self, process: Process, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        self._process = process
        self._reader, self._writer = streams
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count()
        self.ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def spawn(
        cls,
        environment: Mapping[str, str],
        folder: Path,
        on_log: Listener,
        on_print: Callable[[str, str], None],
    ) -> Self:
        """Start a process in a folder, with an environment."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-I",
                    "-S",
                    str(WORKER_SCRIPT),
                    "--channel",
                    str(theirs.fileno()),
                ),
                *("--uvloop", str(OF_THIS_PROCESS), "--loopback", str(LOOPBACK_SCRIPT)),
                stdout=PIPE,
                stderr=PIPE,
                env=dict(environment),
                cwd=folder,
                pass_fds=[theirs.fileno()],
                limit=_LONGEST_LINE,
                # Ctrl-C in a terminal is for the host: a worker does not get the signal.
                start_new_session=True,
            )
        worker = cls(process, await asyncio.open_connection(sock=ours))
        worker._listen(on_log, on_print)
        return worker

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Ask the worker and return its answer.

        Raises:
            WorkerDiedError: the process ends before it answers.

        """
        if self.ended.is_set():
            raise WorkerDiedError(self._obituary())
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._writer.write(frames.encode({"id": number, "kind": kind, "fields": fields}))
            return await answer
        finally:
            self._answers.pop(number, None)

    def kill(self) -> None:
        """Kill the process: no signal that it could catch, no atexit."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> int:
        """Return the exit code once the process has ended and all its output has been read."""
        await asyncio.gather(*self._tasks)
        return self._process.returncode or 0

    def _listen(self, on_log: Listener, on_print: Callable[[str, str], None]) -> None:
        streams = (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        readers = [_pump(stream, name, on_print) for name, stream in streams if stream]
        self._tasks = [asyncio.create_task(task) for task in (self._read(on_log), *readers)]

    async def _read(self, on_log: Listener) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = frames.HEADER.unpack(await self._reader.readexactly(frames.HEADER.size))
                self._heard(frames.decode(await self._reader.readexactly(size)), on_log)
        self.kill()
        await self._process.wait()
        self.ended.set()
        self._writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(WorkerDiedError(self._obituary()))

    def _heard(self, message: dict[str, Any], on_log: Listener) -> None:
        if "log" in message:
            on_log(message["log"])
        elif (answer := self._answers.get(message["id"])) and not answer.done():
            answer.set_result(message)

    def _obituary(self) -> str:
        return f"python exited with code {self._process.returncode}"


async def _pump(
    stream: asyncio.StreamReader, name: str, on_print: Callable[[str, str], None]
) -> None:
    while line := await stream.readline():
        on_print(name, line.decode(errors="replace").rstrip("\n"))
