"""One message: to people, or to a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from engine.secret import Sensitive

LEAKED = "leaked"
"""What a message is about that asks a person whether a reported credential is cut off."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people: a title, and facts as pairs of a name and a text."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One message to a program, which is signed when it is sent."""

    id: str
    """The same however often it is sent."""
    type: str
    timestamp: str
    """When it happened, in ISO 8601."""
    data: Mapping[str, str | None]
    key: Sensitive
    """What it is signed with: one or more texts that start with `whsec_`."""
    sent: datetime
    """When it is sent this time."""
