"""A secret's past: what its versions say, and who read them, by its vault's audit log. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from engine.secret import Version
from engine.state.request import operation_id
from engine.state.tags import CAUSE, OPERATION, REASON, RETIRE, STATE

PUSHED_BY, PUSHED_WHY = "PolicyBy", "PolicyReason"
"""Tags of a version of the policy document: who pushed it, and why."""


def newest_first(versions: Sequence[Version]) -> list[Version]:
    """Return versions from the newest to the oldest.

    Key Vault lists versions unordered and keeps times in whole seconds only. Versions created in
    the same second are ordered by which one replaced which.
    """
    replaced_by = {operation_id(it.ref, str(it.version)): it for it in versions}

    def age(version: Version) -> int:
        steps, earlier = 0, replaced_by.get(version.tags.get(OPERATION, ""))
        while earlier and earlier.created == version.created and steps < len(versions):
            steps, earlier = steps + 1, replaced_by.get(earlier.tags.get(OPERATION, ""))
        return steps

    return sorted(versions, key=lambda version: (version.created, age(version)), reverse=True)


def events(
    versions: Sequence[Version], *, policy: bool = False, written: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return what versions, newest first, say about themselves, for people and programs.

    Rekey wrote the versions that its record lists as `written`, whatever their tags say by now: a
    change with Azure CLI removes them. Of versions older than those the tags tell. Anybody can copy
    tags, so such a version counts as Rekey's only if it is the oldest one with its operation's id,
    and if that operation replaced a known version. The secret of the `policy` document has no
    operations: a tag names who pushed a version.
    """
    if policy:
        return [
            {**_event(version, ours=PUSHED_BY in version.tags), "cause": _pushed(version)}
            for version in versions
        ]
    replaced = {operation_id(version.ref, str(version.version)) for version in versions}
    first = {
        version.tags[OPERATION]: version.version
        for version in versions
        if version.tags.get(OPERATION) in replaced
    }
    tagged = {
        str(version.version)
        for version in versions
        if first.get(version.tags.get(OPERATION, "")) == version.version
    }
    recorded = max(
        (place for place, version in enumerate(versions) if version.version in written), default=-1
    )
    return [
        _event(version, ours=version.version in (written if place <= recorded else tagged))
        for place, version in enumerate(versions)
    ]


def _pushed(version: Version) -> str | None:
    who, why = version.tags.get(PUSHED_BY), version.tags.get(PUSHED_WHY)
    return f"policy pushed by {who}: {why}" if who else None


def _event(version: Version, *, ours: bool) -> dict[str, Any]:
    return {
        "version": version.version,
        "created": version.created.isoformat(),
        "expires": version.expires.isoformat() if version.expires else None,
        "enabled": version.enabled,
        "written_by": "Rekey" if ours else "somebody else",
        "operation": version.tags.get(OPERATION) if ours else None,
        "cause": version.tags.get(CAUSE) if ours else None,
        "credential": version.tags.get("CredentialId"),
        "to_retire": version.tags.get(RETIRE),
        "state": version.tags.get(STATE),
        "reason": version.tags.get(REASON),
    }


Kind = Literal["resource", "person", "application", "rekey", "unknown"]


@dataclass(frozen=True, slots=True)
class Read:
    """How often one identity read one version."""

    version: str
    resource: str
    """ARM id of the resource, or of the identity, that read; empty where it was none of Azure's."""
    person: str
    """The name of the person who read; empty for an application."""
    application: str
    """The application that the token was issued to: with a person the tool, such as the CLI."""
    oid: str
    """The object id of who read."""
    count: int
    last: datetime

    @property
    def reader(self) -> tuple[Kind, str]:
        """Return what read, by the name that tells people most."""
        named: Sequence[tuple[Kind, str]] = (
            ("person", self.person),
            ("resource", self.resource),
            ("application", self.application),
            ("unknown", self.oid),
        )
        return next(((kind, name) for kind, name in named if name), ("unknown", "unknown"))


@dataclass(frozen=True, slots=True)
class Reader:
    """One identity that read a secret."""

    kind: Kind
    name: str
    oid: str
    version: str
    """The version that it read last, and so holds as far as the log knows."""
    last: datetime
    count: int
    """How often it read, whichever version."""


@dataclass(frozen=True, slots=True)
class Readers:
    """What the log of a vault says of one secret."""

    found: tuple[Reader, ...]
    """The one that read last comes first."""
    days: int
    """How many days the log was asked about."""
    is_logged: bool
    """The workspace has something of this vault: only then does silence mean that nobody read."""
    is_partial: bool
    """There is more than the answer holds."""


def readers_of(reads: Iterable[Read], own: str = "") -> tuple[Reader, ...]:
    """Return each identity once, with the version that it read last.

    `own` is the name of the app's identity: it reads what it proves.
    """
    readers: dict[tuple[Kind, str, str], Reader] = {}
    itself = f"/userassignedidentities/{own}".lower()
    for read in sorted(reads, key=lambda read: read.last, reverse=True):
        kind, name = read.reader
        if name.lower().endswith(itself):
            kind = "rekey"
        latest = readers.get((kind, name, read.oid))
        version, last = (latest.version, latest.last) if latest else (read.version, read.last)
        count = read.count + (latest.count if latest else 0)
        readers[kind, name, read.oid] = Reader(kind, name, read.oid, version, last, count)
    return tuple(readers.values())
