"""The state of one secret as the inventory shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from engine.model.tags import DERIVED_FROM, OPERATION, REPLICA_OF, Managed
from engine.secret import SecretVersion

State = Literal["ok", "due", "overdue", "parked", "drifted", "dropped", "disabled", "unmanaged"]
STATES: tuple[State, ...] = get_args(State)
NEEDS_A_PERSON: frozenset[State] = frozenset({"overdue", "parked", "drifted", "dropped"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret as the inventory shows it."""

    secret: SecretVersion
    state: State
    reason: str
    """Why it is in this state; empty if there is nothing to say."""
    fix: str = ""
    managed: Managed | None = None
    """What its tags ask for; None if it is unmanaged or its tags are malformed."""
    due: datetime | None = None
    parked_since: datetime | None = None
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
            "created": _iso(secret.created),
            "expires": _iso(secret.expires),
            "due": _iso(self.due),
            "parked_since": _iso(self.parked_since),
            "under_way_since": _iso(self.under_way_since),
            "overlap_until": _iso(pending.at if pending else None),
            "operation": secret.tags.get(OPERATION),
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
