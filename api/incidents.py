"""Rotate and cut off everything in a scope at once, as fast as Azure allows, and tell how far that has come."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from api.access import Caller
from api.answers import Answer, BadRequest
from api.once import HEADER, Queued
from api.requests import Request, stamp
from engine.model.incident import Incident
from engine.model.policy import SCOPE
from engine.model.sweep_order import SweepOrder
from engine.rotate.engine import Engine
from engine.sweep.cut_off import LEAD_SECONDS, CutOff

BODY: dict[str, type] = {"vault": str, "name": str, "source": str, "everything": bool, "reason": str}
NAME = re.compile(r"[0-9A-Za-z*-]{0,127}")
POLL_SECONDS = 15


async def begin(engine: Engine, request: Request, caller: Caller) -> Queued | Answer:
    """POST /api/incidents: one order a vault on the queue `sweeps`; 200 with the counts for a dry run."""
    asked = request.json(BODY)
    short = str(asked.get("vault", ""))
    vaults = _vaults(engine, request, short)
    incident = _incident(asked, str(caller), engine.clock.now())
    if request.flag("dry_run"):
        return Answer(200, {**asdict(await CutOff(engine, incident).progress(vaults)), "status": "dry run"})
    if HEADER not in request.headers:
        # Sent again without one, because its answer was lost, it would replace everything a second time.
        raise BadRequest(
            "Idempotency-Key is missing", fix="send a new UUID, and the same one if you must send this again"
        )
    orders = tuple(SweepOrder.for_incident(vault, incident) for vault in vaults)
    scope = {"since": stamp(incident.since), "name": incident.name, "source": incident.source, "vault": short}
    location = "/api/incidents?" + urlencode({key: text for key, text in scope.items() if text})
    body = {"status": "queued", "since": scope["since"], "vaults": vaults, "reason": incident.reason}
    return Queued(orders, Answer(202, body, headers={"Location": location, "Retry-After": str(POLL_SECONDS)}))


async def follow(engine: Engine, request: Request) -> Answer:
    """GET /api/incidents?since=…: how far it has come, told from the vaults alone."""
    name, source = request.query.get("name", ""), request.query.get("source", "")
    incident = Incident(request.moment("since"), _name(name), _source(source))
    vaults = _vaults(engine, request, request.query.get("vault", ""))
    progress = await CutOff(engine, incident).progress(vaults)
    # It is over only where each credential is proven to be refused: what needs a person may still be accepted.
    status = "running" if progress.waiting else "needs a person" if progress.needs_a_person else "ended"
    status = status if progress.secrets else "nothing in scope"
    return Answer(200, {**asdict(progress), "status": status}, headers={"Retry-After": str(POLL_SECONDS)})


def _vaults(engine: Engine, request: Request, short: str) -> list[str]:
    return [request.vault(engine.policy, short)] if short else list(engine.policy.scopes)


def _incident(asked: dict[str, Any], caller: str, now: datetime) -> Incident:
    problems, reason = [], asked.get("reason", "").strip()
    if not reason:
        problems.append("reason is missing: say why, for the audit record")
    if not (asked.get("everything") or any(asked.get(key) for key in ("vault", "name", "source"))):
        problems.append("no scope: send vault, name or source, or everything: true")
    if problems:
        raise BadRequest("; ".join(problems), fix='send {"vault": …, "name": …, "source": …, "reason": …}')
    since = now.replace(microsecond=0) + timedelta(seconds=LEAD_SECONDS)
    return Incident(since, _name(asked.get("name", "")), _source(asked.get("source", "")), caller, reason)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        # Never cut or guessed at: it would mean other secrets.
        raise BadRequest(
            f"name is {text[:127]!r}", fix="letters, digits, dashes, and * for any characters, 127 at most"
        )
    return text


def _source(text: str) -> str:
    source = text.strip().rstrip("/").lower()
    if text.strip() and not SCOPE.fullmatch(source):
        raise BadRequest(f"source is {text[:120]!r}", fix="send /subscriptions/<id>… or the id of an Entra application")
    return source
