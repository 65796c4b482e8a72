"""HTTP triggers.

Requests become invocations, and their outcomes become answers, as in the Functions host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simulator.host.host import Host
from simulator.host.python_worker.proxy_worker.protos import RpcHttp, RpcHttpCookie, TypedData
from simulator.host.routes import Route


class HttpTriggers:
    """Answers for the app's HTTP functions.

    A route that exists for other methods only is a 404, as in the real host.
    """

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host

    async def answer(self, request: web.Request) -> web.Response:
        """Find the function, check the key, run it."""
        host = self._host()
        for route in host.routes:
            params = route.match(request.method, request.path)
            if params is not None:
                return await self._run(host, request, route, params)
        return web.Response(status=404)

    async def _run(
        self, host: Host, request: web.Request, route: Route, params: Mapping[str, str]
    ) -> web.Response:
        if not host.keys.allow(route.level, given_key(request), route.function.name):
            return web.Response(status=401)
        data = TypedData(http=await _to_rpc(request, params))
        trace = request.headers.get("traceparent", "")
        try:
            async with asyncio.timeout(host.limits.http_timeout):
                outcome = await host.call(route.function, data, trace)
        except TimeoutError:
            return web.Response(status=504)
        return _to_response(outcome.returned) if outcome.ok else web.Response(status=500)


def given_key(request: web.Request) -> str | None:
    """Return the key in the request's header or query."""
    return request.headers.get("x-functions-key") or request.query.get("code")


async def _to_rpc(request: web.Request, params: Mapping[str, str]) -> RpcHttp:
    return RpcHttp(
        method=request.method,
        url=str(request.url),
        headers={name.lower(): ",".join(request.headers.getall(name)) for name in request.headers},
        query={
            name: ",".join(request.query.getall(name))
            for name, value in request.query.items()
            if value
        },
        params=dict(params),
        body=await _body(request),
    )


async def _body(request: web.Request) -> TypedData:
    # The host checks Content-Length only: a chunked body never reaches a Python function.
    return TypedData(bytes=await request.read()) if request.content_length else TypedData()


def _to_response(returned: TypedData | None) -> web.Response:
    value = returned.value if returned else None
    if not isinstance(value, RpcHttp):
        return web.Response(text=str(value or ""))
    http = vars(value)
    response = web.Response(
        status=int(http["status_code"]), body=http["body"].value or b"", headers=http["headers"]
    )
    for cookie in http["cookies"] or []:
        _set_cookie(response, cookie)
    return response


def _set_cookie(response: web.Response, cookie: RpcHttpCookie) -> None:
    parts = vars(cookie)
    optional: dict[str, Any] = {
        name: parts[name].value if parts[name] else None for name in ("domain", "path", "max_age")
    }
    response.set_cookie(
        parts["name"],
        parts["value"],
        domain=optional["domain"] or None,
        path=optional["path"] or "/",
        max_age=None if optional["max_age"] is None else int(optional["max_age"]),
        secure=parts["secure"].value if parts["secure"] else None,
        httponly=parts["http_only"].value if parts["http_only"] else None,
        samesite=parts["same_site"] or None,
    )
