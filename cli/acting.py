"""`rekey rotate`, `retire`, `restore`, `unpark`.

Ask the app, over its queue, as a caller of the HTTP API would.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from api.access import Caller
from api.actions import consider
from api.answers import Answer, Conflict
from api.idempotency import Queued
from api.operations import Operation, follow
from api.requests import Request
from cli.codes import Exit
from cli.naming import expected, request_for
from cli.session import Session
from cli.terminal import moment
from cli.truth import truth
from engine.engine import Engine
from engine.errors import AccessDenied
from engine.secret import SecretVersion
from engine.state.request import WorkItem
from engine.state.tags import Managed

DOES = frozenset({"rotate", "retire", "restore", "confirm"})
"""Decisions that do something; the others leave everything as it is."""


class Unrehearsed(Engine):
    """The engine of who only asks.

    What keeps a rotation from succeeding, the app finds with its own rights.
    """

    async def rehearse(
        self, secret: SecretVersion, managed: Managed, item: WorkItem | None = None
    ) -> str:
        """Check nothing: that the operator may not touch a source says nothing of the app."""
        del secret, managed, item
        return ""


async def act(session: Session, args: Namespace) -> int:
    """Ask for something to be done to one secret, or tell what would be done."""
    engine, caller = await session.ready(), await session.caller()
    body = {
        name: getattr(args, name)
        for name in ("force", "compromised", "reason")
        if getattr(args, name, None)
    }
    if version := getattr(args, "to", None):
        body["version"] = version
    query = {"dry_run": "true"} if args.dry_run else {}
    request = request_for(session.deployed, args.secret, query, json.dumps(body).encode())
    asking = engine if args.dry_run else Unrehearsed(**vars(engine))
    async with expected(engine, request.secret(session.deployed)):
        considered = await consider(asking, args.command, request, caller)
    if isinstance(considered, Answer):
        return show(session, considered)
    if args.command == "restore" and not args.to:
        raise await _unnamed(engine, request, caller)
    accepted = await _asked(engine, considered)
    if args.wait is None:
        return show(session, accepted, _follow(request, accepted))
    session.terminal.progress(f"operation {accepted.body['operation']} is queued")
    return await ended(session, _operation(engine, request, accepted), args.wait)


async def _asked(engine: Engine, considered: Queued) -> Answer:
    """Store what is asked for, and post it; only post it for whoever may do no more than that."""
    try:
        return await considered.post(engine)
    except AccessDenied:
        for message in considered.messages:
            await engine.post(message)
        return considered.answer


async def ended(session: Session, operation: Operation, seconds: int) -> int:
    """Follow an operation, and show how it ended and what is true now."""
    answer = await follow(await session.ready(), operation, seconds)
    body = {} if isinstance(answer.body, str) else answer.body
    now = await truth(session, operation.ref, body, leaked=operation.compromised)
    return show(session, replace(answer, body={**body, "now": now}) if now else answer)


async def _unnamed(engine: Engine, request: Request, caller: Caller) -> Conflict:
    """Return what to type in place of a restore that does not say which version it goes back to."""
    dry = replace(request, query={"dry_run": "true"})
    forecast = await consider(Unrehearsed(**vars(engine)), "restore", dry, caller)
    assert isinstance(forecast, Answer)  # noqa: S101 - a dry run queues nothing
    name, version = f"{request.path['vault']}/{request.path['name']}", forecast.body["restores"]
    return Conflict(
        "restore needs --to VERSION: without it, the same command typed twice would undo itself",
        fix=f"rekey restore {name} --to {version} --wait",
    )


def _follow(request: Request, accepted: Answer) -> str:
    """Return the command that follows what was accepted."""
    location = urlsplit(accepted.headers["Location"])
    query = dict(parse_qsl(location.query))
    flags = "".join(f" --{name}" for name in ("force", "compromised") if query.get(name) == "true")
    name, operation = (
        f"{request.path['vault']}/{request.path['name']}",
        location.path.rpartition("/")[2],
    )
    action = query["action"]
    return (
        f"rekey wait {name} --operation {operation} --action {action} --since "
        f"{query['since']}{flags}"
    )


def _operation(engine: Engine, request: Request, accepted: Answer) -> Operation:
    """Read where to follow what was accepted."""
    location = urlsplit(accepted.headers["Location"])
    path = {**request.path, "operation": location.path.rpartition("/")[2]}
    return Operation.of(engine, replace(request, path=path, query=dict(parse_qsl(location.query))))


def show(session: Session, answer: Answer, following: str = "") -> int:
    """Show what became of a request, and return the exit code that says so."""
    session.terminal.progress("")
    body = {} if isinstance(answer.body, str) else dict(answer.body)
    if not session.terminal.data({**body, "follow": following} if following else body):
        session.terminal.answer(_written(body))
        if following:
            session.terminal.line(f"follow it: {following}")
    match body.get("status"):
        case "queued" | "succeeded":
            return Exit.FINE
        case "running":
            return Exit.RUNNING
        case "skipped":
            return Exit.DECLINED
        case None:
            return Exit.FINE if body["action"] in DOES else Exit.DECLINED
        case _:
            return Exit.FOUND


def _written(body: Mapping[str, Any]) -> dict[str, Any]:
    """Write the times of an answer, and of its steps, for people."""
    written = dict(body)
    for name in ("due", "until"):
        if body.get(name):
            written[name] = moment(datetime.fromisoformat(body[name]))
    if "steps" in body:
        written["steps"] = [_written(step) for step in body["steps"]]
    return written
