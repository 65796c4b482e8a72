"""The Event Grid webhook at /runtime/webhooks/EventGrid.

It answers as Microsoft.Azure.WebJobs.Extensions.EventGrid does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simulator.host.functions import Function
from simulator.host.host import Host
from simulator.host.json_times import rewritten
from simulator.host.messages import system_metadata
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.web import given_key

PATH = "/runtime/webhooks/EventGrid"


class EventGridWebhook:
    """Answers deliveries and both handshakes.

    The key is the extension's system key, or the master key.
    """

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request.

        As measured: every method except OPTIONS counts as a delivery. Anything that is neither a
        handshake nor a notification is a 400, except Unsubscribe, which is accepted. A body that is
        not JSON, or that holds no events, is a 500.
        """
        if not self._host().keys.allow("system", given_key(request)):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self._host().find(name)
        if not function or function.kind != "eventgridtrigger":
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return web.Response(headers={"Webhook-Allowed-Origin": "eventgrid.azure.net"})
        return await self._answer_type(request, function)

    async def _answer_type(self, request: web.Request, function: Function) -> web.Response:
        kind = request.headers.get("aeg-event-type", "").lower()
        if kind == "unsubscribe":
            return web.Response(status=202)
        if kind not in {"subscriptionvalidation", "notification"}:
            return web.Response(status=400)
        try:
            events = _events(await request.read())
            if kind == "subscriptionvalidation":
                return _handshake(events)
        except (ValueError, LookupError, TypeError):
            return web.Response(status=500)
        return await self._deliver(function, events, request.headers.get("traceparent", ""))

    async def _deliver(
        self, function: Function, events: list[dict[str, Any]], traceparent: str
    ) -> web.Response:
        outcomes = await asyncio.gather(
            *(
                self._host().invoke(
                    function,
                    TypedData(json=json.dumps(_rewritten(event))),
                    _metadata(event, function),
                    traceparent,
                )
                for event in events
            )
        )
        if all(outcome.ok for outcome in outcomes):
            return web.Response(status=202)
        return web.Response(status=500, text=f"Exception while executing function: {function.name}")


def _events(body: bytes) -> list[dict[str, Any]]:
    content = json.loads(body)
    events = content if isinstance(content, list) else [content]
    if not all(isinstance(event, dict) for event in events):
        raise TypeError("an event is an object")
    return events


def _handshake(events: list[dict[str, Any]]) -> web.Response:
    answer = {"validationResponse": events[0]["data"]["validationCode"]}
    return web.Response(text=json.dumps(answer, separators=(",", ":")))


def _metadata(event: Mapping[str, Any], function: Function) -> dict[str, Any]:
    return {"data": event.get("data"), "sys": system_metadata(function.name)}


def _rewritten(value: Any) -> Any:
    """Return an event as the function receives it, with its times reformatted."""
    if isinstance(value, dict):
        return {name: _rewritten(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rewritten(item) for item in value]
    return rewritten(value) if isinstance(value, str) else value
