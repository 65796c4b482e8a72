"""How every secret stands, from a listing alone: no call a secret, no value. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from engine.decide.decision import Decision, Kinds, Park, Retire, Rotate, Wait, decide, due_at
from engine.model import manual
from engine.model.policy import Policy
from engine.model.record import Listed
from engine.model.tags import OPERATION, REASON, REPLICA_OF, Malformed, Managed, marked_since, parse
from engine.model.workitem import WorkItem
from engine.secret import SecretVersion

State = Literal["ok", "due", "overdue", "parked", "drifted", "dropped", "disabled", "unmanaged"]
STATES: tuple[State, ...] = get_args(State)
NEEDS_A_PERSON: frozenset[State] = frozenset({"overdue", "parked", "drifted", "dropped"})

LATE = "see that sweeps run, then rotate it by hand: the answer says what holds it up"
GRACE = timedelta(days=1)
"""A due secret that has not been rotated for this long, although nothing holds it up, is overdue."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret as the inventory shows it."""

    secret: SecretVersion
    state: State
    reason: str
    """Why it is in this state, where there is something to say."""
    fix: str = ""
    managed: Managed | None = None
    """What its tags ask for; None where it is unmanaged, or they cannot be followed."""
    due: datetime | None = None
    parked_since: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what people and programs may see of it."""
        secret, managed = self.secret, self.managed
        pending = managed.pending if managed else None
        return {
            "vault": secret.ref.vault,
            "secret": secret.ref.name,
            "state": self.state,
            "reason": self.reason,
            "fix": self.fix,
            "rotator": managed.rotator.kind if managed else None,
            "source": managed.source if managed else None,
            "credential": secret.tags.get("CredentialId"),
            "owner": secret.tags.get("Owner"),
            "replica_of": secret.tags.get(REPLICA_OF),
            "enabled": secret.enabled,
            "created": _iso(secret.created),
            "expires": _iso(secret.expires),
            "due": _iso(self.due),
            "parked_since": _iso(self.parked_since),
            "overlap_until": _iso(pending.at if pending else None),
            "operation": secret.tags.get(OPERATION),
        }


def entry(secret: SecretVersion, policy: Policy, kinds: Kinds, now: datetime, records: Sequence[Listed] = ()) -> Entry:
    """Judge one secret, the current version as a listing or a read shows it, and what `records` say of it."""
    held, secret = secret, policy.applied(secret)
    if not secret.enabled:
        return Entry(secret, "disabled", "the current version is disabled", "enable it, or delete the secret")
    if policy.is_own(secret.ref):
        return Entry(secret, "unmanaged", "it holds the policy document")
    if manual.is_manual(secret.tags):
        return _by_hand(secret, manual.due_at(held, policy), now)
    if "ProviderAddress" not in secret.tags:
        return _without_source(secret, now, records)
    managed = parse(secret.tags, policy, kinds)
    known = None if isinstance(managed, Malformed) else managed
    due = due_at(secret, known) if known else None
    if since := marked_since(secret):
        drifted = secret.tags["RekeyState"].startswith("drifted ")
        reason = secret.tags.get(REASON, "see the log")
        fix = "mend what the reason names, then unpark it"
        return Entry(secret, "drifted" if drifted else "parked", reason, fix, known, due, since)
    decision = decide(held, WorkItem(secret.ref, trigger="sweep"), policy, kinds, now)
    return _as_decided(secret, decision, known, due, now)


def _as_decided(
    secret: SecretVersion, decision: Decision, managed: Managed | None, due: datetime | None, now: datetime
) -> Entry:
    expired = secret.expires is not None and secret.expires <= now
    match decision:
        case Park(reason, fix):
            return Entry(secret, "parked", reason, fix, managed, due)
        case Rotate(_, reason) | Retire(_, _, reason):
            since = decision.pending.at if isinstance(decision, Retire) else due
            late = expired or (since is not None and since + GRACE <= now)
            return Entry(secret, "overdue" if late else "due", reason, LATE if late else "", managed, due)
        case Wait(_, reason, fix):
            return Entry(secret, "overdue" if expired else "due", reason, fix, managed, due)
        case _:
            return Entry(secret, "ok", "", "", managed, due)


def _by_hand(secret: SecretVersion, due: datetime | None, now: datetime) -> Entry:
    expired = secret.expires is not None and secret.expires <= now
    state: State = "overdue" if expired else "due" if due is not None and due <= now else "ok"
    return Entry(secret, state, "only a person rotates it", "" if state == "ok" else manual.FIX, due=due)


def _without_source(secret: SecretVersion, now: datetime, known: Sequence[Listed]) -> Entry:
    if primary := secret.tags.get(REPLICA_OF):
        late = secret.expires is not None and secret.expires <= now
        reason = f"a replica, written when {primary} is rotated"
        return Entry(secret, "overdue" if late else "ok", reason, "rotate the primary" if late else "")
    if any(listed.created and secret.created > listed.created for listed in known):
        # Key Vault copies no tags onto a new version: who meant to unmanage it took the tag off the version itself.
        reason = (
            "a new version without tags took it out of management; its earlier credentials are not rotated any more"
        )
        return Entry(
            secret, "dropped", reason, f"give its tags back: rekey adopt {secret.ref.vault_name} {secret.ref.name}"
        )
    return Entry(secret, "unmanaged", "no tag ProviderAddress", "tag the secret with what issues its credential")


def days_to_expiry(secret: SecretVersion, now: datetime) -> float | None:
    """Return the days until the secret expires, negative once it has; None where it never does."""
    return None if secret.expires is None else (secret.expires - now) / timedelta(days=1)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
