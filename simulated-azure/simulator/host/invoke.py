"""POST /invoke: another program's listeners run the app's functions, one for each request.

The request is {"function", "data", "dataKind": "string" | "bytes" | "json", "metadata",
"traceparent"}. Bytes that are not text are written as {"base64": …}. The answer is 200 {"outputs":
{name: text | [texts] | object | {"base64": …}}}, or 500 with the exception's text.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulator.host.host import Host
from simulator.host.outputs import to_wire
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.worker import Outcome


class Invoker:
    """Answers /invoke for one host."""

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host

    async def answer(self, request: web.Request) -> web.Response:
        """Run one invocation."""
        call = await request.json()
        host = self._host()
        function = host.find(call["function"])
        if function is None:
            return web.Response(status=404, text=f"there is no function {call['function']}")
        trace = call.get("traceparent") or ""
        # The caller writes the outputs.
        outcome = await host.supervisor.invoke(function, _data(call), call.get("metadata"), trace)
        if not outcome.ok:
            return web.Response(status=500, text=outcome.error)
        return web.json_response({"outputs": _outputs(outcome)})


def _data(call: dict[str, Any]) -> TypedData:
    kind, data = call["dataKind"], call["data"]
    if kind == "bytes":
        data = data.encode() if isinstance(data, str) else base64.b64decode(data["base64"])
    return TypedData(**{kind: data})


def _outputs(outcome: Outcome) -> dict[str, Any]:
    outputs = {name: to_wire(value) for name, value in outcome.outputs.items()}
    if outcome.returned is not None:
        outputs["$return"] = to_wire(outcome.returned)
    return outputs
