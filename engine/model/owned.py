"""A secret that is to leave management, and what that would leave unfinished. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.model.record import Record
from engine.model.tags import Pending, unfinished_incident
from engine.secret import SecretVersion


@dataclass(frozen=True)
class Owned:
    """A secret, and what the records of its sources say."""

    secret: SecretVersion
    records: Sequence[Record]

    @property
    def pending(self) -> Pending | None:
        """The superseded credential that nobody will revoke any more."""
        return next((record.retirement for record in self.records if record.retirement), None)

    def in_progress(self, now: datetime) -> str:
        """Return what a release would leave unfinished; empty if nothing is in progress."""
        records = self.records
        if unfinished_incident(self.secret) or any(
            record.compromised.versions for record in records
        ):
            return "what leaked may still be accepted: its incident has not ended"
        if any(
            record.pending_write or record.change.open_since or record.change.in_progress_since
            for record in records
        ):
            return "a change of its source is in progress"
        if any(
            record.change.uncertain_until and record.change.uncertain_until > now
            for record in records
        ):
            return "the last change of its source may still take effect"
        if self.pending:
            until = f"{self.pending.at:%Y-%m-%d %H:%M}Z"
            return f"{self.pending.credential_id} is inside its overlap until {until}"
        return ""
