"""What a history speaks of: sources, secrets, their versions, and processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

NEVER = float("-inf")
type Line = dict[str, Any]


class NotAHistoryError(ValueError):
    """The file does not follow docs/history.md."""


@dataclass
class Source:
    """One source."""

    holds: str = ""
    keys: str = ""
    """The source whose keys sign what this one accepts; empty for any other source."""
    accepts: dict[str, int] = field(default_factory=dict)
    """What it accepts, each with the line since which it does."""
    changing: float | None = None
    """Since when it is at a change that it has accepted and goes on with."""
    longest: float = 0.0
    """For how many seconds it has been at one, at most."""
    late: float = NEVER
    touched: float = NEVER
    leaked: bool = False
    """A credential of it, or of its keys, has leaked."""

    def goes_on(self, now: float) -> None:
        """Take note of how long it has been at a change by now."""
        if self.changing is not None:
            self.longest = max(self.longest, now - self.changing)

    @property
    def overlaps(self) -> bool:
        """Return whether two credentials can live in it side by side."""
        return self.holds in ("two", "any number")


@dataclass
class Version:
    """One version of a secret."""

    name: str
    secret: str
    credential: str
    enabled: bool = True
    expires: float | None = None
    type: str | None = None
    mark: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    at: float = 0.0
    """When it was written."""
    line: int = -1
    """On which line it came."""
    edited: int = -1
    """On which line a person has written or changed it last."""

    looks: list[tuple[int, tuple[dict[str, str], str]]] = field(default_factory=list)
    """Its tags and its type, as they were from each line on."""

    def since(self, line: int) -> list[tuple[dict[str, str], str]]:
        """Return its tags and its type, as they were at some time since a line."""
        last = max((at for at, _ in self.looks if at <= line), default=-1)
        return [look for at, look in self.looks if at >= last]

    @classmethod
    def of(cls, line: Line) -> Version:
        """Read what a change says."""
        named = {
            key: line[key] for key in ("enabled", "expires", "type", "mark", "tags") if key in line
        }
        return cls(line["version"], line["secret"], line.get("credential", ""), **named)


@dataclass
class Secret:
    """One secret."""

    terms: Line = field(default_factory=dict)
    said: list[tuple[int, Line]] = field(default_factory=list)
    """All terms so far, each with its line."""
    versions: list[Version] = field(default_factory=list)
    deleted: bool = False
    touched: float = NEVER
    written: bool = False
    """A person has written a version of it, or purged it."""

    def since(self, line: int) -> Iterator[Line]:
        """Yield the terms that have held at some time since a line."""
        for at, (_, terms) in enumerate(self.said):
            if at + 1 == len(self.said) or self.said[at + 1][0] > line:
                yield terms


@dataclass
class Process:
    """One process, which has one message in hand."""

    message: int
    secret: str
    """Which one its message is about; empty where that is about none."""
    line: int
    said: bool = False
    """It has reported, or posted a message."""
    last: tuple[str, str] = ("", "")
    """The call that was answered last, and the secret that it was about."""
    listed: int = -1
    """On which line it was answered last what a list holds; -1 where that lagged, or never."""
    reads: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What it has read last of each secret: the line on which it asked, -1 where the vault lagged,
    and the version, empty where that was disabled."""
