"""Who read a secret, and which version each of them holds: told by its vault's audit log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
    for read in sorted(reads, key=lambda read: read.last, reverse=True):
        kind, name = read.reader
        if own and name.rpartition("/")[2].lower() == own.lower():
            kind = "rekey"
        latest = readers.get((kind, name, read.oid))
        version, last = (latest.version, latest.last) if latest else (read.version, read.last)
        count = read.count + (latest.count if latest else 0)
        readers[kind, name, read.oid] = Reader(kind, name, read.oid, version, last, count)
    return tuple(readers.values())
