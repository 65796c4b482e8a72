"""What travels on the queue `sweeps`: which vault, whose daily audit falls due, and how long until the next sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.errors import PermanentError
from engine.model.incident import Incident
from engine.sweep.pace import MOST_DELAY

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SweepOrder:
    """One vault to be swept."""

    vault: str
    since: datetime
    """Audits that fall after this time…"""
    until: datetime
    """…and not after this one are part of this sweep."""
    period: timedelta
    """The time until the next sweep, which bounds how much work this one may start."""
    incident: Incident | None = None
    """Where it is none of the schedule's sweeps, but everything in an incident's scope is to be replaced."""

    @classmethod
    def by_schedule(cls, vault: str, status: Mapping[str, str], now: datetime) -> SweepOrder:
        """Derive the times from a timer's ScheduleStatus (`Last`, `Next`); without one, an hour each way."""
        last, following = _time(status.get("Last")), _time(status.get("Next"))
        since = max(last, now - DAY) if last and last < now else now - HOUR
        return cls(vault, since, now, following - now if following and following > now else HOUR)

    @classmethod
    def for_incident(cls, vault: str, incident: Incident) -> SweepOrder:
        """Order that everything of this vault which the incident covers be replaced."""
        return cls(vault, incident.since, incident.since, MOST_DELAY, incident)

    def to_json(self) -> str:
        """Write the message."""
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        data = {"vault": self.vault, **times, "period": self.period.total_seconds()}
        return json.dumps(data | ({"incident": self.incident.to_dict()} if self.incident else {}))

    @classmethod
    def from_json(cls, text: str | bytes, now: datetime) -> SweepOrder:
        """Read a message; only the vault must be there. Raises PermanentError."""
        try:
            data = json.loads(text)
            vault = str(data["vault"]).rstrip("/").lower()
            since, until = _time(data.get("since")) or now - HOUR, _time(data.get("until")) or now
            incident = Incident.from_dict(data["incident"]) if data.get("incident") else None
            period = timedelta(seconds=float(data.get("period", HOUR.total_seconds())))
            return cls(vault, since, until, period, incident)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            raise PermanentError('the message is not {"vault": url, …}', where="queue sweeps") from None


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
