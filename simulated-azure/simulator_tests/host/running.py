"""The two hosts that must behave alike.

Ours, and Microsoft's listeners in front of the same worker.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from simulator.host.describe import describe_app
from simulator_tests.host.waiting import free_port, wait_for

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent / "app"
KEY = "function-key"
MASTER_KEY = "master-key"
SYSTEM_KEY = "system-key"
OURS = "ours"
MICROSOFTS = "microsofts"


@dataclass(frozen=True)
class RunningHost:
    """A host that runs the test app.

    `url` is where its webhook answers, and for ours everything else too.
    """

    kind: str
    url: str
    connection: str
    folder: Path
    process: subprocess.Popen[bytes]

    def records(self, function: str, **fields: Any) -> list[dict[str, Any]]:
        """Return what a function noted so far, oldest first, where the wanted fields have the wanted values."""
        path = self.folder / "record"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        notes = [json.loads(line) for line in lines if line.endswith("\n")]
        return [
            note
            for note in notes
            if note["function"] == function and fields.items() <= note.items()
        ]

    def wait_for_records(self, count: int, function: str, **fields: Any) -> list[dict[str, Any]]:
        """Return a function's notes once there are so many."""

        def look() -> list[dict[str, Any]]:
            notes = self.records(function, **fields)
            return notes if len(notes) >= count else []

        return wait_for(
            look, lambda: f"{count} calls of {function} {fields}; log: {self.log()[-2000:]}"
        )

    def log(self) -> str:
        """Return what the host wrote to stderr so far."""
        return (self.folder / f"{self.kind}.log").read_text()

    def queue(self, name: str) -> QueueClient:
        """Return the client of a queue in the host's account; the queue is created if need be."""
        service = QueueServiceClient.from_connection_string(self.connection)
        with contextlib.suppress(Exception):
            service.create_queue(name)
        return service.get_queue_client(name)

    def queue_names(self) -> list[str]:
        """Return the queues of the host's account."""
        return [
            queue.name
            for queue in QueueServiceClient.from_connection_string(self.connection).list_queues()
        ]

    def blobs(self) -> BlobServiceClient:
        """Return a blob client for the host's account."""
        return BlobServiceClient.from_connection_string(self.connection)


@contextlib.contextmanager
def running(
    kind: str, connection: str, folder: Path, *options: str, **settings: str
) -> Iterator[RunningHost]:
    """Run one of the two hosts with the test app.

    `settings` join its environment, `options` are for ours alone.
    """
    with running_app(APP, kind, connection, folder, *options, **settings) as host:
        yield host


@contextlib.contextmanager
def running_app(
    app: Path, kind: str, connection: str, folder: Path, *options: str, **settings: str
) -> Iterator[RunningHost]:
    """Do the same with another app's code and host.json."""
    env = {
        **os.environ,
        "AzureWebJobsStorage": connection,
        "RECORD": str(folder / "record"),
        "TICK_SCHEDULE": "0 0 0 1 1 *",
        "AzureFunctionsWebHost__hostid": "parity",
        **settings,
    }
    run = _ours(folder, env, *options, app=app) if kind == OURS else _microsofts(folder, env, app)
    with run as (url, process):
        yield RunningHost(kind, url, connection, folder, process)


@contextlib.contextmanager
def _ours(
    folder: Path, env: dict[str, str], *options: str, app: Path = APP
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "simulator.host", "--app", str(app), "--port", "0"]
    command += ["--key", KEY, "--master-key", MASTER_KEY, "--system-key", SYSTEM_KEY, *options]
    with process(command, folder / f"{OURS}.log", env, "Host ready on ") as (line, child):
        yield line.split()[-1], child


@contextlib.contextmanager
def _microsofts(
    folder: Path, env: dict[str, str], app: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    program = trigger_host()
    functions = folder / "functions.json"
    functions.write_text(_functions())
    url = f"http://127.0.0.1:{free_port()}"
    with _ours(folder, env, "--worker-only") as (worker_url, _):
        command = [program, "--functions", str(functions), "--host", str(app / "host.json")]
        command += ["--invoke", f"{worker_url}/invoke", "--listen", url]
        with process(command, folder / f"{MICROSOFTS}.log", env, "trigger-host ready") as (
            _,
            child,
        ):
            yield url, child


@functools.cache
def _functions() -> str:
    env = {**os.environ, "RECORD": os.devnull}
    return json.dumps([function for function in describe_app(APP, env) if not _is_http(function)])


def trigger_host() -> str:
    """Return the path from TRIGGER_HOST or PATH.

    Skip the test where there is none, fail it where CI is set.
    """
    program = os.environ.get("TRIGGER_HOST") or shutil.which("trigger-host")
    if program:
        return program
    reason = (
        "trigger-host (Microsoft's queue, timer and Event Grid listeners) is missing: set "
        "TRIGGER_HOST to it"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _is_http(function: dict[str, Any]) -> bool:
    return any(binding["type"] == "httpTrigger" for binding in function["bindings"])


@contextlib.contextmanager
def process(
    command: list[str], log: Path, env: dict[str, str], ready: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a program until the end of the block.

    Yields once it has printed a line that starts with `ready`.
    """
    output = log.with_suffix(".out")
    with log.open("wb") as errors, output.open("wb") as out:
        child = subprocess.Popen(command, env=env, cwd=ROOT, stdout=out, stderr=errors)  # noqa: S603
    try:
        yield (
            wait_for(lambda: _line(output, ready, child), lambda: f"{command[0]} to be ready"),
            child,
        )
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def _line(output: Path, start: str, process: subprocess.Popen[bytes]) -> str:
    lines = output.read_text().splitlines(keepends=True)
    match = next((line for line in lines if line.startswith(start) and line.endswith("\n")), "")
    assert match or process.poll() is None, (
        f"ended with {process.returncode}: {output.with_suffix('.log').read_text()}"
    )
    return match
