"""Rekey's triggers: parse, call, answer. What they do is in engine/service.py."""

import logging
import os
from functools import cache

import azure.functions as func

from cloud import telemetry
from cloud.callers import caller
from cloud.composition import build
from cloud.settings import HOURLY, Settings
from engine.events import to_json
from engine.service import Service
from engine.workitem import Action

settings = Settings.read(os.environ)  # A wrong setting stops the app here, with every problem listed.
telemetry.configure(os.environ)
logging.getLogger("azure").setLevel(logging.WARNING)  # The SDK notes every request at INFO.
logging.getLogger("rekey").setLevel(logging.INFO)

# The host leaves a function out whose %SETTING% has no value, and says so only in its log: so there is a default.
schedule = "%REKEY_SWEEP_SCHEDULE%" if "REKEY_SWEEP_SCHEDULE" in os.environ else HOURLY
storage = "AzureWebJobsStorage"
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@cache
def service() -> Service:
    """Build the service when it is first used, inside the worker's event loop."""
    return build(settings)


@app.queue_trigger("message", "vault-events", storage)
async def on_vault_event(message: func.QueueMessage) -> None:
    """Take in one Key Vault event that Event Grid put on the queue."""
    await service().on_event(message.get_body())


@app.event_grid_trigger("event")
async def on_event_grid(event: func.EventGridEvent) -> None:
    """Take in one Key Vault event from a subscription of the user's own; CloudEvents arrive here as well."""
    await service().on_event(to_json(event))


@app.timer_trigger("timer", schedule, use_monitor=True)
async def sweep(timer: func.TimerRequest) -> None:
    """Ask for every vault to be swept."""
    status = getattr(timer, "schedule_status", None) or {}  # Missing in the abstract type, and null without a monitor.
    await service().sweep(status, past_due=timer.past_due)


@app.queue_trigger("message", "sweeps", storage)
async def sweep_vault(message: func.QueueMessage) -> None:
    """Sweep one vault."""
    await service().sweep_vault(message.get_body())


@app.queue_trigger("message", "rotations", storage)
async def rotate(message: func.QueueMessage) -> None:
    """Work on one item: rotate, retire, or find that nothing is to be done."""
    await service().rotate(message.get_body(), message.dequeue_count or 1)


@app.queue_trigger("message", "rotations-poison", storage)
async def park(message: func.QueueMessage) -> None:
    """Mark the secret of an item that the queue gave up on."""
    await service().park(message.get_body(), message.id or "")


@app.route("secrets/{vault}/{name}/rotate", methods=["POST"])
async def http_rotate(req: func.HttpRequest) -> func.HttpResponse:
    """Rotate one secret by hand, or tell with `?dry_run=true` what would happen."""
    return await by_hand(req, "rotate")


@app.route("secrets/{vault}/{name}/retire", methods=["POST"])
async def http_retire(req: func.HttpRequest) -> func.HttpResponse:
    """Revoke the superseded credential of one secret whose overlap has passed."""
    return await by_hand(req, "retire")


@app.route("secrets/{vault}/{name}/restore", methods=["POST"])
async def http_restore(req: func.HttpRequest) -> func.HttpResponse:
    """Publish the superseded credential again, while its overlap lasts."""
    return await by_hand(req, "restore")


async def by_hand(req: func.HttpRequest, action: Action) -> func.HttpResponse:
    """Pass one request by hand on, and its answer back."""
    answer = await service().by_hand(
        action,
        req.route_params["vault"],
        req.route_params["name"],
        req.get_body(),
        dry_run=req.params.get("dry_run", ""),
        caller=caller(req.headers, os.environ),
    )
    return func.HttpResponse(
        answer.to_json(), status_code=answer.status, mimetype=answer.content_type, headers=dict(answer.headers)
    )
