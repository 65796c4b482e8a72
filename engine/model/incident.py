"""Everything in a scope is compromised: what is meant, and how far its replacement has come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from engine.model.entry import Entry
from engine.model.manual import is_manual
from engine.model.tags import REPLICA_OF
from engine.model.workitem import WorkItem
from engine.secret import SecretRef

NAMED = 100
"""How many secrets that need a person are named in a report; all are counted."""
WAITERS = 1000
"""How many of those that wait are named."""
ID = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$"
"""What an incident's id looks like: when it began, and letters that tell two of one second apart."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What is compromised since when, who says so, and why."""

    since: datetime
    """Whole seconds, in UTC. What was written before this time is replaced."""
    name: str = ""
    """A pattern of secrets' names in which `*` stands for any characters; all names if empty."""
    source: str = ""
    """The id (lower case) of a resource, or of what holds it; all sources if empty."""
    requested_by: str = ""
    reason: str = ""
    id: str = ""
    """How it is asked for; empty for one that nobody keeps."""
    vaults: tuple[str, ...] = ()
    """The URLs of the vaults in its scope."""

    def covers(self, one: Entry) -> bool:
        """Tell whether a secret is in the incident's scope, also one that Rekey cannot rotate."""
        if self.name and not fnmatchcase(one.secret.ref.name.lower(), self.name.lower()):
            return False
        tags = one.secret.tags
        if self.source:
            source = one.managed.source if one.managed else tags.get("ProviderAddress", "").strip().rstrip("/").lower()
            return source == self.source or source.startswith(self.source + "/")
        return "ProviderAddress" in tags or REPLICA_OF in tags or is_manual(tags)

    def work(self, ref: SecretRef, version: str | None, source: str | None) -> WorkItem:
        """Return the work item that replaces this version and cuts its credential off."""
        return WorkItem(
            ref,
            version=version,
            trigger="manual",
            requested_by=self.requested_by,
            reason=self.reason,
            compromised=True,
            since=self.since.isoformat(),
            source=source,
        )

    def to_dict(self) -> dict[str, str]:
        """Write it into a message, which is about one vault and so names none."""
        texts = {name: text for name, text in asdict(self).items() if name != "vaults"}
        return {**texts, "since": self.since.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Incident:
        """Read it from a message; raises ValueError, TypeError or LookupError."""
        since = datetime.fromisoformat(data["since"])
        texts = {key: str(data.get(key, "")) for key in ("name", "source", "requested_by", "reason", "id")}
        vaults = tuple(str(vault) for vault in data.get("vaults", ()))
        return cls(since.replace(tzinfo=since.tzinfo or UTC), **texts, vaults=vaults)


def is_replica(one: Entry) -> bool:
    """Tell whether a secret is only written when another one is rotated."""
    return REPLICA_OF in one.secret.tags and "ProviderAddress" not in one.secret.tags


@dataclass
class Progress:
    """How far an incident has come, counted from the vaults."""

    secrets: int = 0
    rotated: int = 0
    """Replaced since the incident began, and the old credential cut off."""
    waiting: int = 0
    """Queued, or being worked on."""
    needs_a_person: int = 0
    named: list[dict[str, str]] = field(default_factory=list)
    """The first of those, each with its reason."""
    waiting_for: list[dict[str, str | None]] = field(default_factory=list)
    """The first of those that wait."""

    def add(self, incident: Incident, one: Entry, *, is_open: bool, by_hand: bool) -> None:
        """Count one secret that the incident covers; `by_hand`: somebody has written its current version since."""
        self.secrets += 1
        if one.managed is None and not is_replica(one):
            self._name(one, one.reason or "it cannot be rotated", one.fix)
        elif self._stuck(incident, one):
            self._name(one, one.reason, one.fix)
        elif by_hand and not is_open:
            fix = "see whether that value is a new one; else rotate it with compromised"
            self._name(one, "somebody has written a version by hand since the incident began", fix)
        elif is_open:
            self._wait(one)
        else:
            self.rotated += 1

    @staticmethod
    def _stuck(incident: Incident, one: Entry) -> bool:
        """An older mark says nothing of the incident; what would be parked and bears no mark has no room for one."""
        return one.parked_since >= incident.since if one.parked_since else one.state == "parked"

    def _wait(self, one: Entry) -> None:
        self.waiting += 1
        if len(self.waiting_for) < WAITERS:
            source = one.managed.source if one.managed else None
            owner = one.secret.tags.get("Owner")
            self.waiting_for.append({**_place(one), "source": source, "owner": owner})

    def _name(self, one: Entry, reason: str, fix: str) -> None:
        self.needs_a_person += 1
        if len(self.named) < NAMED:
            self.named.append({**_place(one), "reason": reason, "fix": fix})


def _place(one: Entry) -> dict[str, str]:
    return {"vault": one.secret.ref.vault_name, "secret": one.secret.ref.name}
