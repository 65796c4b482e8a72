"""What the next seven days bring, if nothing goes wrong: what `rekey plan` says, by day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from api.page.rows import to_secret
from api.page.timeline import Moment, distance
from engine.engine import Engine
from engine.secret import Version
from engine.state.entry import Entry, Scheduled
from engine.state.index import StateIndex
from engine.state.tags import REPLICA_OF

DAYS = 7
WORDS = {
    "rotate": "is rotated",
    "retire": "loses its earlier credential",
    "remind": "is due, and only a person can rotate it",
    "expire": "expires: nothing will prevent that",
}
FAR = timedelta(days=400)
MOST_STEPS = 5
"""How many steps ahead the page of one secret shows."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that will happen to a secret."""

    at: Moment
    what: str
    text: str
    name: str
    vault: str
    reason: str
    fix: str
    href: str
    in_need: bool


@dataclass(frozen=True, slots=True)
class Day:
    """What one day brings."""

    key: str
    title: str
    steps: tuple[Step, ...]

    @property
    def in_need(self) -> bool:
        """Whether some of it needs a person."""
        return any(step.in_need for step in self.steps)


def days(
    engine: Engine, entries: Iterable[Entry], now: datetime, query: Mapping[str, str]
) -> list[Day]:
    """Return today and the seven days after it, each with what it brings."""
    last = now + timedelta(days=DAYS)
    until = last.replace(hour=23, minute=59, second=59)
    # A replica follows its primary, which may stand on another page of the listing.
    secrets = [entry.secret for entry in entries if REPLICA_OF not in entry.secret.tags]
    # An entry has what the records know already.
    ahead = engine.inventory.plan(secrets, until, StateIndex({}))
    steps = [step(event, now, query) for event in ahead if event.at.date() >= now.date()]
    all_dates = [(now + timedelta(days=number)).date() for number in range(DAYS + 1)]
    return [
        Day(f"{day}", _title(day, now), tuple(step for step in steps if step.at.at.date() == day))
        for day in all_dates
    ]


def _title(day: date, now: datetime) -> str:
    return "Today" if day == now.date() else f"{day:%a} {day.day} {day:%b}"


def next_of(
    engine: Engine, secret: Version, index: StateIndex, now: datetime, query: Mapping[str, str]
) -> list[Step]:
    """Return the next steps of one secret."""
    events = engine.inventory.plan([secret], now + FAR, index)
    return [step(event, now, query) for event in events[:MOST_STEPS]]


def step(event: Scheduled, now: datetime, query: Mapping[str, str]) -> Step:
    """Return how something to come is shown."""
    ref = event.secret.ref
    return Step(
        at=Moment("at", event.at, distance(event.at - now)),
        what=event.what,
        text=WORDS[event.what],
        name=ref.name,
        vault=ref.vault_name,
        reason=event.reason,
        fix=event.fix,
        href=to_secret(ref.vault_name, ref.name, query),
        in_need=event.what in ("remind", "expire"),
    )
