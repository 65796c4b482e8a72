"""The compliance report as a page that needs nothing else, fit to be printed and signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.terminal import moment, printable

if TYPE_CHECKING:
    from jinja2 import Template

type Row = Mapping[str, Any]

POINTS: Mapping[str, str] = {
    "managed": "something rotates it: Rekey, its primary, or its owner by hand",
    "expiry set": "it has an expiry",
    "rotated within policy": "it was rotated within the time that its policy allows",
    "not overdue": "it has not expired, and is not late",
    "not parked": "no mark says that a person has to fix something first",
}
"""What a secret is judged by; each is a column of the CSV and JSON reports."""
LABELS = {name: name for name in POINTS} | {"managed": "not managed", "expiry set": "no expiry"} | {
    "rotated within policy": "not rotated in time", "not overdue": "overdue", "not parked": "parked",
}  # fmt: skip
"""What it is called where it does not hold."""


HEADS = {"age_days": "age in days", "validity_days": "validity in days"}
"""Columns whose names in JSON say less; all others differ in their spaces alone."""


@dataclass(frozen=True, slots=True)
class Line:
    """A secret in the report."""

    complies: bool
    broken: tuple[str, ...]
    cells: Mapping[str, str]


def as_html(rows: Sequence[Row], now: datetime, unread: Sequence[str] = ()) -> str:
    """Write the report: totals first, then what does not comply, then all others.

    `unread` are vaults that it lacks.
    """
    lines = [_line(row) for row in rows]
    failing = [line for line in lines if not line.complies]
    return _template().render(
        at=moment(now),
        unread=unread,
        points=POINTS,
        total=len(lines),
        failing=len(failing),
        vaults=_by(lines, "vault"),
        owners=_by(lines, "owner"),
        parts=[
            ("Not compliant", failing),
            ("Compliant", [line for line in lines if line.complies]),
        ],
    )


def _line(row: Row) -> Line:
    values = {HEADS.get(name, name.replace("_", " ")): value for name, value in row.items()}
    cells = {name: printable("" if value is None else str(value)) for name, value in values.items()}
    cells["source"] = "/".join(cells.get("source", "").split("/")[-2:])
    broken = tuple(LABELS[name] for name in POINTS if not _holds(values.get(name, True)))
    return Line(_holds(values["compliant"]), broken, cells)


def _holds(verdict: object) -> bool:
    return verdict not in (False, "no")


def _by(lines: Sequence[Line], column: str) -> list[tuple[str, int, int]]:
    """Count the secrets of each vault or owner, and those that do not comply, the worst first."""
    names = sorted({line.cells.get(column, "") for line in lines})
    counts = []
    for name in names:
        own = [line for line in lines if line.cells.get(column, "") == name]
        counts.append((name, len(own), sum(not line.complies for line in own)))
    return sorted(counts, key=lambda count: -count[2])


@cache
def _template() -> Template:
    from jinja2 import ChainableUndefined, Environment

    text = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    # A missing cell is empty: the report must come out, whichever columns it has.
    environment = Environment(
        autoescape=True, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)
