"""Tags whose text has a grammar: when a secret may be rotated, what a key may make. Pure.

`RotationWindow` says `Sat,Sun 01:00-05:00 Europe/Berlin`.

`MayDerive`, of the secret with a key, is the consent of its owner. It lists entries, separated by
commas, such as `uploads=sas/container/uploads/rl`: a secret (by its name where it is in the same
vault, otherwise by its URL), and what may be made for it. Whoever may edit the derived secret alone
can widen neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import NeedsHuman
from engine.secret import SECRET_NAME, SecretRef

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHAPE = re.compile(
    r"(?P<days>[A-Za-z,\-*]+) (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d) "
    r"(?P<zone>[A-Za-z0-9_+/\-]+)"
)
HOURS = "days, hours and zone, such as 'Sat,Sun 01:00-05:00 Europe/Berlin'"


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the week in one time zone. A window that closes before it opens spans midnight."""

    days: frozenset[int]
    opens: time
    closes: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Window:
        """Parse `<days> HH:MM-HH:MM <time zone>`; raises ValueError.

        Days are written as `Mon-Fri`, `Sat,Sun` or `*`.
        """
        match = SHAPE.fullmatch(text.strip())
        if match is None:
            raise ValueError(text)
        try:
            zone = ZoneInfo(match["zone"])
        except (ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(text) from error
        opens, closes = time.fromisoformat(match["opens"]), time.fromisoformat(match["closes"])
        if opens == closes:
            raise ValueError(text)
        return cls(_days(match["days"].lower()), opens, closes, zone)

    def next_open(self, now: datetime) -> datetime:
        """Return `now` if the window is open, else when it opens next, in UTC."""
        today = now.astimezone(self.zone).date()
        # The clocks may skip the window of a day, so two weeks include every weekday. The day before
        # may have opened before midnight.
        days = (today + timedelta(days=offset) for offset in range(-1, 16))
        bounds = (self._bounds(day) for day in days if day.weekday() in self.days)
        return next(max(now, opens) for opens, closes in bounds if max(now, opens) < closes)

    def _bounds(self, day: date) -> tuple[datetime, datetime]:
        last = day if self.opens < self.closes else day + timedelta(days=1)
        return self._moment(day, self.opens), self._moment(last, self.closes)

    def _moment(self, day: date, at: time) -> datetime:
        """Return a local time in UTC. One that the clocks skip is the moment at which they do."""
        local = datetime.combine(day, at)
        while True:
            moment = local.replace(tzinfo=self.zone).astimezone(UTC)
            if moment.astimezone(self.zone).replace(tzinfo=None) == local:
                return moment
            local += timedelta(minutes=1)


def _days(text: str) -> frozenset[int]:
    if text == "*":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start, end = DAYS.index(first), DAYS.index(last if dash else first)
        days |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return frozenset(days)


EXPECTED = "entries such as <secret>=sas/container/<name>/r, comma-separated"


@dataclass(frozen=True, slots=True)
class Consent:
    """One secret, and what may be made for it."""

    secret: str
    """A name in the vault of the key, or a URL."""
    extent: str
    """What follows the key's source in the source of the derived secret."""

    def ref(self, vault: str) -> SecretRef:
        """Return the secret, named by the owner of a key in this vault."""
        if SECRET_NAME.fullmatch(self.secret):
            return SecretRef(vault, self.secret)
        return SecretRef.parse(self.secret)

    def covers(self, key: SecretRef, derived: SecretRef, extent: str) -> bool:
        """Return whether the owner of `key` lets `derived` hold this."""
        named = str(self.ref(key.vault)).lower()
        return named == str(derived).lower() and self.extent == extent


def consents(text: str) -> tuple[Consent, ...]:
    """Read the tag; raises ValueError."""
    return tuple(_consent(entry) for entry in text.split(","))


def _consent(text: str) -> Consent:
    secret, _, extent = (part.strip() for part in text.partition("="))
    consent = Consent(secret, extent.strip("/"))
    try:
        consent.ref("")
    except NeedsHuman as error:
        raise ValueError(text) from error
    if not extent:
        raise ValueError(text)
    return consent
