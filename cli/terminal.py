"""What a run shows: plain, aligned text for people, JSON for programs, colour and progress on a terminal only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from cli.codes import fix_of
from engine.errors import RekeyError

RED, YELLOW, GREEN, GREY, BOLD = "31", "33", "32", "2", "1"
COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("overdue", "parked", "drifted", "expire", "finding", "failed", "-"), RED),
    **dict.fromkeys(("due", "remind", "waiting", "note", "@"), YELLOW),
    **dict.fromkeys(("ok", "fine", "succeeded", "+"), GREEN),
    **dict.fromkeys(("disabled", "unmanaged"), GREY),
}
"""The colour of a table's first word, and of a diff's lines."""
ERASE = "\r\x1b[K"


@dataclass(frozen=True)
class Terminal:
    """Where a run writes to."""

    out: TextIO
    err: TextIO
    as_json: bool
    plain: bool
    """Somebody asked for no colour: https://no-color.org."""

    def line(self, text: str = "", style: str = "") -> None:
        """Write one line."""
        self.out.write(self._painted(printable(text), style) + "\n")

    def result(self, data: object) -> None:
        """Write the whole result as JSON."""
        json.dump(data, self.out, indent=2)
        self.out.write("\n")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows in aligned columns; the first column's word decides its colour."""
        shown = [[printable(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)]
        self.out.write(self._painted(_aligned(heads, widths), BOLD) + "\n")
        for row in shown:
            line = _aligned(row, widths)
            word = row[0]
            self.out.write(self._painted(word, COLOURS.get(word, "")) + line[len(word) :] + "\n")

    def fields(self, data: Mapping[str, Any]) -> None:
        """Write what has a value, one to a line."""
        given = {name.replace("_", " "): value for name, value in data.items() if value not in (None, "")}
        width = max(map(len, given), default=0)
        for name, value in given.items():
            self.line(f"{name:{width}}  {value}")

    def progress(self, text: str) -> None:
        """Show how far a run has come, where somebody is watching; an empty text takes that away."""
        if self.err.isatty() and not self.as_json:
            self.err.write(ERASE + printable(text))
            self.err.flush()

    def problem(self, error: RekeyError, code: int) -> None:
        """Say what went wrong, where, and the fix."""
        self.progress("")
        fix = fix_of(error)
        if self.as_json:
            data = {"problem": error.what, "where": error.where, "fix": fix, "exit": code}
            self.err.write(json.dumps(data, indent=2) + "\n")
            return
        text = f"{error} Fix: {fix}" if fix and not error.fix else str(error)
        self.err.write("rekey: " + "\n".join(map(printable, text.splitlines())) + "\n")

    def _painted(self, text: str, style: str) -> str:
        if not (style and text and self.out.isatty()) or self.plain:
            return text
        return f"\x1b[{style}m{text}\x1b[0m"


def printable(text: str) -> str:
    """Return text that a terminal does nothing with but show it: tags are anybody's, and may hold escape sequences."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def moment(time: datetime | None) -> str:
    """Write a time for people."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}Z" if time else "never"


def distance(time: datetime | None, now: datetime) -> str:
    """Write how far away a time is for people."""
    if time is None:
        return "never"
    days = (time - now) / timedelta(days=1)
    hours = f"{abs(days) * 24:.0f} h"
    size = hours if abs(days) < 2 else f"{abs(days):.0f} d"  # noqa: PLR2004
    if abs(days) * 24 < 0.5:  # noqa: PLR2004
        return "now"
    return f"in {size}" if days >= 0 else f"{size} ago"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
