"""Apps of a few lines, on a strict host inside the test's own event loop.

Their workers are real processes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from simulator.host.app_folder import AppFolder
from simulator.host.functions import Function
from simulator.host.limits import Limits
from simulator.host.python_worker.proxy_worker.protos import RpcHttp, TypedData
from simulator.host.supervisor import Supervisor
from simulator.host.worker import Outcome

BUNDLE = {
    "extensionBundle": {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
}
HEAD = """
import asyncio, logging, os, sys
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def write_app(folder: Path, source: str, **host_json: Any) -> Path:
    """Write an app whose function_app.py is HEAD and the source."""
    folder.mkdir(exist_ok=True)
    (folder / "function_app.py").write_text(HEAD + dedent(source))
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **BUNDLE, **host_json}))
    return folder


@dataclass
class Strict:
    """A running app. `log` holds what the host logged, as (category, message)."""

    supervisor: Supervisor
    log: list[tuple[str, str]]

    @property
    def names(self) -> set[str]:
        """The names of the functions that the host runs."""
        return {function.name for function in self.supervisor.functions}

    def function(self, name: str) -> Function:
        """Return a function by its name."""
        return next(function for function in self.supervisor.functions if function.name == name)

    async def call(self, name: str, data: TypedData | None = None) -> Outcome:
        """Run a function; without data, as an HTTP call."""
        http = RpcHttp(
            method="GET", url="http://x", headers={}, query={}, params={}, body=TypedData()
        )
        return await self.supervisor.invoke(self.function(name), data or TypedData(http=http))

    async def text(self, name: str) -> str:
        """Return the body of what an HTTP function answers."""
        outcome = await self.call(name)
        assert outcome.ok, outcome.error
        assert outcome.returned
        http = outcome.returned.value
        body = vars(http)["body"].value if isinstance(http, RpcHttp) else http
        return body.decode() if isinstance(body, bytes) else str(body)

    def said(self, category: str) -> str:
        """Return the messages of one category."""
        return "\n".join(message for name, message in self.log if name == category)

    def pids(self) -> dict[str, int]:
        """Return the processes that run, by group."""
        groups = self.supervisor.processes.items()
        return {name: group.running.process.pid for name, group in groups if group.running}


class _Ear(logging.Handler):
    def __init__(self, log: list[tuple[str, str]]) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append((record.name, record.getMessage()))


@contextlib.asynccontextmanager
async def strict(
    folder: Path,
    limits: Limits | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    **settings: str,
) -> AsyncIterator[Strict]:
    """Index an app, yield it, and kill its workers."""
    log: list[tuple[str, str]] = []
    ear, root = _Ear(log), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **settings}
    supervisor = Supervisor(AppFolder.at(folder), limits, environ=environ, clock=clock)
    try:
        await supervisor.index()
        yield Strict(supervisor, log)
    finally:
        await supervisor.kill()
        root.removeHandler(ear)
        root.setLevel(level)
