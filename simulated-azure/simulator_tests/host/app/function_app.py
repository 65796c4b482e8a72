"""An app with every kind of trigger.

It notes what it is given in the file RECORD, and does as the message says.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, List  # noqa: UP035 - see split

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_meeting = 0


def _note(function: str, **seen: Any) -> None:
    with Path(os.environ["RECORD"]).open("a", encoding="utf-8") as record:
        record.write(json.dumps({"function": function, **seen}, default=str) + "\n")


def _message(message: func.QueueMessage) -> dict[str, Any]:
    return {
        "body": message.get_body().decode("latin-1"),
        "id": message.id,
        "dequeue_count": message.dequeue_count,
        "inserted": message.insertion_time,
        "expires": message.expiration_time,
        "next_visible": message.time_next_visible,
        "pop_receipt": message.pop_receipt,
    }


async def _obey(order: str, tries: int = 1) -> None:
    if order == "fail":
        raise RuntimeError("told to fail")
    if order == "pair":
        await _meet()
    if order == "hold":
        await _until_released()
    if order == "die" and tries == 1:
        os._exit(3)


async def _meet() -> None:
    """Return once a second call is here too, or released: calls that do not run in parallel never meet."""
    global _meeting  # noqa: PLW0603 - how many have come is the process's to know
    _meeting += 1
    place = _meeting
    while place % 2 and place == _meeting and not _released():  # noqa: ASYNC110 - another process releases it
        await asyncio.sleep(0.02)


async def _until_released() -> None:
    while not _released():  # noqa: ASYNC110 - another process releases it
        await asyncio.sleep(0.02)


def _released() -> bool:
    return Path(os.environ["RECORD"] + ".release").exists()


@app.queue_trigger(arg_name="message", queue_name="things", connection="AzureWebJobsStorage")
async def on_thing(message: func.QueueMessage) -> None:
    """Note the message, and do as it says."""
    _note("on_thing", **_message(message))
    await _obey(message.get_body().decode(), message.dequeue_count or 0)


@app.queue_trigger(
    arg_name="message",
    queue_name="raw",
    connection="AzureWebJobsStorage",
    data_type=func.DataType.BINARY,
)
async def on_raw(message: func.QueueMessage) -> None:
    """Note the message, whatever its bytes."""
    _note("on_raw", **_message(message))


@app.queue_trigger(arg_name="message", queue_name="dead-poison", connection="AzureWebJobsStorage")
async def on_poison(message: func.QueueMessage) -> None:
    """Note the message, and do as it says, in a queue without a poison queue."""
    _note("on_poison", **_message(message))
    await _obey(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="late", connection="AzureWebJobsStorage")
async def on_late(message: func.QueueMessage) -> None:
    """Note the message of a queue that does not exist at first."""
    _note("on_late", **_message(message))


@app.queue_trigger(arg_name="message", queue_name="%UNSET_QUEUE%", connection="AzureWebJobsStorage")
async def on_nothing(message: func.QueueMessage) -> None:
    """Never run: its queue has no name."""
    _note("on_nothing", **_message(message))


@app.queue_trigger(arg_name="message", queue_name="to-write", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="written", connection="AzureWebJobsStorage")
async def write(message: func.QueueMessage, out: func.Out[str]) -> None:
    """Give the message out again."""
    _note("write", **_message(message))
    out.set(message.get_body().decode())


# The worker cannot load func.Out[list[str]].
@app.queue_trigger(arg_name="message", queue_name="to-split", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="written", connection="AzureWebJobsStorage")
async def split(message: func.QueueMessage, out: func.Out[List[str]]) -> None:  # noqa: UP006
    """Give its words out, one message each."""
    out.set(message.get_body().decode().split())


@app.queue_trigger(arg_name="message", queue_name="to-return", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="written", connection="AzureWebJobsStorage")
async def give_back(message: func.QueueMessage) -> str:
    """Give the message out again, by returning it."""
    return message.get_body().decode()


@app.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%", use_monitor=True)
async def tick(timer: func.TimerRequest) -> None:
    """Note the timer."""
    _note("tick", past_due=timer.past_due, schedule=timer.schedule, status=timer.schedule_status)  # type: ignore[attr-defined]


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", use_monitor=False, run_on_startup=True)
async def at_start(timer: func.TimerRequest) -> None:
    """Note the timer, at every start."""
    _note("at_start", pid=os.getpid(), past_due=timer.past_due, status=timer.schedule_status)  # type: ignore[attr-defined]


@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    """Note the event, and do as its type says."""
    _note(
        "on_event", id=event.id, type=event.event_type, time=event.event_time, data=event.get_json()
    )
    await _obey(event.event_type)


@app.event_grid_trigger(arg_name="event")
async def on_cloud_event(event: func.CloudEvent) -> None:
    """Note the event."""
    _note(
        "on_cloud_event", id=event.id, type=event.type, source=event.source, data=event.get_json()
    )


@app.route("secrets/{vault}/{name}/rotate", methods=["POST"])
async def rotate(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with what came."""
    seen = {
        "route": dict(req.route_params),
        "query": dict(req.params),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(
        json.dumps(seen), status_code=202, mimetype="application/json", headers={"X-Seen": "yes"}
    )


@app.route("open", methods=["GET", "DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
async def open_door(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with what came, without a key."""
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "trace": context.trace_context.trace_parent,
    }
    return func.HttpResponse(
        json.dumps(seen),
        headers={"Set-Cookie": "crumb=1; Path=/open; Secure; HttpOnly; SameSite=Lax"},
    )


@app.route("meet", auth_level=func.AuthLevel.ANONYMOUS)
async def meet(req: func.HttpRequest) -> str:
    """Answer once a second call is here too."""
    _note("meet", method=req.method)
    await _meet()
    return "met"


@app.route("hold", auth_level=func.AuthLevel.ANONYMOUS)
async def hold(req: func.HttpRequest) -> str:
    """Answer once released."""
    _note("hold", method=req.method)
    await _until_released()
    _note("released", method=req.method)
    return "released"


@app.route("boom", auth_level=func.AuthLevel.ANONYMOUS)
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    """Answer nothing."""
    raise RuntimeError(f"no answer to {req.method}")


@app.route("master-only", auth_level=func.AuthLevel.ADMIN)
async def admin_only(req: func.HttpRequest) -> str:
    """Answer the master alone."""
    return str(req.method)
