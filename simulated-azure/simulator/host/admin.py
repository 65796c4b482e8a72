"""The parts of the admin API that help on a developer's machine.

The host's state, and running a function now.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from aiohttp import web

from simulator.host.functions import Function
from simulator.host.host import Host
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.timers import timer_data
from simulator.host.web import given_key


class Admin:
    """Answers /admin/…; only the master key opens it."""

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host
        self._running: set[asyncio.Task[object]] = set()

    async def status(self, request: web.Request) -> web.Response:
        """Report that the host is running."""
        if not self._host().keys.allow("admin", given_key(request)):
            return web.Response(status=401)
        return web.json_response({"state": "Running", "errors": []})

    async def functions(self, request: web.Request) -> web.Response:
        """List the indexed functions."""
        if not self._host().keys.allow("admin", given_key(request)):
            return web.Response(status=401)
        listed = [
            {"name": f.name, "config": {"bindings": f.bindings}} for f in self._host().functions
        ]
        return web.json_response(listed)

    async def run(self, request: web.Request) -> web.Response:
        """Run a function in the background with the body's "input".

        202 only means that it was started.
        """
        if not self._host().keys.allow("admin", given_key(request)):
            return web.Response(status=401)
        function = self._host().find(request.match_info["name"], ignore_case=True)
        if not function:
            return web.Response(status=404)
        try:
            data = await self._input(function, await request.read())
        except ValueError:
            return web.Response(status=400)
        task = asyncio.create_task(self._host().invoke(function, data))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return web.Response(status=202)

    async def _input(self, function: Function, body: bytes) -> TypedData:
        if function.kind == "timertrigger":
            monitor = self._host().listeners.monitor(function)
            return timer_data(await monitor.read() if monitor else None)
        payload = json.loads(body or b"{}").get("input") or ""
        return (
            TypedData(json=payload)
            if function.kind == "eventgridtrigger"
            else TypedData(string=payload)
        )
