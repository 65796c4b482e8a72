"""What a run shows: text for people, data for programs, colour and progress on a terminal only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from cli.plain import advice, plain
from cli.query import Query, as_csv, as_tsv, cell
from cli.query import rows as table_of
from cli.tables import aligned, paint
from engine.errors import ConfigError, RekeyError

RED, YELLOW, GREEN, GREY = "31", "33", "32", "2"
COLOURS: Mapping[str, str] = {
    **dict.fromkeys(
        ("overdue", "parked", "drifted", "dropped", "expire", "finding", "failed", "-"), RED
    ),
    **dict.fromkeys(("due", "remind", "waiting", "note", "@"), YELLOW),
    **dict.fromkeys(("ok", "fine", "succeeded", "+"), GREEN),
    **dict.fromkeys(("disabled", "unmanaged"), GREY),
}
"""The colour of a table's first word, and of a diff's lines."""
ERASE, CLEAR = "\r\x1b[K", "\x1b[H\x1b[2J\x1b[3J"


@dataclass(frozen=True)
class Terminal:
    """Where a run writes to, and how."""

    out: TextIO
    err: TextIO
    output: str = "table"
    """One of cli.words.OUTPUTS."""
    plain: bool = False
    """Somebody asked for no colour: https://no-color.org."""
    query: Query | None = None

    def asking(self, query: Query | None) -> Terminal:
        """Return the same, for a part of the result."""
        return replace(self, query=query)

    @property
    def is_for_people(self) -> bool:
        """Return whether a person reads it, not a program."""
        return self.output == "table" and self.query is None

    @property
    def watched(self) -> bool:
        """Return whether it is a terminal that results go to."""
        return self.out.isatty()

    def line(self, text: str = "", style: str = "") -> None:
        """Write one line."""
        self.out.write(self._painted(printable(text), style) + "\n")

    def data(self, result: Mapping[str, Any], rows: str = "") -> bool:
        """Write the result for a program, if one reads; returns whether it did.

        `rows` names what a table of tabs or commas consists of, where no query does.
        """
        if self.is_for_people:
            return False
        self.progress("")
        result = _in_our_words(result)
        if self.query:
            picked = self.query(result)
            if picked is None and self.output != "json":
                self.note(f"{self.query} found nothing, or null: the result has {_names(result)}")
            self._write(picked)
        else:
            self._write(result[rows] if rows and self.output in ("tsv", "csv") else result)
        return True

    def _write(self, data: Any) -> None:
        match self.output:
            case "json":
                self.out.write(json.dumps(data, indent=2) + "\n")
            case "tsv":
                self.out.write(as_tsv(data))
            case "csv":
                self.out.write(as_csv(data))
            case _:
                heads, body = table_of(data)
                self._lines(heads, [[cell(value) for value in row] for row in body])

    def _lines(self, heads: Sequence[str], body: Sequence[Sequence[str]]) -> None:
        if heads:
            self.table(heads, body)
            return
        for row in body:
            self.line("  ".join(row))

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()
    ) -> None:
        """Write rows in columns; the first column's word decides its colour.

        `spare` names columns that a narrow terminal does without.
        """
        shown = [[printable(cell) for cell in row] for row in rows]
        if self.watched:
            paint(self.out, heads, shown, COLOURS, spare=spare, plain=self.plain)
            return
        for text in aligned(heads, shown):
            self.out.write(text + "\n")

    def row(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        """Write one row of a table that is not complete yet; its first word decides the colour."""
        first, *others = map(printable, cells)
        line = aligned((), [[first, *others]], widths)[0]
        self.out.write(self._painted(first, COLOURS.get(first, "")) + line[len(first) :] + "\n")

    def fields(self, data: Mapping[str, Any]) -> None:
        """Write what has a value, one to a line."""
        shown = {
            name.replace("_", " "): value
            for name, value in _in_our_words(data).items()
            if value not in (None, "", [])
        }
        width = max(map(len, shown), default=0)
        for name, value in shown.items():
            self.line(f"{name:{width}}  {_word(value)}")

    def answer(self, body: Mapping[str, Any]) -> None:
        """Write an answer of the API.

        Its fields, then the parts of its lists, such as secrets or steps.
        """
        self.fields({name: _listed(value) for name, value in body.items() if not _has_parts(value)})
        for name, parts in body.items():
            for part in parts if _has_parts(parts) else ():
                self.line()
                self.line(f"{name.replace('_', ' ')}:")
                self.fields({f"  {field}": _listed(value) for field, value in part.items()})

    def progress(self, text: str) -> None:
        """Show how far a run has come, where somebody is watching.

        An empty text takes that away.
        """
        if self.err.isatty() and self.is_for_people:
            self.err.write(ERASE + printable(text))
            self.err.flush()

    def clear(self) -> None:
        """Begin anew at the top of the screen, where there is one."""
        self.out.write(CLEAR if self.watched else "\n")

    def problem(self, error: RekeyError, code: int) -> None:
        """Say what went wrong, where, and the fix."""
        self.progress("")
        error = plain(error)
        if self.output == "json":
            data = {
                "problem": error.what,
                "where": error.where,
                "fix": error.fix,
                "exit": int(code),
            }
            self.err.write(json.dumps(data, indent=2) + "\n")
            return
        self.err.write("rekey: " + "\n".join(map(printable, _lines_of(error))) + "\n")

    def note(self, text: str) -> None:
        """Say something beside the result, on the error stream."""
        self.progress("")
        self.err.write(f"rekey: {printable(text)}\n")

    def _painted(self, text: str, style: str) -> str:
        if not (style and text and self.watched) or self.plain:
            return text
        return f"\x1b[{style}m{text}\x1b[0m"


def _lines_of(error: RekeyError) -> list[str]:
    """Return what went wrong, where, and the fix; of settings, each problem on a line."""
    if isinstance(error, ConfigError):
        return [*error.what.splitlines(), *([f"Fix: {error.fix}"] if error.fix else [])]
    return str(error).splitlines()


def _names(result: Mapping[str, Any]) -> str:
    return ", ".join(result)


def _in_our_words(data: Any) -> Any:
    """Return a result whose fixes say what to type: the app's own say what to send."""
    if isinstance(data, Mapping):
        return {
            name: advice(value)
            if name.strip() == "fix" and isinstance(value, str)
            else _in_our_words(value)
            for name, value in data.items()
        }
    return [_in_our_words(part) for part in data] if isinstance(data, list) else data


def _has_parts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(part, dict) for part in value)


def _listed(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def printable(text: str) -> str:
    """Return text that a terminal does nothing with but show it.

    Tags are anybody's, and may hold escape sequences.
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def iso(time: datetime | None) -> str | None:
    """Write a time for programs."""
    return time.astimezone(UTC).isoformat(timespec="seconds") if time else None


def moment(time: datetime | None) -> str:
    """Write a time for people."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}Z" if time else "never"


def distance(time: datetime | None, now: datetime) -> str:
    """Write how far away a time is for people."""
    if time is None:
        return "never"
    far = abs(time - now)
    minutes, hours, days = (
        round(far / unit) for unit in (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
    )
    if minutes == 0:
        return "now"
    if minutes < 60:  # noqa: PLR2004
        size = f"{minutes} min"
    else:
        size = f"{hours} h" if far < timedelta(days=2) else f"{days} d"
    return f"in {size}" if time >= now else f"{size} ago"
