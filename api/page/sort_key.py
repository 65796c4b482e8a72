"""Which secret a person looks at first. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.state.entry import NEEDS_A_PERSON, Entry
from engine.state.tags import unfinished_incident

INCIDENT, EXPIRED, LATER = 0, 1, 2
ORDER = ("drifted", "parked", "overdue", "dropped", "due", "ok", "unmanaged", "disabled")
"""After what leaked and what has expired: drifted comes first, because apps fail already."""
NEVER = datetime.max.replace(tzinfo=UTC)


def is_incident(entry: Entry) -> bool:
    """Return whether a leaked credential is not yet proven to be refused."""
    return entry.is_leaked or (entry.state in NEEDS_A_PERSON and unfinished_incident(entry.secret))


def has_expired(entry: Entry, now: datetime) -> bool:
    """Return whether the secret has expired."""
    return entry.secret.expires is not None and entry.secret.expires <= now


def sort_key(entry: Entry, now: datetime) -> str:
    """Return a text by which secrets sort, the most urgent first.

    Within a rank, by expiry, then by name.
    """
    expires = entry.secret.expires or NEVER
    return f"{_rank(entry, now):02} {expires:%Y-%m-%dT%H:%M:%S} {entry.secret.ref}"


def _rank(entry: Entry, now: datetime) -> int:
    if is_incident(entry):
        return INCIDENT
    if entry.state in NEEDS_A_PERSON and has_expired(entry, now):
        return EXPIRED
    return LATER + ORDER.index(entry.state)
