"""docs/permissions.md, read as the tables that it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.infra.bicep import ROOT

PAGE = ROOT / "docs" / "permissions.md"


@dataclass(frozen=True)
class Row:
    """One right.

    `role` is the id of a built-in role or the name of a custom one, `actions` what a custom one
    permits.
    """

    who: str
    place: str
    role: str
    title: str
    actions: tuple[str, ...]
    exceptions: tuple[str, ...]
    """What its actions do not include."""


def rows(page: Path = PAGE) -> list[Row]:
    """Return the rights of both identities, and of who deploys."""
    sections = page.read_text().split("\n## ")
    heads = {
        "What Rekey may do": "app",
        "What Event Grid may do": "events",
        "What the person who deploys may do": "deployer",
    }
    return [
        _row(heads[title], line)
        for title, _, body in (section.partition("\n") for section in sections)
        if title in heads
        for line in body.splitlines()
        if line.startswith("|") and not line.startswith(("| At", "|---"))
    ]


def _row(who: str, line: str) -> Row:
    place, role, permits, why, without = (cell.strip() for cell in line.strip("|").split("|"))
    match = re.fullmatch(r"(custom )?`([\w-]+)` ?(.*)", role)
    assert match, role
    assert why, line
    assert without, line
    allowed, _, left_out = permits.partition(" but not ")
    return Row(who, place, match[2], match[3], _actions(allowed), _actions(left_out))


def _actions(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`(Microsoft[\w./*]+)`", text))
