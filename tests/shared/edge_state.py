"""What of a simulated Azure has changed since that was said last, in the words of docs/history.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.state.record import parts_of
from engine.state.tags import CREDENTIAL, OURS, REPLICA_OF, RETIRE, STATE, Pending
from simulator.azure import Azure
from simulator.keyvault.state import SecretVersion
from simulator.storage.blobs import BlobService
from tests.shared.edge_sources import Signatures, Source

LEASES = "rekey-leases"
MONTH = 30 * 86400.0
"""A version is due so long before its end."""
type Change = dict[str, Any]


@dataclass
class State:
    """Compares some secrets of a vault, their sources and their locks with what was said last."""

    world: Azure
    vault: str
    host: str
    """The storage account of the app."""
    sources: Mapping[str, Source]
    """By the name of the secret that holds a credential of it; signatures before their keys' source."""
    copies: Mapping[str, str] = field(init=False)
    """By the name of each secret that repeats the value of one of these, the name of that one."""
    began: datetime = field(init=False)
    ids: dict[str, str] = field(default_factory=dict)
    """Every value that was ever accepted, with its id."""
    known: dict[Any, Any] = field(default_factory=dict)
    holders: dict[str, int] = field(default_factory=dict)
    """By the id of each lease the process that took it."""

    def __post_init__(self) -> None:
        self.began = self.world.now()
        held = self.world.vaults[self.vault].secrets
        named = {
            name: (versions[-1].tags or {}).get(REPLICA_OF, "") for name, versions in held.items()
        }
        primaries = {name: url.rpartition("/")[2] for name, url in named.items()}
        self.copies = {copy: it for copy, it in primaries.items() if it in self.sources}

    @property
    def names(self) -> Sequence[str]:
        """The secrets that are looked at, copies last."""
        return (*self.sources, *self.copies)

    def primary(self, name: str) -> str:
        """Return the secret that one repeats, or the one itself."""
        return self.copies.get(name, name)

    def begins(self) -> list[Change]:
        """Return which sources there are, and what is bound."""
        sources = sorted(self.sources.values(), key=lambda it: it.name)
        keys = {it.name: it.account.name for it in sources if isinstance(it, Signatures)}
        there = [
            {
                "source": it.name,
                "holds": it.holds,
                **({"keys": keys[it.name]} if keys.get(it.name) else {}),
            }
            for it in sources
        ]
        return [*there, {"vault": self.vault, "bound": [it.name for it in sources]}]

    def changes(self, process: int | None) -> list[Change]:
        """Return each change; `process` is whose request has made it, None where nobody's has."""
        parts = (self._accepted(), self._versions(), self._locks(process))
        return [change for part in parts for change in part]

    def seconds(self, moment: datetime) -> float:
        """Return a time of day in seconds since the beginning."""
        return round((moment - self.began).total_seconds(), 3)

    def is_settled(self) -> bool:
        """Return whether nothing waits for a person, is due, or is to be retired by now."""
        for name in self.sources:
            current = self.versions(name)[-1]
            tags, now = current.tags or {}, self.world.now()
            late = RETIRE in tags and Pending.parse(tags[RETIRE]).at <= now
            is_due = current.expires is None or current.expires - now.timestamp() < MONTH
            if STATE in tags or late or is_due or not current.enabled:
                return False
        return True

    def versions(self, name: str) -> list[SecretVersion]:
        return self.world.vaults[self.vault].versions(name)

    def credential(self, name: str, version: SecretVersion) -> str | None:
        """Return the id of what a version of a secret holds."""
        return self.sources[self.primary(name)].held(version.value, self.ids)

    def source_of(self, lock: str) -> tuple[str, str]:
        """Return the secret whose source a lock is for, and for what part of that it is."""
        digests = {
            hashlib.sha256(part.encode()).hexdigest()[:40]: (name, part)
            for name, it in self.sources.items()
            for part in parts_of(it.name)
        }
        return digests.get(lock.rpartition("/")[2], ("", ""))

    def above(self, name: str) -> str:
        """Return the secret with whose key a secret's value is signed; empty for any other."""
        return (
            ((self.versions(name)[-1].tags or {}) if name else {})
            .get("DerivedFrom", "")
            .rpartition("/")[2]
        )

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
        for name in self.names:
            secret = f"{self.vault}/{name}"
            for version in self.versions(name):
                if self._is_new(version.version, version):
                    yield {"secret": secret, **self._version(name, version)}
            terms = self._terms(name)
            if self._is_new(name, terms):
                yield {"secret": secret, "terms": terms}

    def _terms(self, name: str) -> Change:
        if name in self.copies:
            return {"copy_of": f"{self.vault}/{self.copies[name]}"}
        source, tags = self.sources[name], self.versions(name)[-1].tags or {}
        grants = [part.partition("=") for part in tags.get("MayDerive", "").split(",") if part]
        above = self.above(name)
        return {
            "source": source.name,
            "valid_days": float(tags.get("ValidityPeriodDays", 90)),
            "overlap_hours": float(tags.get("OverlapHours", 168)),
            "days_before": 30.0,
            **({"made_from": f"{self.vault}/{above}"} if above else {}),
            "grants": [
                {"secret": f"{self.vault}/{whom}", "source": f"{source.name}/{extent}"}
                for whom, _, extent in grants
            ],
        }

    def _version(self, name: str, version: SecretVersion) -> Change:
        tags, ends = version.tags or {}, version.expires
        mark = tags.get(STATE, "").partition(" ")[0]
        shown = {
            "version": version.version,
            "credential": self.credential(name, version),
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
            name, part = self.source_of(blob)
            if not name:
                continue
            lease = content.lease
            if lease.id and process is not None:
                self.holders.setdefault(lease.id, process)
            held = lease.locked(self.world.now())
            self.known["holder", name] = self.holders.get(lease.id) if held else None
            if self._is_new(blob, lease):
                until = self.seconds(lease.ends) if lease.id and lease.ends else 0.0
                yield {
                    "lock": part,
                    "holder": self.holders.get(lease.id, 0),
                    "until": until,
                }
            yield from self._noted(content.content)

    def _noted(self, content: bytes) -> Iterator[Change]:
        record = json.loads(content) if content else {}
        for version in (*record.get("compromised", ()), *record.get("gone", ())):
            if self._is_new(("noted", version), True):
                yield {"noted": version}
