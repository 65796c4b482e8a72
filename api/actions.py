"""Act on one secret by hand: 202 with where to follow it, or 200 with what would happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args
from urllib.parse import urlencode

from msgspec import structs

from api import models
from api.access import Caller
from api.answers import Answer, Conflict
from api.forecast import forecast
from api.idempotency import Queued, need_key
from api.models import Verb
from api.request_models import ReasonBody, RestoreBody, RetireBody, RotateBody
from api.requests import Request, stamp
from api.similar_names import no_such
from engine.engine import Engine
from engine.errors import AccessDenied, NotFound, PermanentError
from engine.secret import VERSION_ID, SecretVersion, Version
from engine.state.decision import Confirm, Decision, Park, Restore, Skip, Wait
from engine.state.incident import deleted_at
from engine.state.request import Action, WorkItem
from engine.state.tags import OPERATION, STATE

__all__ = ["BODIES", "POLL_SECONDS", "VERBS", "Verb", "consider", "guard"]

VERBS: tuple[Verb, ...] = get_args(Verb)
type Sent = RotateBody | RetireBody | RestoreBody | ReasonBody
BODIES: Mapping[Verb, type[Sent]] = {
    "rotate": RotateBody,
    "retire": RetireBody,
    "restore": RestoreBody,
    "unpark": ReasonBody,
}
DELETED_FIX = "recover the secret and send this again, or revoke its credential there by hand"
HELD = "it holds already what version {} holds: nothing is left to do"
POLL_SECONDS = 5
"""When to ask again how an operation goes."""


async def consider(engine: Engine, verb: Verb, request: Request, caller: Caller) -> Queued | Answer:
    """Look at the secret, changing nothing; raises what stands in the request's way."""
    sent = request.read(BODIES[verb])
    # To unpark is to try again now: a mark goes when what it names is mended, never before.
    action: Action = "audit" if verb == "unpark" else verb
    ref = request.secret(engine.policy)
    data = structs.asdict(sent) | {"requested_by": str(caller), "action": action}
    back_to, now = data.pop("version", ""), engine.clock.now().isoformat()
    item = WorkItem.of(ref=ref, reported=now, **data)
    secret, decision = await _preview(engine, item)
    item = item.about(secret.version)
    if back_to and await _is_back(engine, secret, decision, back_to):
        return Answer.of(200, _done(secret, verb, HELD.format(back_to)))
    if verb == "restore" and not back_to and (held := await _undone(engine, secret, decision)):
        return Answer.of(200, _done(secret, verb, HELD.format(held)))
    if verb == "unpark" and STATE not in secret.tags and not isinstance(decision, Park):
        return Answer.of(200, _done(secret, verb, "it is not parked: nothing is left to do"))
    if request.flag("dry_run"):
        first = await engine.foreseen(secret, item, decision)
        return Answer.of(200, await forecast(engine, secret, item, first))
    # A leak is taken up whatever keeps the secret from being rotated: the engine comes back to it.
    is_leak = item.compromised and isinstance(decision, Park)
    idle = (Park, Skip, Wait) if verb == "unpark" else (Park, Skip, Wait, Confirm)
    if isinstance(decision, idle) and not is_leak:
        raise _refusal(decision)
    return Queued((item,), _accepted(engine, secret, item, verb, decision))


def guard(verb: Verb, request: Request) -> None:
    """Refuse a request without an Idempotency-Key that would do harm when it is sent again."""
    sent = request.read(BODIES[verb])
    if isinstance(sent, RotateBody) and (sent.force or sent.compromised):
        need_key(request, "sent again, it would rotate once more")


async def _preview(engine: Engine, item: WorkItem) -> tuple[SecretVersion, Decision]:
    try:
        if item.action == "retire" and item.force:
            _overrules(await engine.preview(replace(item, force=False)))
        return await engine.preview(item)
    except NotFound as error:
        if error.where != str(item.ref):
            raise
        known = (await engine.index()).of(item.ref) if item.compromised else ()
        if known:
            alive = deleted_at(*(record.source for record in known))
            raise NotFound(alive, where=error.where, fix=DELETED_FIX) from None
        raise await no_such(engine, item.ref) from None


async def _is_back(engine: Engine, secret: SecretVersion, decision: Decision, version: str) -> bool:
    """Return whether a secret holds what this version of it holds; Conflict if it cannot be had."""
    if isinstance(decision, Restore) and decision.pending.version == version:
        return False
    if version == secret.version or await _holds(engine, secret, version):
        return True
    fix = f"restore version {decision.pending.version}" if isinstance(decision, Restore) else ""
    # What is no version's id may be a value.
    named = version if VERSION_ID.fullmatch(version) else "(unreadable)"
    raise Conflict(
        f"version {named} is not the one that can be restored",
        fix=fix or getattr(decision, "fix", "") or "rotate instead",
    )


async def _undone(engine: Engine, secret: Version, decision: Decision) -> str:
    """Return the version that a restored secret went back to; empty if it is no restored one.

    Another restore would go forward again: who wants that names the version.
    """
    record = (
        await engine.leases.peek(decision.managed.source) if isinstance(decision, Restore) else None
    )
    return record.published.original if record and record.published and record.wrote(secret) else ""


async def _holds(engine: Engine, secret: SecretVersion, version: str) -> bool:
    if not VERSION_ID.fullmatch(version):
        return False
    try:
        earlier = await engine.vaults.read_version(secret.ref, version)
    except (NotFound, AccessDenied):
        # There is none, or it is disabled: what it holds was retired.
        return False
    return earlier.enabled and secret.enabled and earlier.value == secret.value


def _done(secret: Version, verb: Verb, reason: str) -> models.Operation:
    return models.Operation(
        operation=secret.tags.get(OPERATION),
        vault=secret.ref.vault_name,
        secret=secret.ref.name,
        version=secret.version,
        action=verb,
        status="succeeded",
        reason=reason,
    )


def _overrules(unforced: tuple[Version, Decision]) -> None:
    """Refuse `force` where it would be ignored: it shortens no overlap."""
    decision = unforced[1]
    if not isinstance(decision, Wait):
        fix = "leave it out; to cut a credential off early, send compromised with rotate"
        raise Conflict(
            f"force overrules an app that uses an older version, and none does: {decision.reason}",
            fix=fix,
        )


def _accepted(
    engine: Engine, secret: SecretVersion, item: WorkItem, verb: Verb, decision: Decision
) -> Answer:
    flags = {name: "true" for name in ("force", "compromised") if getattr(item, name)}
    since = stamp(engine.clock.now())
    path = f"/api/secrets/{item.ref.place}/operations/{item.operation}"
    queued = models.Queued(
        operation=item.operation,
        vault=item.ref.vault_name,
        secret=item.ref.name,
        version=secret.version,
        action=verb,
        since=since,
        status="queued",
        reason=decision.reason,
    )
    location = f"{path}?{urlencode({'action': verb, 'since': since, **flags})}"
    return Answer.of(202, queued, {"Location": location, "Retry-After": str(POLL_SECONDS)})


def _refusal(decision: Confirm | Skip | Wait | Park) -> PermanentError:
    kind = PermanentError if isinstance(decision, Park) else Conflict
    return kind(decision.reason, fix=getattr(decision, "fix", ""))
