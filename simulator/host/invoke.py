"""POST /invoke: lets another program's listeners run the app's functions, one invocation a request.

The request is {"function", "data", "dataKind": "string" | "bytes" | "json", "metadata", "traceparent"}; bytes that
are no text come as {"base64": …}; the answer is
200 {"outputs": {name: text | [texts] | object | {"base64": …}}}, or 500 with the exception's text.
"""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from simulator.host.outputs import to_wire
from simulator.host.protos import TypedData
from simulator.host.worker import Outcome, Worker


class Invoker:
    """Answers /invoke for one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def answer(self, request: web.Request) -> web.Response:
        """Run one invocation."""
        call = await request.json()
        outcome = await self._worker.invoke(
            call["function"], _data(call), call.get("metadata"), call.get("traceparent") or ""
        )
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
