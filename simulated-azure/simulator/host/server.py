"""The host's HTTP server: the app's routes, the Event Grid webhook, parts of the admin API."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from simulator.host.admin import Admin
from simulator.host.eventgrid import PATH, EventGridWebhook
from simulator.host.host import Host
from simulator.host.invoke import Invoker
from simulator.host.site import Site
from simulator.host.web import HttpTriggers

# As maxRequestBodySize on the Consumption plans.
_LARGEST_BODY = 210 * 1024 * 1024


def make_app(site: Site, *, with_invoke: bool = False) -> web.Application:
    """Return the web application that answers for the site's current host.

    /invoke needs no key, so it exists only on request.
    """

    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with site.serving():
            return await handler(request)

    def host() -> Host:
        return site.host

    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[serve])
    admin = Admin(host)
    app.router.add_route("*", PATH, EventGridWebhook(host).answer)
    app.router.add_get("/admin/host/status", admin.status)
    app.router.add_get("/admin/functions", admin.functions)
    app.router.add_post("/admin/functions/{name}", admin.run)
    if with_invoke:
        app.router.add_post("/invoke", Invoker(host).answer)
    app.router.add_route("*", "/{path:.*}", HttpTriggers(host).answer)
    return app
