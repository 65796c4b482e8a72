"""A vault's state: secrets with their versions, deleted secrets, and switches for tests."""

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
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simulator.keyvault.key_pairs import CertificateVersion, Creation
    from simulator.telemetry.vault_logs import Audited

WINDOW = timedelta(seconds=10)


@dataclass(frozen=True)
class SecretVersion:
    """One version of a secret. Times are Unix seconds; unset attributes are None."""

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
        """Return whether the secret belongs to a certificate, whose lifetime Key Vault manages."""
        return self.kid is not None


@dataclass(frozen=True)
class DeletedSecret:
    """A soft-deleted secret: its versions, the time of deletion, and when that becomes visible."""

    versions: tuple[SecretVersion, ...]
    deleted: int
    visible_from: datetime


@dataclass
class Vault:
    """One vault.

    `domain` gives the host's suffix after the name; it may change when a server gets its port.

    Switches: `deletion_delay` and `recovery_delay` (both are asynchronous in Key Vault);
    `creation_delay` (how long a certificate takes);
    `empty_pages` (an empty page before each page with items); `retry_after` (seconds in a 429; none
    by default, as users saw); `lags` (how far each replica is behind; reads use the replicas in
    turn, since Key Vault does not promise that a read sees the last write); `copy_of` (all reads
    come from a copy of that time, as after a failover).
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
    creation_delay: timedelta = timedelta(seconds=3)
    empty_pages: bool = False
    retry_after: int | None = None
    creates: Rate = field(default_factory=lambda: Rate(300, WINDOW))
    others: Rate = field(default_factory=lambda: Rate(4000, WINDOW))
    secrets: dict[str, list[SecretVersion]] = field(default_factory=dict)
    deleted: dict[str, DeletedSecret] = field(default_factory=dict)
    recovering: dict[str, datetime] = field(default_factory=dict)
    lags: tuple[timedelta, ...] = (timedelta(0),)
    copy_of: datetime | None = None
    history: dict[str, list[tuple[datetime, tuple[SecretVersion, ...]]]] = field(
        default_factory=dict
    )
    turns: Iterator[int] = field(default_factory=itertools.count)
    creations: dict[str, Creation] = field(default_factory=dict)
    """The latest creation of each certificate, by name."""
    certificates: dict[str, list[CertificateVersion]] = field(default_factory=dict)
    audit: list[Audited] | None = None
    """Where a diagnostic setting writes every call; None without one."""
    _names: Sequence[str] = ()
    _names_of: frozenset[str] = frozenset()
    """Of which secrets `_names` are the names: a listing of many pages sorts them once."""

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
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.KeyVault/vaults/{self.name}"

    def seconds(self) -> int:
        """Return the vault's time in whole Unix seconds, as in its timestamps."""
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
        """Add a version without an access check, to seed a world.

        It inherits nothing from the version before.
        """
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
        """Return a secret's versions, oldest first, as the replica for the next read shows them.

        `seen` is the time up to which that replica is up to date; pass it to read several secrets
        from one replica.
        """
        at = self.at_next_replica() if seen is None else seen
        if at >= self.now():
            return self.versions(name)
        states = [state for changed, state in self.history.get(name.lower(), []) if changed <= at]
        if not states and not self.history.get(name.lower()):
            return self.versions(name)
        return sorted(states[-1] if states else (), key=lambda version: version.created)

    def at_next_replica(self) -> datetime:
        """Return the time up to which the replica for the next read is up to date."""
        behind = self.now() - self.lags[next(self.turns) % len(self.lags)]
        return min(behind, self.copy_of) if self.copy_of else behind

    def _remember(self, name: str) -> None:
        states = self.history.setdefault(name.lower(), [])
        states.append((self.now(), tuple(self.secrets.get(name.lower(), ()))))

    def versions(self, name: str) -> list[SecretVersion]:
        """Return a secret's versions, oldest first; ties within a second keep their order."""
        return sorted(self.secrets.get(name.lower(), []), key=lambda version: version.created)

    def names(self) -> Sequence[str]:
        """Return the names of all secrets in upper case, in order."""
        if self._names_of != self.secrets.keys():
            self._names_of = frozenset(self.secrets)
            self._names = sorted(name.upper() for name in self.secrets)
        return self._names

    def latest(self, name: str) -> SecretVersion | None:
        """Return the newest version, enabled or not; None if the secret does not exist."""
        return self.versions(name)[-1] if self.secrets.get(name.lower()) else None

    def find(self, name: str, version: str = "") -> SecretVersion | None:
        """Return one version, or the latest if `version` is empty; None if it does not exist."""
        if not version:
            return self.latest(name)
        return next(
            (
                candidate
                for candidate in self.versions(name)
                if candidate.version == version.lower()
            ),
            None,
        )

    def amend(self, old: SecretVersion, **changes: Any) -> SecretVersion:
        """Change attributes and `updated` of one version in place; the value never changes."""
        new = replace(old, updated=self.seconds(), **changes)
        held = self.secrets[old.name.lower()]
        held[held.index(old)] = new
        self._remember(old.name)
        return new

    def delete(self, name: str) -> DeletedSecret:
        """Soft-delete a secret; raise KeyError if it does not exist.

        It shows as deleted after `deletion_delay`.
        """
        versions = self.secrets.pop(name.lower())
        gone = DeletedSecret(tuple(versions), self.seconds(), self.now() + self.deletion_delay)
        self.deleted[name.lower()] = gone
        self._remember(name)
        return gone

    def recover(self, name: str) -> SecretVersion:
        """Recover a deleted secret; raise KeyError if it does not exist.

        It is readable after `recovery_delay`.
        """
        gone = self.deleted.pop(name.lower())
        self.secrets[name.lower()] = list(gone.versions)
        self.recovering[name.lower()] = self.now() + self.recovery_delay
        self._remember(name)
        return self.versions(name)[-1]

    def is_recovering(self, name: str) -> bool:
        """Return whether a secret's recovery has not finished."""
        return self.recovering.get(name.lower(), datetime.min.replace(tzinfo=UTC)) > self.now()

    def near_expiry_event(
        self, name: str, schema: events.Schema = "eventgrid", quirk: events.Quirk | None = None
    ) -> dict[str, object]:
        """Return the event for a latest version that is near its expiry."""
        return self.event("SecretNearExpiry", name, schema, quirk)

    def event(
        self,
        kind: events.Kind,
        name: str,
        schema: events.Schema = "eventgrid",
        quirk: events.Quirk | None = None,
    ) -> dict[str, object]:
        """Return an event about a secret's latest version; raise KeyError if it does not exist."""
        latest = self.latest(name)
        if latest is None:
            raise KeyError(name)
        return events.build(self, latest, kind, schema, quirk)

    def _spelling(self, name: str) -> str:
        held = self.secrets.get(name.lower())
        return held[0].name if held else name
