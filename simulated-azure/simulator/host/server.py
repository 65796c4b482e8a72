"""The host's HTTP server: the app's routes, the Event Grid webhook, parts of the admin API."""

from __future__ import annotations

import os
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from simulator.host.admin import Admin
from simulator.host.eventgrid import PATH, EventGridWebhook
from simulator.host.host import Host
from simulator.host.invoke import Invoker
from simulator.host.site import Site
from simulator.host.web import HttpTriggers

_LARGEST_BODY = 210 * 1024 * 1024
"""Bytes, as maxRequestBodySize on the Consumption plans."""
_LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
"""The setting that replaces it, where it is a number (HttpRequestBodySizeMiddleware.cs)."""


def largest_body(settings: Mapping[str, str]) -> int:
    """Return how many bytes of a body the host takes."""
    limit = settings.get(_LIMIT, "")
    return int(limit) if limit.isdecimal() else _LARGEST_BODY


def make_app(site: Site, *, with_invoke: bool = False) -> web.Application:
    """Return the web application that answers for the site's current host.

    /invoke needs no key, so it exists only on request.
    """

    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with site.serving():
            try:
                return await handler(request)
            except web.HTTPRequestEntityTooLarge:
                # The host's ExceptionMiddleware.cs makes that of every error but its own.
                return web.Response(status=500)

    def host() -> Host:
        return site.host

    app = web.Application(client_max_size=largest_body(os.environ), middlewares=[serve])
    admin = Admin(host)
    app.router.add_route("*", PATH, EventGridWebhook(host).answer)
    app.router.add_get("/admin/host/status", admin.status)
    app.router.add_get("/admin/functions", admin.functions)
    app.router.add_post("/admin/functions/{name}", admin.run)
    if with_invoke:
        app.router.add_post("/invoke", Invoker(host).answer)
    app.router.add_route("*", "/{path:.*}", HttpTriggers(host).answer)
    return app
