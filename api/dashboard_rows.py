"""A secret as a row of the page: name, state, dates and time line. Pure; all that came from a tag is escaped and isolated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape
from math import copysign, sqrt

from engine.model.entry import Entry

DAY = timedelta(days=1)
PAST, FUTURE = -90, 400
"""The days that a time line shows. Their square roots are drawn, so that the next days are wide and next year is narrow."""
TICKS = ((-30, "30 d ago"), (0, "now"), (30, "30 d"), (90, "90 d"), (365, "1 y"))


def row(one: Entry, now: datetime) -> str:
    """Write the row; its `data-state` is what the script counts by. The roles outlive a style that makes no table of it."""
    return (
        f'<tr role="row" data-state="{one.state}"><th role="rowheader" scope="row">{_named(one)}</th>'
        f'<td role="cell">{badge(one.state)}{_why(one)}</td>'
        f'<td role="cell">{_dates(one, now)}</td><td role="cell">{_line(one, now)}</td></tr>'
    )


def badge(state: str) -> str:
    """Write a state by its shape and its word; the colour only repeats them."""
    return f'<span class="state {state}"><svg aria-hidden="true"><use href="#{state}"/></svg>{state}</span>'


def grid() -> str:
    """Draw what lies behind every time line."""
    return "".join(f'<line x1="{x}" x2="{x}" y2="100%"{_now(day)}/>' for day, x in _ticks())


def axis() -> str:
    """Write the words over the time lines."""
    words = dict(TICKS)
    return "".join(f'<text x="{x}" y="11"{_now(day)}>{words[day]}</text>' for day, x in _ticks())


def _now(day: int) -> str:
    return "" if day else ' class="now"'


def _ticks() -> list[tuple[int, str]]:
    return [(day, f"{_place(day):.1f}%") for day, _ in TICKS]


def _named(one: Entry) -> str:
    secret = one.secret
    about = [secret.ref.vault_name, one.managed.rotator.kind if one.managed else "", secret.tags.get("Owner", "")]
    return f"{escape(secret.ref.name)}<small>{' · '.join(_isolated(text) for text in about if text)}</small>"


def _why(one: Entry) -> str:
    fix = one.fix
    reason = f'<p class="why">{_isolated(one.reason)}</p>' if one.reason else ""
    return reason + (f'<p class="fix"><b>Way out:</b> {_isolated(fix)}</p>' if fix else "")


def _isolated(text: str) -> str:
    """Escape a text of unknown direction, and keep its direction from what stands around it."""
    return f"<bdi>{escape(text)}</bdi>"


def _moments(one: Entry) -> Iterator[tuple[str, datetime]]:
    pending = one.managed.pending if one.managed else None
    known = {
        "since": one.parked_since,
        "due": one.due,
        "expires": one.secret.expires,
        "overlap to": pending.at if pending else None,
    }
    return ((word, moment) for word, moment in known.items() if moment)


def _dates(one: Entry, now: datetime) -> str:
    dates = (
        f'<p class="date">{word} <time datetime="{moment:%Y-%m-%dT%H:%MZ}">{moment:%Y-%m-%d}</time>'
        f" <small>{_distance(moment - now)}</small></p>"
        for word, moment in _moments(one)
    )
    return "".join(dates) or '<p class="date"><small>never expires</small></p>'


def _distance(ahead: timedelta) -> str:
    days, hours = round(abs(ahead) / DAY), round(abs(ahead) / timedelta(hours=1))
    amount = f"{days} days" if days > 1 else f"{hours} h"
    return f"in {amount}" if ahead > timedelta() else f"{amount} ago"


def _line(one: Entry, now: datetime) -> str:
    """Draw the version's life: what is behind it, what is left, and the marks; what lies beyond the ends is cut off there."""
    created, expires = one.secret.created, one.secret.expires
    moments = [("created", created), *_moments(one)]
    told = ", ".join(f"{word} {moment:%Y-%m-%d}" for word, moment in moments)
    drawn = _bar("gone", created, min(now, expires or now), now) + (_bar("left", now, expires, now) if expires else "")
    drawn += "".join(_mark(word, moment, now) for word, moment in moments if word in ("due", "expires"))
    if overlap := dict(moments).get("overlap to"):
        drawn += _bar("overlap", created, overlap, now)
    return f'<svg class="line" role="img" aria-label="{told}"><use href="#grid"/>{drawn}</svg>'


def _bar(kind: str, start: datetime, end: datetime, now: datetime) -> str:
    left, right = (_place((moment - now) / DAY) for moment in (start, end))
    return f'<rect class="{kind}" x="{left:.1f}%" width="{right - left:.1f}%"/>' if right > left else ""


def _mark(kind: str, moment: datetime, now: datetime) -> str:
    days = (moment - now) / DAY
    return f'<use href="#{kind}-mark" x="{_place(days):.1f}%"/>' if PAST <= days <= FUTURE else ""


def _place(days: float) -> float:
    """Return where a day lies, in per cent of the width."""
    start, end, here = (_root(each) for each in (PAST, FUTURE, min(max(days, PAST), FUTURE)))
    return 100 * (here - start) / (end - start)


def _root(days: float) -> float:
    return copysign(sqrt(abs(days)), days)
