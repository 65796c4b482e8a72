"""A secret as a row of the inventory, and the rows in their groups.

Pure; templates escape what came from tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from api.page.timeline import Line, Moment, line, moments
from api.page.urgency import has_expired, is_incident, urgency
from engine.model.entry import NEEDS_A_PERSON, Entry

KEPT_TO_A_SECRET = ("code",)
"""What a link to one secret repeats: the function key of who came with one."""
NAMELESS = "\uffff"
"""Sorts behind every name."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a row shows."""

    key: str
    """Which secret it is, for the script."""
    urgency: str
    name: str
    about: tuple[str, ...]
    state: str
    marks: tuple[str, ...]
    reason: str
    fix: str
    moments: tuple[Moment, ...]
    line: Line
    href: str
    in_need: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    key: str
    order: str
    title: str
    rows: tuple[Row, ...]
    nothing: str
    """What stands here where there is no row."""

    @property
    def in_need(self) -> int:
        """How many of them need a person."""
        return sum(row.in_need for row in self.rows)


def row(entry: Entry, now: datetime, query: Mapping[str, str]) -> Row:
    """Return how a secret is shown."""
    secret, ref = entry.secret, entry.secret.ref
    # A mark holds its own fix behind its reason, and that one is worth more than what is said of
    # all marks.
    reason, _, own_fix = entry.reason.partition(". Fix: ")
    about = (ref.vault_name, kind_of(entry), secret.tags.get("Owner", ""))
    return Row(
        key=str(ref),
        urgency=urgency(entry, now),
        name=ref.name,
        about=tuple(text for text in about if text),
        state=entry.state,
        marks=marks(entry, now),
        reason=reason,
        fix=own_fix or entry.fix,
        moments=tuple(moments(entry, now)),
        line=line(entry, now),
        href=to_secret(ref.vault_name, ref.name, query),
        in_need=entry.state in NEEDS_A_PERSON,
    )


def kind_of(entry: Entry) -> str:
    """Return the kind of credential; empty where it is unmanaged."""
    return entry.managed.rotator.kind if entry.managed else ""


def marks(entry: Entry, now: datetime) -> tuple[str, ...]:
    """Return what is worse than the state alone says."""
    expired = has_expired(entry, now) and entry.secret.enabled
    return (("incident",) if is_incident(entry) else ()) + (("expired",) if expired else ())


def to_secret(vault: str, name: str, query: Mapping[str, str]) -> str:
    """Return a link to the page of one secret; it names no host and so stays here."""
    kept = {field: query[field] for field in KEPT_TO_A_SECRET if query.get(field)}
    return "?" + urlencode({"vault": vault, "secret": name, **kept})


def groups(
    entries: Iterable[Entry], now: datetime, query: Mapping[str, str], by: str
) -> list[Group]:
    """Return all rows, the most urgent first within their group."""
    parts: dict[tuple[str, str, str], list[Row]] = {}
    if not by:
        parts = {("0", "first", "Needs a person"): [], ("1", "others", "All others"): []}
    for entry in entries:
        parts.setdefault(_group(entry, by), []).append(row(entry, now, query))
    return [
        Group(key, order, title, tuple(sorted(rows, key=lambda row: row.urgency)), _nothing(key))
        for (order, key, title), rows in sorted(parts.items(), key=lambda part: part[0])
    ]


def _nothing(key: str) -> str:
    return {"first": "Nothing here needs a person.", "others": "No others here."}.get(key, "")


def _group(entry: Entry, by: str) -> tuple[str, str, str]:
    """Return a group's order, key and title."""
    if not by:
        in_need = entry.state in NEEDS_A_PERSON
        return ("0", "first", "Needs a person") if in_need else ("1", "others", "All others")
    names = {
        "owner": entry.secret.tags.get("Owner", ""),
        "rotator": kind_of(entry),
        "vault": entry.secret.ref.vault_name,
    }
    missing = {"owner": "Without an owner", "rotator": "Not managed"}
    name = names[by]
    return (name.lower() or NAMELESS, f"{by} {name}", name or missing.get(by, "Others"))
