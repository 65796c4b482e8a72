"""Rekey's triggers: parse, call, answer. engine/service.py and, for HTTP, api/ do the work."""

import os
from collections.abc import Awaitable, Callable
from functools import cache

import azure.functions as func

from api.access import entra
from api.app import Api
from api.requests import Request, query_of
from api.route import Route
from api.routes import ROUTES, arriving
from cloud.settings import HOURLY
from cloud.telemetry import startup
from cloud.telemetry.invocations import Invocations
from composition import build_api
from engine.service import Service
from engine.state.events import to_json

settings = startup.begin(os.environ)  # A wrong setting stops the app here, every problem logged.
running = Invocations().run

# The host skips a function whose %SETTING% has no value and only logs that, so there is a default.
schedule = "%REKEY_SWEEP_SCHEDULE%" if os.environ.get("REKEY_SWEEP_SCHEDULE") else HOURLY
storage = settings.storage.connection
app = func.FunctionApp()


@cache
def api() -> Api:
    """Build everything when it is first used, inside the worker's event loop."""
    with startup.reported("the app cannot be built"):
        return build_api(settings)


def service() -> Service:
    """Return what the triggers call."""
    return api().service


@app.queue_trigger("message", "vault-events", settings.events.connection)
async def on_vault_event(message: func.QueueMessage) -> None:
    """Handle one Key Vault event that Event Grid put on the queue."""
    async with running("on_vault_event"):
        await service().on_event(message.get_body(), message.dequeue_count or 1)


@app.event_grid_trigger("event")
async def on_event_grid(event: func.EventGridEvent) -> None:
    """Handle one Key Vault event from the user's own subscription; CloudEvents arrive here too."""
    async with running("on_event_grid"):
        await service().on_event(to_json(event))


@app.timer_trigger("timer", schedule, use_monitor=True)
async def sweep(timer: func.TimerRequest) -> None:
    """Order a sweep of every vault."""
    status = getattr(timer, "schedule_status", None) or {}  # Not in the abstract type.
    async with running("sweep"):
        await service().sweep(status, past_due=timer.past_due)


@app.timer_trigger("timer", "0 */3 * * * *", use_monitor=False)
async def recheck(timer: func.TimerRequest) -> None:
    """Ask for what is due at the sources, whatever became of messages."""
    del timer
    async with running("recheck"):
        await service().recheck()


@app.queue_trigger("message", "sweeps", storage)
async def sweep_vault(message: func.QueueMessage) -> None:
    """Sweep one vault."""
    async with running("sweep_vault"):
        await service().sweep_vault(message.get_body(), message.dequeue_count or 1)


@app.queue_trigger("message", "rotations", storage)
async def rotate(message: func.QueueMessage) -> None:
    """Work on one item: rotate, retire, or conclude that nothing needs doing."""
    async with running("rotate"):
        await service().rotate(message.get_body(), message.dequeue_count or 1)


@app.queue_trigger("message", "rotations-poison", storage)
async def park(message: func.QueueMessage) -> None:
    """Mark the secret of an item that the queue gave up on."""
    async with running("park"):
        await service().park(message.get_body(), message.id or "")


def serve(route: Route) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    """Return the function that serves one route of the HTTP API."""

    async def handle(req: func.HttpRequest) -> func.HttpResponse:
        headers = {name.lower(): value for name, value in req.headers.items()}
        request = Request.arrived(
            req.method, route.path, req.route_params, query_of(req.url), headers, req.get_body()
        )
        async with running(route.name):
            answer = await api().answer(route, request)
        return func.HttpResponse(
            answer.text(),
            status_code=answer.status,
            mimetype=answer.content_type,
            headers=dict(answer.headers),
        )

    return handle


# Where the platform signs callers in, their roles decide; elsewhere a key is required.
keyed = func.AuthLevel.ANONYMOUS if entra(os.environ) else func.AuthLevel.FUNCTION
for route in ROUTES:
    level = keyed if route.role else func.AuthLevel.ANONYMOUS
    app.function_name(route.name)(
        app.route(route.path, methods=arriving(route), auth_level=level)(serve(route))
    )
