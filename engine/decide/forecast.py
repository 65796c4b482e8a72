"""What will happen in the time to come if nothing goes wrong. Pure.

It asks for the one decision again and again, at later and later times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from engine.decide.decision import decide
from engine.decide.inventory import entry
from engine.decide.tagged import Kinds
from engine.model import manual
from engine.model.coming import Coming
from engine.model.decision import Retire, Rotate, Skip, Wait
from engine.model.due import due_at
from engine.model.policy import Policy
from engine.model.tags import OPERATION, OURS, REPLICA_OF, RETIRE, Managed, Pending, unretired
from engine.model.workitem import WorkItem
from engine.secret import SecretVersion


def plan(
    secrets: Iterable[SecretVersion], policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> list[Coming]:
    """Return what will happen to all secrets, in order of time."""
    coming = [event for secret in secrets for event in forecast(secret, policy, kinds, now, until)]
    rotated: dict[str, datetime] = {}
    for event in coming:
        if event.what == "rotate":
            rotated.setdefault(str(event.secret.ref).lower(), event.at)
    return sorted(
        (event for event in coming if not _followed(event, rotated)), key=lambda event: event.at
    )


def forecast(
    secret: SecretVersion, policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> Iterator[Coming]:
    """Yield what will happen to one secret, given its current version as a listing shows it."""
    current = entry(secret, policy, kinds, now)
    if policy.is_own(secret.ref):
        return
    if secret.enabled and manual.is_manual(current.secret.tags):
        if current.due and current.due <= until:
            yield Coming(current.due, "remind", secret, current.reason, manual.FIX)
    elif current.managed and current.state in ("ok", "due", "overdue"):
        yield from _ahead(secret, current.managed, policy, kinds, now, until)
        return
    if secret.expires and secret.expires <= until:
        yield Coming(
            secret.expires, "expire", secret, current.reason or "nothing rotates it", current.fix
        )


def _ahead(
    secret: SecretVersion,
    managed: Managed,
    policy: Policy,
    kinds: Kinds,
    now: datetime,
    until: datetime,
) -> Iterator[Coming]:
    """Play the sweeps to come, replacing the version by each one that will be published."""
    moment = now
    while moment <= until:
        match decide(secret, WorkItem(secret.ref, trigger="sweep"), policy, kinds, moment):
            case Rotate(_, reason):
                yield Coming(moment, "rotate", secret, reason)
                secret = _rotated(secret, managed, moment)
                following = moment
            case Retire(_, _, reason):
                yield Coming(moment, "retire", secret, reason)
                secret = replace(secret, tags=unretired(secret.tags))
                following = moment
            case Wait(until_then, reason, fix):
                if secret.expires and moment < secret.expires <= min(until_then, until):
                    yield Coming(secret.expires, "expire", secret, reason, fix)
                following = until_then
            case Skip() if later := _next(secret, managed, moment):
                following = later
            case _:
                return
        moment = following


def _rotated(secret: SecretVersion, managed: Managed, at: datetime) -> SecretVersion:
    """Return the version that a rotation will write, as far as it is known in advance."""
    tags = {tag: text for tag, text in secret.tags.items() if tag not in OURS} | {
        OPERATION: "to come"
    }
    if not managed.rotator.single_slot(managed.settings):
        held = secret.tags.get("CredentialId", "this one")
        tags["CredentialId"] = "the next"
        tags[RETIRE] = str(Pending(at + managed.overlap, "0", held))
    return replace(secret, created=at, expires=at + managed.validity, tags=tags)


def _next(secret: SecretVersion, managed: Managed, moment: datetime) -> datetime | None:
    """Return when the next thing will be due."""
    times = [
        due_at(secret, managed),
        *([Pending.parse(secret.tags[RETIRE]).at] if RETIRE in secret.tags else []),
    ]
    return min((time for time in times if time > moment), default=None)


def _followed(coming: Coming, rotated: dict[str, datetime]) -> bool:
    """Return whether this is a replica's expiry that its primary's rotation prevents."""
    primary = coming.secret.tags.get(REPLICA_OF, "").strip().rstrip("/").lower()
    return coming.what == "expire" and primary in rotated and rotated[primary] <= coming.at
