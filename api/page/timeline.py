"""The time line of a secret's version: what is behind it, what is left, and the marks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import copysign, sqrt

from engine.state.entry import Entry

DAY = timedelta(days=1)
PAST, FUTURE = -90, 400
"""The days that a time line shows. Their square roots are drawn: the next days are wide, next year
is narrow."""
TICKS = ((-30, "30 d ago"), (0, "now"), (30, "30 d"), (90, "90 d"), (365, "1 y"))


@dataclass(frozen=True, slots=True)
class Moment:
    """A date of a secret, as the page writes it."""

    word: str
    at: datetime
    distance: str

    @property
    def iso(self) -> str:
        """The moment for programs."""
        return f"{self.at:%Y-%m-%dT%H:%MZ}"

    @property
    def near(self) -> str:
        """How far away it is, in the room of a column."""
        return self.distance.removeprefix("in ").replace(" days", " d")

    @property
    def day(self) -> str:
        """The day for people."""
        return f"{self.at:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the time line, in per cent of its width."""

    kind: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on the time line, in per cent of its width."""

    kind: str
    x: str


@dataclass(frozen=True, slots=True)
class Line:
    """What is drawn, and the same in words."""

    label: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A word over the time lines, and the line below it."""

    x: str
    word: str
    now: bool


def ticks() -> list[Tick]:
    """Return what lies behind every time line."""
    return [Tick(f"{_place(day):.1f}%", word, day == 0) for day, word in TICKS]


def moments(entry: Entry, now: datetime) -> list[Moment]:
    """Return the dates of a secret, in the order in which a row shows them."""
    pending = entry.managed.pending if entry.managed else None
    known = {
        "since": entry.parked_since,
        "under way since": entry.under_way_since,
        "due": entry.due,
        "expires": entry.secret.expires,
        "overlap to": pending.at if pending else None,
    }
    return [Moment(word, at, distance(at - now)) for word, at in known.items() if at]


def distance(ahead: timedelta) -> str:
    """Write how far away a time is."""
    days, hours = round(abs(ahead) / DAY), round(abs(ahead) / timedelta(hours=1))
    minutes = round(abs(ahead) / timedelta(minutes=1))
    amount = f"{days} days" if days > 1 else f"{hours} h" if hours else f"{minutes} min"
    return f"in {amount}" if ahead > timedelta() else f"{amount} ago"


def line(entry: Entry, now: datetime) -> Line:
    """Draw the version's life; what lies beyond the ends is cut off there."""
    created, expires = entry.secret.created, entry.secret.expires
    dates = {"created": created, **{moment.word: moment.at for moment in moments(entry, now)}}
    label = ", ".join(f"{word} {at:%Y-%m-%d}" for word, at in dates.items())
    spans = [("gone", created, min(now, expires or now))]
    if expires:
        spans.append(("left", now, expires))
    if overlap := dates.get("overlap to"):
        spans.append(("overlap", created, overlap))
    bars = tuple(bar for kind, start, end in spans if (bar := _bar(kind, start, end, now)))
    marks = (_mark(word, dates[word], now) for word in ("due", "expires") if word in dates)
    return Line(label, bars, tuple(mark for mark in marks if mark))


def _bar(kind: str, start: datetime, end: datetime, now: datetime) -> Bar | None:
    left, right = (_place((moment - now) / DAY) for moment in (start, end))
    return Bar(kind, f"{left:.1f}%", f"{right - left:.1f}%") if right > left else None


def _mark(kind: str, moment: datetime, now: datetime) -> Mark | None:
    days = (moment - now) / DAY
    return Mark(kind, f"{_place(days):.1f}%") if PAST <= days <= FUTURE else None


def _place(days: float) -> float:
    """Return where a day lies, in per cent of the width."""
    start, end, here = (_root(day) for day in (PAST, FUTURE, min(max(days, PAST), FUTURE)))
    return 100 * (here - start) / (end - start)


def _root(days: float) -> float:
    return copysign(sqrt(abs(days)), days)
