"""What a vault holds: secrets with their versions, deleted ones, and the switches that tests turn."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.identity import HOME_TENANT
from simulator.keyvault import events
from simulator.rates import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WINDOW = timedelta(seconds=10)


@dataclass(frozen=True)
class SecretVersion:
    """One version of a secret. Times are Unix seconds; what is unset is None."""

    name: str
    version: str
    value: str
    created: int
    updated: int
    enabled: bool = True
    expires: int | None = None
    not_before: int | None = None
    content_type: str | None = None
    tags: Mapping[str, str] | None = None
    kid: str | None = None

    @property
    def managed(self) -> bool:
        """Tell whether the secret belongs to a certificate, so that Key Vault looks after its lifetime."""
        return self.kid is not None


@dataclass(frozen=True)
class DeletedSecret:
    """A soft-deleted secret: its versions, when it was deleted, and from when on Key Vault shows it as deleted."""

    versions: tuple[SecretVersion, ...]
    deleted: int
    visible_from: datetime


@dataclass
class Vault:
    """One vault. `domain` gives the part of the host after the name, and may change when a server takes its port.

    Switches: `deletion_delay` and `recovery_delay` (both are asynchronous in Key Vault), `empty_pages` (a page
    without items before each page with some), `retry_after` (seconds that a 429 names; none by default, as users saw),
    `lags` (how far behind each replica is that reads go to in turn: Key Vault promises no read of what was just written),
    `copy_of` (all reads come from a copy of that time, as after a failover).
    """

    name: str
    subscription: str
    group: str
    domain: Callable[[], str]
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes] = os.urandom
    location: str = "westeurope"
    tenant: str = HOME_TENANT
    recoverable_days: int = 90
    deletion_delay: timedelta = timedelta(seconds=4)
    recovery_delay: timedelta = timedelta(0)
    empty_pages: bool = False
    retry_after: int | None = None
    creates: Rate = field(default_factory=lambda: Rate(300, WINDOW))
    others: Rate = field(default_factory=lambda: Rate(4000, WINDOW))
    secrets: dict[str, list[SecretVersion]] = field(default_factory=dict)
    deleted: dict[str, DeletedSecret] = field(default_factory=dict)
    recovering: dict[str, datetime] = field(default_factory=dict)
    lags: tuple[timedelta, ...] = (timedelta(0),)
    copy_of: datetime | None = None
    history: dict[str, list[tuple[datetime, tuple[SecretVersion, ...]]]] = field(default_factory=dict)
    turns: Iterator[int] = field(default_factory=itertools.count)

    @property
    def host(self) -> str:
        """The vault's host, with the port where the domain has one."""
        return f"{self.name}.{self.domain()}"

    @property
    def url(self) -> str:
        """The vault's address, without a slash at its end."""
        return f"https://{self.host}"

    @property
    def resource_id(self) -> str:
        """The vault's ARM id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/Microsoft.KeyVault/vaults/{self.name}"

    def seconds(self) -> int:
        """Return the vault's time in whole Unix seconds, as its timestamps hold it."""
        return int(self.now().timestamp())

    def put(
        self,
        name: str,
        value: str,
        *,
        expires: datetime | None = None,
        not_before: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        content_type: str | None = None,
        enabled: bool = True,
        created: datetime | None = None,
    ) -> SecretVersion:
        """Add a version that inherits nothing from the one before, without asking who wants it: for seeding a world."""
        made = self.seconds() if created is None else int(created.timestamp())
        version = SecretVersion(
            name=self._spelling(name),
            version=self.entropy(16).hex(),
            value=value,
            created=made,
            updated=made,
            enabled=enabled,
            expires=None if expires is None else int(expires.timestamp()),
            not_before=None if not_before is None else int(not_before.timestamp()),
            content_type=content_type,
            tags=None if tags is None else dict(tags),
        )
        self.secrets.setdefault(name.lower(), []).append(version)
        self._remember(name)
        return version

    def shown(self, name: str, seen: datetime | None = None) -> list[SecretVersion]:
        """Return a secret's versions, oldest first, as the replica shows them that answers the next read.

        `seen` is the time up to which that replica knows everything, where several secrets are read at once.
        """
        at = self.at_next_replica() if seen is None else seen
        if at >= self.now():
            return self.versions(name)
        states = [state for changed, state in self.history.get(name.lower(), []) if changed <= at]
        if not states and not self.history.get(name.lower()):
            return self.versions(name)
        return sorted(states[-1] if states else (), key=lambda version: version.created)

    def at_next_replica(self) -> datetime:
        """Return the time up to which the replica that answers the next read knows everything."""
        behind = self.now() - self.lags[next(self.turns) % len(self.lags)]
        return min(behind, self.copy_of) if self.copy_of else behind

    def _remember(self, name: str) -> None:
        states = self.history.setdefault(name.lower(), [])
        states.append((self.now(), tuple(self.secrets.get(name.lower(), ()))))

    def versions(self, name: str) -> list[SecretVersion]:
        """Return a secret's versions, oldest first; versions of one second stand in the order in which they came."""
        return sorted(self.secrets.get(name.lower(), []), key=lambda version: version.created)

    def latest(self, name: str) -> SecretVersion | None:
        """Return the newest version, enabled or not; None where there is no such secret."""
        return self.versions(name)[-1] if self.secrets.get(name.lower()) else None

    def find(self, name: str, version: str = "") -> SecretVersion | None:
        """Return one version, the latest where `version` is empty; None where it does not exist."""
        if not version:
            return self.latest(name)
        return next((candidate for candidate in self.versions(name) if candidate.version == version.lower()), None)

    def amend(self, old: SecretVersion, **changes: Any) -> SecretVersion:
        """Change attributes of one version in place, and its `updated` time with them; the value never changes."""
        new = replace(old, updated=self.seconds(), **changes)
        held = self.secrets[old.name.lower()]
        held[held.index(old)] = new
        self._remember(old.name)
        return new

    def delete(self, name: str) -> DeletedSecret:
        """Soft-delete a secret at once; KeyError where there is none. It shows as deleted after `deletion_delay`."""
        versions = self.secrets.pop(name.lower())
        gone = DeletedSecret(tuple(versions), self.seconds(), self.now() + self.deletion_delay)
        self.deleted[name.lower()] = gone
        self._remember(name)
        return gone

    def recover(self, name: str) -> SecretVersion:
        """Bring a deleted secret back; KeyError where there is none. It is readable after `recovery_delay`."""
        gone = self.deleted.pop(name.lower())
        self.secrets[name.lower()] = list(gone.versions)
        self.recovering[name.lower()] = self.now() + self.recovery_delay
        self._remember(name)
        return self.versions(name)[-1]

    def is_recovering(self, name: str) -> bool:
        """Tell whether a recovered secret is not yet back."""
        return self.recovering.get(name.lower(), datetime.min.replace(tzinfo=UTC)) > self.now()

    def near_expiry_event(
        self, name: str, schema: events.Schema = "eventgrid", quirk: events.Quirk | None = None
    ) -> dict[str, object]:
        """Return the event that Event Grid sends when the latest version nears its expiry."""
        return self.event("SecretNearExpiry", name, schema, quirk)

    def event(
        self, kind: events.Kind, name: str, schema: events.Schema = "eventgrid", quirk: events.Quirk | None = None
    ) -> dict[str, object]:
        """Return an event about the latest version of a secret; KeyError where there is none."""
        latest = self.latest(name)
        if latest is None:
            raise KeyError(name)
        return events.build(self, latest, kind, schema, quirk)

    def _spelling(self, name: str) -> str:
        held = self.secrets.get(name.lower())
        return held[0].name if held else name
