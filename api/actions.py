"""Act on one secret by hand: 202 with where to follow the operation, or 200 with what would happen."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlencode

from api.access import Caller
from api.answers import Answer, Conflict
from api.once import Queued
from api.requests import Request, stamp
from engine.decide.decision import Confirm, Decision, Park, Restore, Retire, Rotate, Skip, Wait, due_at
from engine.errors import PermanentError
from engine.model.tags import STATE
from engine.model.workitem import Action, WorkItem
from engine.rotate.engine import Engine
from engine.secret import SecretVersion

Verb = Literal["rotate", "retire", "restore", "unpark"]
VERBS: tuple[Verb, ...] = ("rotate", "retire", "restore", "unpark")
BODY: dict[str, type] = {"force": bool, "compromised": bool, "reason": str}
POLL_SECONDS = 5
"""When to ask again how an operation goes."""


async def consider(engine: Engine, verb: Verb, request: Request, caller: Caller) -> Queued | Answer:
    """Look at the secret, changing nothing; raises what keeps the request from being carried out."""
    asked = request.json(BODY)
    # To unpark is to try again now: a mark goes when what it names is mended, never before.
    action: Action = "audit" if verb == "unpark" else verb
    ref = request.secret(engine.policy)
    item = WorkItem(ref, action, trigger="manual", requested_by=str(caller), **asked)
    secret, decision = await engine.preview(item)
    item = item.about(secret.version)
    if verb == "unpark" and STATE not in secret.tags:
        raise Conflict("it is not parked", fix="rotate it, if that is what you want")
    if request.flag("dry_run"):
        return _forecast(secret, item, decision)
    if isinstance(decision, Park | Skip | Wait) or (isinstance(decision, Confirm) and verb != "unpark"):
        raise _refusal(decision)
    return Queued((item,), _accepted(engine, secret, item, verb, decision))


def _accepted(engine: Engine, secret: SecretVersion, item: WorkItem, verb: Verb, decision: Decision) -> Answer:
    flags = {name: "true" for name in ("force", "compromised") if getattr(item, name)}
    asked = {"action": verb, "since": stamp(engine.clock.now()), **flags}
    path = f"/api/secrets/{item.ref.vault_name}/{item.ref.name}/operations/{item.operation}"
    body = {**_subject(secret, item), "status": "queued", "reason": decision.reason}
    return Answer(202, body, headers={"Location": f"{path}?{urlencode(asked)}", "Retry-After": str(POLL_SECONDS)})


def _subject(secret: SecretVersion, item: WorkItem) -> dict[str, Any]:
    return {
        "operation": item.operation,
        "vault": item.ref.vault,
        "secret": item.ref.name,
        "version": secret.version,
    }


def _forecast(secret: SecretVersion, item: WorkItem, decision: Decision) -> Answer:
    would: dict[str, Any] = {
        **_subject(secret, item),
        "action": type(decision).__name__.lower(),
        "reason": decision.reason,
    }
    if isinstance(decision, Skip | Wait | Park) and decision.fix:
        would["fix"] = decision.fix
    if isinstance(decision, Rotate) and decision.warning:
        would["warning"] = decision.warning
    if isinstance(decision, Wait):
        would["until"] = decision.until.isoformat()
    if isinstance(decision, Rotate | Retire | Restore | Confirm):
        managed = decision.managed
        would |= {"rotator": managed.rotator.kind, "source": managed.source, "credential": managed.credential_id}
        would["due"] = due_at(secret, managed).isoformat()
    return Answer(200, would)


def _refusal(decision: Confirm | Skip | Wait | Park) -> PermanentError:
    kind = PermanentError if isinstance(decision, Park) else Conflict
    return kind(decision.reason, fix=getattr(decision, "fix", ""))
