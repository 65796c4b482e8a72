"""What will happen in the time to come, if nothing goes wrong: the one decision, asked again and again ahead of time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from engine.decide.decision import Kinds, Retire, Rotate, Skip, Wait, decide, due_at
from engine.decide.inventory import entry
from engine.model import manual
from engine.model.policy import Policy
from engine.model.tags import OPERATION, OURS, REPLICA_OF, RETIRE, Managed, Pending
from engine.model.workitem import WorkItem
from engine.secret import SecretVersion

What = Literal["rotate", "retire", "remind", "expire"]


@dataclass(frozen=True, slots=True)
class Coming:
    """Something that will happen to a secret at a time, or has happened already and was left so."""

    at: datetime
    what: What
    """`remind`: a person should rotate it. `expire`: nothing will prevent that."""
    secret: SecretVersion
    reason: str
    fix: str = ""


def plan(
    secrets: Iterable[SecretVersion], policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> list[Coming]:
    """Tell what will happen to all secrets, in order of time."""
    found = [each for secret in secrets for each in forecast(secret, policy, kinds, now, until)]
    rotated: dict[str, datetime] = {}
    for each in found:
        if each.what == "rotate":
            rotated.setdefault(str(each.secret.ref).lower(), each.at)
    return sorted((each for each in found if not _followed(each, rotated)), key=lambda each: each.at)


def forecast(secret: SecretVersion, policy: Policy, kinds: Kinds, now: datetime, until: datetime) -> Iterator[Coming]:
    """Tell what will happen to one secret, its current version as a listing shows it."""
    one = entry(secret, policy, kinds, now)
    if policy.is_own(secret.ref):
        return
    if secret.enabled and manual.is_manual(one.secret.tags):
        if one.due and one.due <= until:
            yield Coming(one.due, "remind", secret, one.reason, manual.FIX)
    elif one.managed and one.state in ("ok", "due", "overdue"):
        yield from _ahead(secret, one.managed, policy, kinds, now, until)
        return
    if secret.expires and secret.expires <= until:
        yield Coming(secret.expires, "expire", secret, one.reason or "nothing rotates it", one.fix)


def _ahead(
    secret: SecretVersion, managed: Managed, policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> Iterator[Coming]:
    """Play the sweeps of the time to come, with a version in mind in place of each that will be published."""
    moment = now
    while moment <= until:
        match decide(secret, WorkItem(secret.ref, trigger="sweep"), policy, kinds, moment):
            case Rotate(_, reason):
                yield Coming(moment, "rotate", secret, reason)
                secret = _rotated(secret, managed, moment)
                following = moment
            case Retire(_, _, reason):
                yield Coming(moment, "retire", secret, reason)
                secret = replace(secret, tags={tag: text for tag, text in secret.tags.items() if tag != RETIRE})
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
    """Return the version that a rotation will write, as far as it can be known."""
    tags = {tag: text for tag, text in secret.tags.items() if tag not in OURS} | {OPERATION: "to come"}
    if not managed.rotator.single_slot(managed.settings):
        held = secret.tags.get("CredentialId", "this one")
        tags["CredentialId"] = "the next" if held != "the next" else "the one after"
        tags[RETIRE] = str(Pending(at + managed.overlap, "0", held))
    return replace(secret, created=at, expires=at + managed.validity, tags=tags)


def _next(secret: SecretVersion, managed: Managed, moment: datetime) -> datetime | None:
    """Return when something will be due next."""
    times = [due_at(secret, managed), *([Pending.parse(secret.tags[RETIRE]).at] if RETIRE in secret.tags else [])]
    return min((each for each in times if each > moment), default=None)


def _followed(one: Coming, rotated: dict[str, datetime]) -> bool:
    """Tell whether it is a replica's expiry, which its primary's rotation forestalls."""
    primary = one.secret.tags.get(REPLICA_OF, "").strip().rstrip("/").lower()
    return one.what == "expire" and primary in rotated and rotated[primary] <= one.at
