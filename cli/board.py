"""The list of `rekey status`: in order where all of it comes soon, else row by row as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cli.tables import aligned
from cli.terminal import Terminal, distance, moment
from engine.ports import Clock
from engine.state.entry import NEEDS_A_PERSON, Entry, State

ORDER: tuple[State, ...] = (
    "parked",
    "dropped",
    "drifted",
    "overdue",
    "due",
    "ok",
    "disabled",
    "unmanaged",
)
HEADS = ("state", "secret", "rotator", "owner", "expires", "due")
SPARE = ("rotator", "owner", "due")
"""Columns that a narrow terminal does without: `rekey show` has them."""
HELD, HOLD_SECONDS = 200, 0.5
"""How many rows, and for how long after the first answer, are held back to be shown in order."""
FLUSHED = 25
"""After how many rows of a stream whoever reads gets them: a page of Key Vault's."""


class Board:
    """Takes secrets as they come, and shows them."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self.entries: list[Entry] = []
        self._terminal = terminal
        self._clock = clock
        self._began: float | None = None
        self._widths: list[int] = []
        self._shown = 0

    def answered(self, count: int) -> None:
        """Note that so many secrets were seen; a long list begins to show."""
        now = self._clock.monotonic()
        self._began = now if self._began is None else self._began
        if self._widths or not self._terminal.is_for_people:
            return
        if len(self.entries) < HELD and now - self._began < HOLD_SECONDS:
            if count % FLUSHED == 1:
                self._terminal.progress(f"{count} secrets listed")
        elif self.entries:
            self._begin()

    def add(self, entry: Entry) -> None:
        """Take one secret that is to be shown."""
        self.entries.append(entry)
        if self._widths:
            self._row(entry)

    def _begin(self) -> None:
        self._terminal.progress("")
        rows = [row(entry, self._clock.now()) for entry in self.entries]
        self._widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
        self._terminal.line(aligned((), [HEADS], self._widths)[0], "1")
        for entry in ordered(self.entries):
            self._row(entry)

    def _row(self, entry: Entry) -> None:
        self._terminal.row(row(entry, self._clock.now()), self._widths)
        self._shown += 1
        if self._shown % FLUSHED == 0:
            self._terminal.out.flush()

    def end(self, counted: str) -> None:
        """Show what has not been shown: how many there are, what needs a person, and the rows."""
        needy = [entry for entry in ordered(self.entries) if entry.state in NEEDS_A_PERSON]
        if self._widths:
            self._needy(needy)
            self._terminal.line()
            self._terminal.line(counted)
            return
        self._terminal.line(counted)
        self._needy(needy)
        if self.entries:
            self._terminal.line()
            now = self._clock.now()
            self._terminal.table(HEADS, [row(entry, now) for entry in ordered(self.entries)], SPARE)

    def _needy(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._terminal.line()
            self._terminal.line(f"{entry.state}: {entry.secret.ref.place}", "31")
            self._terminal.fields({"  why": entry.reason, "  fix": entry.fix})


def ordered(entries: Sequence[Entry]) -> list[Entry]:
    """Put what needs a person first, then by what is due next."""
    return sorted(
        entries,
        key=lambda entry: (
            ORDER.index(entry.state),
            entry.due is None,
            entry.due,
            str(entry.secret.ref),
        ),
    )


def row(entry: Entry, now: datetime) -> tuple[str, ...]:
    """Return one secret's row."""
    kind = entry.managed.rotator.kind if entry.managed else ""
    due = moment(entry.due) if entry.due else ""
    owner = entry.secret.tags.get("Owner", "")
    return (
        entry.state,
        entry.secret.ref.place,
        kind,
        owner,
        distance(entry.secret.expires, now),
        due,
    )
