"""What of a simulated Azure has changed since that was said last, in the words of docs/history.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from engine.model.tags import CREDENTIAL, OURS, STATE
from simulator.azure import Azure
from simulator.keyvault.state import SecretVersion
from simulator.storage.accounts import StorageAccount
from simulator.storage.blobs import BlobService
from simulator.storage.sharedkey import signature, string_to_sign
from simulator.wire import Request

LEASES = "rekey-leases"
type Change = dict[str, Any]


class Source(Protocol):
    """A source of two credentials, one of which a secret of the vault holds."""

    @property
    def name(self) -> str:
        """Its name, as the app writes it."""
        ...

    def values(self) -> set[str]:
        """Return the values that it accepts now."""
        ...

    def is_asked(self, request: Request) -> bool:
        """Return whether a request is to it, or to Resource Manager about it."""
        ...

    def shown(self, request: Request) -> str | None:
        """Return which value a request shows; empty where it is refused, None where it needs none."""
        ...


@dataclass(frozen=True)
class Account:
    """A storage account as a source."""

    account: StorageAccount

    @property
    def name(self) -> str:
        """Its id in lower case."""
        return self.account.resource_id.lower()

    def values(self) -> set[str]:
        """Return the keys that it accepts now."""
        return {key.value for key in self.account.accepted_keys()}

    def is_asked(self, request: Request) -> bool:
        """Return whether a request is to the account, or about it."""
        ours = request.host.partition(".")[0] == self.account.name
        return ours or request.path.lower().startswith(f"{self.name}/")

    def shown(self, request: Request) -> str | None:
        """Return the key that has signed a request; None where none is asked for."""
        name, signed = self.account.name, request.header("authorization")
        if request.host.partition(".")[0] != name:
            return None
        keys, text = self.values(), string_to_sign(request, name)
        return next((it for it in keys if signed == f"SharedKey {name}:{signature(it, text)}"), "")


@dataclass
class State:
    """Compares some secrets of a vault, their sources and their locks with what was said last."""

    world: Azure
    vault: str
    host: str
    """The storage account of the app."""
    sources: Mapping[str, Source]
    """By the name of the secret that holds a credential of it."""
    began: datetime = field(init=False)
    ids: dict[str, str] = field(default_factory=dict)
    """Every value that was ever accepted, with its id."""
    known: dict[Any, Any] = field(default_factory=dict)
    holders: dict[str, int] = field(default_factory=dict)
    """By the id of each lease the process that took it."""

    def __post_init__(self) -> None:
        self.began = self.world.now()

    def changes(self, process: int | None) -> list[Change]:
        """Return each change; `process` is whose request has made it, None where nobody's has."""
        parts = (self._accepted(), self._versions(), self._locks(process))
        return [change for part in parts for change in part]

    def seconds(self, moment: datetime) -> float:
        """Return a time of day in seconds since the beginning."""
        return round((moment - self.began).total_seconds(), 3)

    def versions(self, name: str) -> list[SecretVersion]:
        """Return the versions of a secret, the current one last."""
        return self.world.vaults[self.vault].versions(name)

    def credential(self, version: SecretVersion) -> str | None:
        """Return the id of what a version holds."""
        return next((it for value, it in self.ids.items() if value in version.value), None)

    def source_of(self, lock: str) -> str:
        """Return the secret whose source a lock is for."""
        digests = {
            hashlib.sha256(it.name.encode()).hexdigest()[:40]: name
            for name, it in self.sources.items()
        }
        return digests.get(lock.rpartition("/")[2], "")

    def _is_new(self, key: Any, now: Any) -> bool:
        return self.known.get(key) != now and [self.known.update({key: now})] != []

    def _accepted(self) -> Iterator[Change]:
        for source in self.sources.values():
            before, now = self.known.get(source.name, set()), source.values()
            self.known[source.name] = now
            for value in sorted(now):
                self.ids.setdefault(value, f"c{len(self.ids)}")
            yield from (
                {"source": source.name, "drops": self.ids[it]} for it in sorted(before - now)
            )
            yield from (
                {"source": source.name, "takes": self.ids[it]} for it in sorted(now - before)
            )

    def _versions(self) -> Iterator[Change]:
        for name, source in self.sources.items():
            secret = f"{self.vault}/{name}"
            for version in self.versions(name):
                if self._is_new(version.version, version):
                    yield {"secret": secret, **self._version(version)}
            tags = self.versions(name)[-1].tags or {}
            numbers = {
                "valid_days": float(tags.get("ValidityPeriodDays", 90)),
                "overlap_hours": float(tags.get("OverlapHours", 168)),
            }
            terms = {"source": source.name, **numbers, "days_before": 30.0}
            if self._is_new(name, terms):
                yield {"secret": secret, "terms": terms}

    def _version(self, version: SecretVersion) -> Change:
        tags, ends = version.tags or {}, version.expires
        mark = tags.get(STATE, "").partition(" ")[0]
        shown = {
            "version": version.version,
            "credential": self.credential(version),
            "enabled": version.enabled,
            "expires": None if ends is None else ends - self.began.timestamp(),
            "type": version.content_type,
            "tags": {tag: text for tag, text in tags.items() if tag not in OURS | {CREDENTIAL}},
            "mark": {"compromised": "leaked", "": None}.get(mark, "needs a person"),
            "shows": self.shows(*tags.values()) or None,
        }
        return {name: it for name, it in shown.items() if it is not None}

    def shows(self, *texts: object) -> bool:
        """Return whether a text holds a value."""
        return any(value in str(text) for value in self.ids for text in texts)

    def _locks(self, process: int | None) -> Iterator[Change]:
        service = next(it for it in self.world.services if isinstance(it, BlobService))
        container = service.containers.held.get((self.host, LEASES))
        for blob, content in container.blobs.items() if container else ():
            if not (name := self.source_of(blob)):
                continue
            lease = content.lease
            if lease.id and process is not None:
                self.holders.setdefault(lease.id, process)
            held = lease.locked(self.world.now())
            self.known["holder", name] = self.holders.get(lease.id) if held else None
            if self._is_new(blob, lease):
                until = self.seconds(lease.ends) if lease.id and lease.ends else 0.0
                yield {
                    "lock": self.sources[name].name,
                    "holder": self.holders.get(lease.id, 0),
                    "until": until,
                }
            yield from self._noted(content.content)

    def _noted(self, content: bytes) -> Iterator[Change]:
        record = json.loads(content) if content else {}
        for version in (*record.get("compromised", ()), *record.get("gone", ())):
            if self._is_new(("noted", version), True):
                yield {"noted": version}
