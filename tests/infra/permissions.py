"""docs/permissions.md, read as the tables that it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.infra.bicep import ROOT

PAGE = ROOT / "docs" / "permissions.md"


@dataclass(frozen=True)
class Row:
    """One right: `role` is the id of a built-in role or the name of a custom one, `actions` what a custom one permits."""

    who: str
    place: str
    role: str
    title: str
    actions: tuple[str, ...]
    exceptions: tuple[str, ...]
    """What its actions do not include."""


def rows(page: Path = PAGE) -> list[Row]:
    """Return the rights of both identities."""
    sections = page.read_text().split("\n## ")
    heads = {"What Rekey may do": "app", "What Event Grid may do": "events"}
    return [
        _row(heads[title], line)
        for title, _, body in (section.partition("\n") for section in sections)
        if title in heads
        for line in body.splitlines()
        if line.startswith("|") and not line.startswith(("| At", "|---"))
    ]


def _row(who: str, line: str) -> Row:
    place, role, permits, why, without = (cell.strip() for cell in line.strip("|").split("|"))
    found = re.fullmatch(r"(custom )?`([\w-]+)` ?(.*)", role)
    assert found, role
    assert why, line
    assert without, line
    given, _, left_out = permits.partition(" but not ")
    return Row(who, place, found[2], found[3], _actions(given), _actions(left_out))


def _actions(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`(Microsoft[\w./*]+)`", text))
