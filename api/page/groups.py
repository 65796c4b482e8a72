"""The rows of the inventory under their headings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from api.page.columns import arranged
from api.page.rows import Row, kind_of, row
from engine.state.entry import NEEDS_A_PERSON, Entry

NAMELESS = "\uffff"
"""Sorts behind every name."""
FIRST = ("0", "first", "Needs a person")
OTHERS = ("1", "others", "All others")
FLAT = ("0", "all", "All")
UNGROUPED = "none"


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    key: str
    order: str
    title: str
    rows: tuple[Row, ...]

    @property
    def in_need(self) -> int:
        """How many of them need a person."""
        return sum(row.in_need for row in self.rows)


def groups(
    entries: Iterable[Entry], now: datetime, query: Mapping[str, str], by: str, sort: str
) -> list[Group]:
    """Return the rows by group: those that need a person first, unless another group is chosen."""
    parts: dict[tuple[str, str, str], list[Row]] = {}
    for entry in entries:
        parts.setdefault(_group(entry, by), []).append(row(entry, now, query))
    if parts and not by:
        parts.setdefault(FIRST, [])
    return [
        Group(key, order, title, arranged(rows, sort))
        for (order, key, title), rows in sorted(parts.items(), key=lambda part: part[0])
    ]


def _group(entry: Entry, by: str) -> tuple[str, str, str]:
    """Return a group's order, key and title."""
    if not by:
        return FIRST if entry.state in NEEDS_A_PERSON else OTHERS
    if by == UNGROUPED:
        return FLAT
    names = {
        "owner": entry.secret.tags.get("Owner", ""),
        "rotator": kind_of(entry),
        "vault": entry.secret.ref.vault_name,
    }
    missing = {"owner": "Without an owner", "rotator": "Not managed"}
    name = names[by]
    return (name.lower() or NAMELESS, f"{by} {name}", name or missing.get(by, "Others"))
