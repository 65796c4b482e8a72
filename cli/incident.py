"""`rekey incident`: everything in a scope is rotated and cut off, and how far that has come."""

from __future__ import annotations

import json
import uuid
from argparse import Namespace
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from api import incidents
from api.answers import Answer
from api.idempotency import HEADER
from api.requests import Request
from cli.codes import Exit
from cli.consent import consent
from cli.naming import short_name, vault
from cli.session import Session
from engine.errors import NeedsHuman

FIRST_SECONDS, READ_AGAIN_SECONDS = 1.0, 5.0
"""How long it waits before it counts again: one version is cut off within seconds."""
RUNNING = "running"


async def begin(session: Session, args: Namespace) -> int:
    """Count what is in the scope, ask, and send all of it to be replaced."""
    engine, caller = await session.ready(), await session.caller()
    body = _scope(session, args) | {"reason": args.reason}
    if args.everything:
        body["everything"] = True
    rehearsed = await incidents.begin(engine, _request(body, dry_run=True), caller)
    counts = dict(_answer(rehearsed).body)
    if args.dry_run:
        return _show(session, counts)
    if not counts["secrets"]:
        raise NeedsHuman(
            "nothing is in that scope", fix="compare --vault, --name and --source with rekey status"
        )
    if not args.yes:
        warning = (
            "secrets that are rotated and whose old credentials are cut off at once: "
            f"{counts['secrets']}"
        )
        consent(session.terminal, session.person, warning, "Go on?")
    considered = await incidents.begin(engine, _request(body), caller)
    accepted = considered if isinstance(considered, Answer) else await considered.post(engine)
    location = urlsplit(accepted.headers["Location"])
    if args.wait is None:
        return _show(session, dict(accepted.body), f"rekey incident follow {accepted.body['id']}")
    return await _followed(session, location.path, dict(parse_qsl(location.query)), args.wait)


async def follow(session: Session, args: Namespace) -> int:
    """Tell how far an incident has come."""
    return await _followed(session, f"/api/incidents/{args.incident}", {}, args.wait or 0)


async def newest(session: Session, args: Namespace) -> int:
    """List the incidents, newest first."""
    del args
    body = (await incidents.newest(await session.ready())).body
    if session.terminal.data(body, "incidents"):
        return Exit.FINE
    rows = [
        (
            incident["id"],
            incident["status"] or "not counted",
            f"{incident['rotated']}/{incident['secrets']}" if incident["status"] else "",
            _scope_of(incident),
            incident["requested_by"],
            incident["reason"],
        )
        for incident in body["incidents"]
    ]
    if rows:
        heads = ("incident", "status", "cut off", "scope", "by", "reason")
        session.terminal.table(heads, rows, spare=("by",))
    else:
        session.terminal.line("there have been no incidents")
    return Exit.FINE


async def report(session: Session, args: Namespace) -> int:
    """Tell what an incident did with each secret, for people or as a file for an auditor."""
    request = Request("GET", f"/api/incidents/{args.incident}/report", {"incident": args.incident})
    body = (await incidents.report(await session.ready(), request)).body
    if not session.terminal.data(body, "secrets"):
        _tell(session, body)
    return _exit(body)


def _tell(session: Session, body: Mapping[str, Any]) -> None:
    incident, terminal = body["incident"], session.terminal
    facts = {
        "incident": incident["id"],
        "reported": incident["since"],
        "by": incident["requested_by"],
        "reason": incident["reason"],
        "scope": _scope_of(incident),
        "status": body["status"],
        "ended": body["ended"],
    }
    terminal.fields(facts)
    terminal.line()
    for step in body["steps"]:
        place = "/".join(filter(None, (step["vault"], step["secret"], step["version"])))
        terminal.line(" ".join(filter(None, (step["at"], step["step"], place, step["detail"]))))
    for secret in body["secrets"]:
        terminal.line()
        place = f"{secret['vault']}/{secret['secret']}"
        terminal.line(f"{place}: {secret['status']}")
        names = ("owner", "reason", "fix", "replica_of", "replaced", "replaced_by", "lingers")
        terminal.fields({f"  {name}": secret[name] for name in names})
        for old in secret["cut_off"]:
            proof = f"refused {old['refused']}: {old['proof']}" if old["proof"] else "no proof yet"
            terminal.line(f"  version {old['version']} ({old['credential'] or '-'}): {proof}")


def _scope_of(incident: Mapping[str, Any]) -> str:
    return "; ".join(
        filter(
            None,
            (
                ", ".join(incident["vaults"]),
                incident["name"],
                incident["source"],
                incident["version"] and f"version {incident['version']}",
            ),
        )
    )


async def _followed(session: Session, path: str, query: Mapping[str, str], seconds: int) -> int:
    engine = await session.ready()
    ends = engine.clock.monotonic() + seconds
    parameters, pause = {"incident": path.rpartition("/")[2]}, FIRST_SECONDS
    while True:
        body = dict((await incidents.follow(engine, Request("GET", path, parameters, query))).body)
        left = ends - engine.clock.monotonic()
        if body["status"] != RUNNING or left <= 0:
            return _show(session, body)
        session.terminal.progress(f"rotated {body['rotated']} of {body['secrets']}")
        await engine.clock.sleep(min(pause, left))
        pause = min(2 * pause, READ_AGAIN_SECONDS)


def _scope(session: Session, args: Namespace) -> dict[str, Any]:
    place = short_name(vault(session.deployed, args.vault)) if args.vault else ""
    scope = {
        "vault": place,
        "name": args.name or "",
        "source": args.source or "",
        "version": args.version or "",
    }
    return {name: text for name, text in scope.items() if text}


def _request(body: Mapping[str, Any], *, dry_run: bool = False) -> Request:
    query = {"dry_run": "true"} if dry_run else {}
    headers = {} if dry_run else {HEADER: str(uuid.uuid4())}
    return Request("POST", "/api/incidents", {}, query, headers, json.dumps(body).encode())


def _answer(considered: object) -> Answer:
    assert isinstance(considered, Answer)  # noqa: S101 - a dry run queues nothing
    return considered


def _show(session: Session, body: Mapping[str, Any], following: str = "") -> int:
    session.terminal.progress("")
    if not session.terminal.data({**body, **({"follow": following} if following else {})}):
        session.terminal.answer(body)
        if following:
            session.terminal.line(f"follow it: {following}")
    return _exit(body)


def _exit(body: Mapping[str, Any]) -> int:
    status = str(body.get("status"))
    if status == RUNNING:
        return Exit.RUNNING
    # What covers nothing was perhaps mistyped: what leaked works on.
    is_empty = status == "dry run" and not body["secrets"]
    is_found = is_empty or status in ("needs a person", "nothing in scope")
    return Exit.FOUND if is_found else Exit.FINE
