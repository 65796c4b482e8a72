"""What one request leads to, and what will happen to secrets if nothing goes wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from engine.kinds import Kinds
from engine.planning.decision import Tagged, decided
from engine.planning.inventory import entry
from engine.secret import Version
from engine.state.decision import Decision, Retire, Rotate, Skip, Wait
from engine.state.due import BY_HAND_FIX, due_at, is_manual
from engine.state.entry import Coming
from engine.state.policy import Policy
from engine.state.request import WorkItem
from engine.state.tags import OPERATION, OURS, REPLICA_OF, RETIRE, Managed, Pending, unretired


def steps(
    secret: Version, item: WorkItem, first: Decision, policy: Policy, kinds: Kinds, now: datetime
) -> list[Decision]:
    """Return the decisions in turn, beginning with `first`.

    A retirement makes room for the rotation that was waiting for it. A compromised credential
    gets no overlap, so its retirement follows its replacement. A source with a single slot needs
    no retirement: it has already forgotten the old credential.
    """
    follow: list[Decision] = [first]
    if isinstance(first, Retire):
        retired = replace(secret, tags=unretired(secret.tags))
        following = decided(Tagged.of(retired, policy, kinds), item, policy, now)
        if isinstance(following, Rotate):
            follow.append(following)
    last = follow[-1]
    if isinstance(last, Rotate) and last.at_once and not last.managed.is_single:
        credential = last.managed.credential_id or "the credential held now"
        held = Pending(now, secret.version or "", credential)
        follow.append(Retire(last.managed, held, "compromised: it gets no overlap"))
    return follow


def plan(
    secrets: Iterable[Version], policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> list[Coming]:
    """Return what will happen to all secrets, in order of time."""
    coming = [
        event for secret in secrets for event in forecast(secret.bare, policy, kinds, now, until)
    ]
    rotated: dict[str, datetime] = {}
    for event in coming:
        if event.what == "rotate":
            rotated.setdefault(str(event.secret.ref).lower(), event.at)
    return sorted(
        (event for event in coming if not _followed(event, rotated)), key=lambda event: event.at
    )


def forecast(
    secret: Version, policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> Iterator[Coming]:
    """Yield what will happen to one secret, given its current version as a listing shows it."""
    current = entry(secret, policy, kinds, now)
    if policy.is_own(secret.ref):
        return
    if secret.enabled and is_manual(current.secret.tags):
        if current.due and current.due <= until:
            yield Coming(current.due, "remind", secret, current.reason, BY_HAND_FIX)
    elif current.managed and current.state in ("ok", "due", "overdue"):
        yield from _ahead(secret, current.managed, policy, kinds, now, until)
        return
    if secret.expires and secret.expires <= until:
        yield Coming(
            secret.expires, "expire", secret, current.reason or "nothing rotates it", current.fix
        )


def _ahead(
    secret: Version, managed: Managed, policy: Policy, kinds: Kinds, now: datetime, until: datetime
) -> Iterator[Coming]:
    """Play the sweeps to come, replacing the version by each one that will be published."""
    moment = now
    while moment <= until:
        tagged, sweep = Tagged.of(secret, policy, kinds), WorkItem(secret.ref, trigger="sweep")
        match decided(tagged, sweep, policy, moment):
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


def _rotated(secret: Version, managed: Managed, at: datetime) -> Version:
    """Return the version that a rotation will write, as far as it is known in advance."""
    tags = {tag: text for tag, text in secret.tags.items() if tag not in OURS} | {
        OPERATION: "to come"
    }
    if not managed.is_single:
        held = secret.tags.get("CredentialId", "this one")
        tags["CredentialId"] = "the next"
        tags[RETIRE] = str(Pending(at + managed.overlap, "0", held))
    return replace(secret, created=at, expires=at + managed.validity, tags=tags)


def _next(secret: Version, managed: Managed, moment: datetime) -> datetime | None:
    times = [
        due_at(secret, managed),
        *([Pending.parse(secret.tags[RETIRE]).at] if RETIRE in secret.tags else []),
    ]
    return min((time for time in times if time > moment), default=None)


def _followed(coming: Coming, rotated: dict[str, datetime]) -> bool:
    """Return whether this is a replica's expiry that its primary's rotation prevents."""
    primary = coming.secret.tags.get(REPLICA_OF, "").strip().rstrip("/").lower()
    return coming.what == "expire" and primary in rotated and rotated[primary] <= coming.at
