"""What travels on the queue `sweeps`.

An order says which vault to sweep, which daily audits fall due, and how long until the next sweep.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import PermanentError
from engine.secret import SecretRef
from engine.state.incident import Incident
from engine.state.request import DAY, TRIED_ON, moment_of

HOUR = timedelta(hours=1)
NEVER = "0001-01-01"
"""How the host writes when a timer that has not run yet ran last: as .NET's first day."""
ORDER_FIX = "delete the message: the next sweep posts its own"
MOST_DELAY = timedelta(days=6)
"""A queue message can be hidden for seven days at most."""


@dataclass(frozen=True, slots=True)
class SoFar:
    """What earlier calls of a sweep did: a huge vault takes longer than one function may run."""

    token: str | None
    """The token of the next page; None for the first one. A token of another vault is refused."""
    begun: datetime
    """When the first call began."""
    seen: int = 0
    posted: int = 0
    broken: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    """Empty where an earlier call could not read the records."""
    started: Mapping[str, int] = field(default_factory=dict)
    """See engine.sweep.pace.Pace."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a part of a message."""
        return {**asdict(self), "begun": self.begun.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SoFar:
        """Read it from a message; raises ValueError, TypeError or LookupError."""
        seen, posted, broken = (int(data[name]) for name in ("seen", "posted", "broken"))
        states, started = (
            {str(key): int(value) for key, value in data[name].items()}
            for name in ("states", "started")
        )
        begun = datetime.fromisoformat(data["begun"])
        begun = begun.replace(tzinfo=begun.tzinfo or UTC)
        return cls(str(data["token"]), begun, seen, posted, broken, states, started)


@dataclass(frozen=True, slots=True)
class SweepOrder:
    """An order to sweep one vault."""

    vault: str
    since: datetime
    """Audits that fall after this time…"""
    until: datetime
    """…and not after this one are part of this sweep."""
    period: timedelta
    """The time until the next sweep. It limits how much work this sweep may start."""
    incident: Incident | None = None
    """The incident whose scope is to be replaced; None for a scheduled sweep."""
    so_far: SoFar | None = None
    """Where an interrupted sweep continues; None at the start."""
    again: bool = False
    """An incident's order has been carried out, with all records: it is sent once more."""

    def is_over(self, now: datetime) -> bool:
        """Return whether an incident's order is not carried out any more.

        What it would post again after a month would not be tried.
        """
        if self.incident is None:
            return False
        until = self.incident.reported + TRIED_ON if self.again else self.incident.tried_until
        return now > until

    @classmethod
    def by_schedule(
        cls, vault: str, status: Mapping[str, str], now: datetime, covered: datetime | None = None
    ) -> SweepOrder:
        """Derive the times from a timer's ScheduleStatus (`Last`, `Next`).

        A time that is missing counts as one hour from now. A day is made up for at most, and at a
        timer's first run. Where it is known until when sweeps have `covered` what falls due, all
        since then is made up for.
        """
        text, following = status.get("Last") or "", moment_of(status.get("Next"))
        last = now - DAY if text.startswith(NEVER) else moment_of(text)
        last = last if last and last < now else now - HOUR
        last = max(last, now - DAY)
        since = min(last, covered or last)
        return cls(vault, since, now, following - now if following and following > now else HOUR)

    @classmethod
    def for_incident(cls, vault: str, incident: Incident) -> SweepOrder:
        """Return an order to replace everything in this vault that the incident covers."""
        return cls(vault, incident.since, incident.since, MOST_DELAY, incident)

    @property
    def request(self) -> str:
        """The id by which an incident's order is stored until it has ended; empty for a sweep."""
        if self.incident is None:
            return ""
        terms = [self.vault, self.incident.to_dict()]
        return hashlib.sha256(json.dumps(terms).encode()).hexdigest()[:40]

    def to_json(self) -> str:
        """Return the text of the queue message."""
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        data: dict[str, Any] = {"vault": self.vault, **times, "period": self.period.total_seconds()}
        if self.incident:
            # One that covers all vaults names none: each of its many messages would name them all.
            only = [self.vault] if len(self.incident.vaults) == 1 else []
            data["incident"] = {**self.incident.to_dict(), "vaults": only}
            data["again"] = self.again
        return json.dumps(data | ({"so_far": self.so_far.to_dict()} if self.so_far else {}))

    @classmethod
    def from_json(cls, text: str | bytes, now: datetime) -> SweepOrder:
        """Read a message, in which only the vault is required; raises PermanentError."""
        try:
            data = json.loads(text)
            vault = str(data["vault"]).rstrip("/").lower()
            since = moment_of(data.get("since")) or now - HOUR
            until = moment_of(data.get("until")) or now
            incident = Incident.from_dict(data["incident"]) if data.get("incident") else None
            period = timedelta(seconds=float(data.get("period", HOUR.total_seconds())))
            so_far = SoFar.from_dict(data["so_far"]) if data.get("so_far") else None
            again = data.get("again") is True
            period = min(max(period, timedelta(minutes=1)), timedelta(days=366))
            return cls(vault, since, until, period, incident, so_far, again)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            raise PermanentError(
                'the message is not {"vault": url, …}', where="queue sweeps", fix=ORDER_FIX
            ) from None


def audit_is_due(ref: SecretRef, order: SweepOrder, audited: datetime | None) -> bool:
    """Return whether a secret's daily audit is due: each has its own second of the day.

    If a record says when the secret was last proven, its second must have come since. If not, it
    must fall into the time that the order covers.
    """
    second = int.from_bytes(hashlib.sha256(str(ref).lower().encode()).digest()[:4]) % (
        DAY // timedelta(seconds=1)
    )
    midnight = order.until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    marks = [midnight + timedelta(days=day, seconds=second) for day in (-1, 0)]
    if audited:
        latest = max(mark for mark in marks if mark <= order.until)
        return audited < latest
    return any(order.since < mark <= order.until for mark in marks)
