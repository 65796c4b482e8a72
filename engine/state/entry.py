"""The state of one secret in the inventory, the counts of a sweep, and what comes next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from engine.secret import Version
from engine.state.tags import DERIVED_FROM, OPERATION, REPLICA_OF, Managed

State = Literal["ok", "due", "overdue", "parked", "drifted", "dropped", "disabled", "unmanaged"]
STATES: tuple[State, ...] = get_args(State)
NEEDS_A_PERSON: frozenset[State] = frozenset({"overdue", "parked", "drifted", "dropped"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret as the inventory shows it."""

    secret: Version
    state: State
    reason: str
    """Why it is in this state; empty if there is nothing to say."""
    fix: str = ""
    managed: Managed | None = None
    """What its tags ask for; None if it is unmanaged or its tags are malformed."""
    due: datetime | None = None
    parked_since: datetime | None = None
    is_leaked: bool = False
    """What has leaked of it is not proven to be refused yet."""
    under_way_since: datetime | None = None
    """Since when its source has been at a change that it accepted and goes on with."""

    def to_json(self) -> dict[str, Any]:
        """Return what people and programs may see of the entry."""
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
            "derived_from": secret.tags.get(DERIVED_FROM),
            "enabled": secret.enabled,
            "created": iso(secret.created),
            "expires": iso(secret.expires),
            "due": iso(self.due),
            "parked_since": iso(self.parked_since),
            "under_way_since": iso(self.under_way_since),
            "overlap_until": iso(pending.at if pending else None),
            "operation": secret.tags.get(OPERATION),
        }


def iso(moment: datetime | None) -> str | None:
    """Return a time as people and programs are shown it."""
    return moment.isoformat(timespec="seconds") if moment else None


UNKNOWN_KIND = "unknown"
"""The kind of a secret whose tags do not say it, or are malformed."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long until one managed secret expires."""

    secret: str
    rotator: str
    days: float
    """Days until it expires; negative once it has."""


@dataclass
class SweepSummary:
    """The counts of one sweep."""

    vault: str
    seen: int = 0
    posted: int = 0
    broken: int = 0
    """Secrets that could not be judged, and digests that could not be written."""
    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    """Empty where no state is counted."""
    expiries: list[Expiry] = field(default_factory=list)
    """Only those of this call of the sweep: all of them would not fit into a message."""
    goes_on: bool = False
    """Whether another call of the sweep follows."""

    def add(self, entry: Entry, now: datetime) -> None:
        """Count one secret."""
        if self.states:
            self.states[entry.state] += 1
        is_live = entry.secret.enabled and entry.state != "unmanaged"
        if is_live and (expires := entry.secret.expires):
            kind = entry.managed.rotator.kind if entry.managed else UNKNOWN_KIND
            days = round((expires - now) / timedelta(days=1), 3)
            self.expiries.append(Expiry(entry.secret.ref.name, kind, days))


@dataclass(frozen=True, slots=True)
class LastSweep:
    """What is remembered of the sweeps of one vault."""

    vault: str
    """The vault's URL."""
    ended: datetime | None
    """When its last sweep finished; None if none did or it is not known."""
    due: datetime
    """When the next one is due."""
    covered: datetime | None = None
    """Until when sweeps that finished have covered what falls due; None if it is not known."""


What = Literal["rotate", "retire", "remind", "expire"]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One thing that will happen to a secret, or a past expiry that nobody has dealt with."""

    at: datetime
    what: What
    """`remind`: a person should rotate the secret. `expire`: nothing will prevent its expiry."""
    secret: Version
    reason: str
    fix: str = ""
