"""Digests to owners: what needs a person before it expires, in one message an owner.

An owner hears of a secret 30, 7 and 1 days before it expires, when it expires, and, where only a
person rotates it, when it is due and every day once it has expired. Each moment follows from the
secret's dates. A digest is posted by the first sweep that covers the moment, however late that is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.model import manual
from engine.model.entry import NEEDS_A_PERSON, Entry
from engine.model.follow_up import FollowUp
from engine.model.sweep_order import SweepOrder
from engine.secret import SecretVersion

DAY, WEEK = timedelta(days=1), timedelta(days=7)
DAYS = (30, 7, 1)
"""How many days before the expiry an owner is told."""
EXPIRING = "expiring"
"""The news of a digest; the first line of its text is its title."""
MOST_TEXT, MOST_REASON = 1500, 100
"""How many characters a digest has at most, and the reason of one secret in it."""


def latest(
    begins: datetime, expires: datetime | None, now: datetime, *, by_hand: bool
) -> datetime | None:
    """Return the last moment up to now at which an owner is told of a secret; None if none was.

    Nobody is told before `begins`. Of a secret that a person rotates (`by_hand`), the owner is told
    at that moment too, and again every day once it has expired, or every week if it never does.
    """
    ahead = [expires - days * DAY for days in (*DAYS, 0)] if expires else []
    past = [moment for moment in [begins] * by_hand + ahead if begins <= moment <= now]
    if not past:
        return None
    last = max(past)
    if not by_hand or (expires and now < expires):
        return last
    every = DAY if expires else WEEK
    return last + (now - last) // every * every


def moment(secret: SecretVersion, due: datetime | None, now: datetime) -> datetime | None:
    """Return the last moment up to now for a secret with the tags that count; None if none was."""
    by_hand = manual.is_manual(secret.tags)
    begins = due if by_hand else secret.created
    return latest(begins, secret.expires, now, by_hand=by_hand) if begins else None


@dataclass
class Digests:
    """Collects, during one part of a sweep, what owners are told of."""

    order: SweepOrder
    _open: dict[str, list[Entry]] = field(default_factory=dict)
    """What needs a person and has been told of, or is now, by owner."""
    _moments: dict[str, list[str]] = field(default_factory=dict)
    """The moments that fall into this sweep, by owner."""

    def add(self, entry: Entry) -> None:
        """Look at one secret, as the inventory shows it."""
        by_hand = entry.state != "disabled" and manual.is_manual(entry.secret.tags)
        told_at = moment(entry.secret, entry.due, self.order.until)
        if told_at is None or not (by_hand or entry.state in NEEDS_A_PERSON):
            return
        owner = entry.secret.tags.get("Owner", "")
        self._open.setdefault(owner, []).append(entry)
        if self.order.since < told_at:
            key = f"{entry.secret.ref} {entry.secret.expires} {told_at}"
            self._moments.setdefault(owner, []).append(key)

    def items(self) -> Iterator[tuple[str, FollowUp]]:
        """Yield a digest for each owner who is told of something new, with its key.

        Sweeps of the same moments have the same key.
        """
        for owner, moments in self._moments.items():
            text = "\n".join((owner, *sorted(moments)))
            entries = sorted(self._open[owner], key=_urgency)
            yield (
                f"digest-{hashlib.sha256(text.encode()).hexdigest()}",
                FollowUp(
                    entries[0].secret.ref,
                    "tell",
                    reason=_text(entries, self.order.until),
                    since=self.order.until.isoformat(),
                    news=EXPIRING,
                ),
            )


def tells_of_several(item: FollowUp) -> bool:
    """Return whether a digest has a line for more than one secret."""
    return item.reason.count("\n") > 1


def _urgency(entry: Entry) -> tuple[bool, datetime, str]:
    expires = entry.secret.expires
    return expires is None, expires or entry.secret.created, entry.secret.ref.name.lower()


def _text(entries: Sequence[Entry], now: datetime) -> str:
    """Return the title and a line for each secret, as many as there is room for."""
    count = f"{len(entries)} secrets need a person" if entries[1:] else "A secret needs a person"
    text = f"{count}: {entries[0].secret.ref.name} {_when(entries[0], now)}"
    for place, entry in enumerate(entries):
        more = f"\nand {len(entries) - place} more"
        line = f"\n{_line(entry, now)}"
        if len(text + line + more) > MOST_TEXT:
            return text + more
        text += line
    return text


def _line(entry: Entry, now: datetime) -> str:
    by_hand = manual.is_manual(entry.secret.tags)
    reason = "only a person rotates it" if by_hand else entry.reason[:MOST_REASON]
    expires = entry.secret.expires
    date = f" ({expires:%Y-%m-%d %H:%M}Z)" if expires else ""
    return f"{entry.secret.ref.name} {_when(entry, now)}{date}: {reason}"


def _when(entry: Entry, now: datetime) -> str:
    expires = entry.secret.expires
    if expires is None:
        return f"is due since {entry.due:%Y-%m-%d}"
    days = -((now - expires) // DAY) if expires > now else (now - expires) // DAY
    span = f"{days} day" if days == 1 else f"{days} days"
    return f"expires within {span}" if expires > now else f"has expired, {span} ago"
