"""The state index: what the listing of all records shows of each source, and of a secret.

Tags show the same to people. A sweep believes the records, so nobody keeps a credential alive by
removing a tag. Pure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.secret import SecretRef, Version
from engine.state.record import NO_TIME, SELDOM, Record
from engine.state.record_parts import SEPARATOR
from engine.state.request import WorkItem, recheck_of
from engine.state.tags import Pending, unfinished_incident


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing of all records shows of one."""

    source: str
    owner: str
    pending: Pending | None = None
    """The superseded credential that must be retired once its overlap has passed."""
    is_open: bool = False
    is_leaked: bool = False
    """What has leaked is not proven to be refused yet."""
    notified: datetime | None = None
    """When people were last told of what needs them there; None if something was done since."""
    audited: datetime | None = None
    created: datetime | None = None
    """When the version that was seen last was created."""
    published: datetime | None = None
    """When the version that Rekey published last was created."""
    made: datetime | None = None
    """When the credential that it holds was made."""
    under: datetime | None = None
    """The date of the incident under which it was made, if that was ahead of the app's clock."""
    waiting: datetime | None = None
    """Since when the source has been at a change that it accepted and goes on with."""
    next_check: datetime | None = None
    """When the source is rechecked."""
    prints: tuple[str, ...] = ()
    """The prints of what its versions hold or held, for reported leaks."""
    is_printed: bool = False
    """The latest versions whose credentials the record knows have prints, and all that may work."""

    def holds(self, secret: Version) -> bool:
        """Return whether Rekey published this very version, with a credential of this source.

        The time of its creation tells that, because a listing shows no version ids.
        """
        return self.published == secret.created

    def accepted(self, secret: Version) -> bool:
        """Return whether its source has accepted this very version, whoever wrote it."""
        return secret.created in (self.published, self.created)

    def owes(self, now: datetime) -> bool:
        """Return whether something is due at its source, or may still take effect there."""
        pending = self.pending
        return bool(self.is_open or self.waiting or (pending and pending.at <= now))

    def is_early(self, now: datetime) -> bool:
        """Return whether the next recheck is to come.

        What is open is never put off for longer than half an hour: a clock that was ahead has noted
        a later time.
        """
        longest = 2 * SELDOM if self.is_open and not self.waiting else timedelta.max
        return bool(self.next_check and NO_TIME < self.next_check - now <= longest)

    def left(self, now: datetime) -> str:
        """Say what is left at its source where nothing works on it; empty if nothing is."""
        pending = self.pending
        if pending and pending.at <= now:
            return f"{pending.credential_id} of {self.source} lives"
        if self.is_open:
            what = f"what was begun at {self.source} is not finished"
            return f"{what}: a credential may still be accepted there"
        return ""

    def made_since(self, incident: datetime) -> bool:
        """Return whether its credential was made since an incident began, or under that one."""
        return bool(self.made and self.made >= incident) or self.under == incident

    @classmethod
    def of(cls, record: Record) -> Listed:
        """Return what a listing shows of this record."""
        last = record.published
        prints = SEPARATOR.join(filter(None, record.history.prints.values()))
        return cls(
            source=record.source,
            owner=record.owner,
            pending=record.retirement,
            is_open=record.is_open,
            is_leaked=bool(record.compromised.versions),
            notified=record.verified.notified_at,
            audited=record.verified.at,
            created=record.verified.created,
            published=last.created if last else None,
            made=last.made if last else None,
            under=last.under if last else None,
            waiting=record.change.in_progress_since,
            next_check=record.next_check,
            prints=tuple(prints.split(SEPARATOR)) if prints else (),
            is_printed=record.is_printed,
        )


@dataclass(frozen=True)
class StateIndex:
    """Records by the secret (lower case) that owns them.

    A secret whose source has changed may own two.
    """

    records: Mapping[str, tuple[Listed, ...]]
    unread: bool = False
    """The records could not be listed, so only tags are known."""

    @classmethod
    async def read(cls, listing: AsyncIterator[Listed]) -> StateIndex:
        """Read all records."""
        records: dict[str, tuple[Listed, ...]] = {}
        async for listed in listing:
            records[listed.owner] = (*records.get(listed.owner, ()), listed)
        return cls(records)

    def of(self, ref: SecretRef) -> tuple[Listed, ...]:
        """Return the records that a secret owns."""
        return self.records.get(str(ref).lower(), ())

    def due(self, ref: SecretRef, now: datetime) -> list[WorkItem]:
        """Return the rechecks that are due for a secret whatever its tags say."""
        items = (recheck_due(ref, listed, now) for listed in self.of(ref))
        return [item for item in items if item]


def recheck_due(ref: SecretRef, listed: Listed, now: datetime) -> WorkItem | None:
    """Return the recheck of a source; None if nothing is owed there, or a later one is noted."""
    if not listed.owes(now) or listed.is_early(now):
        return None
    recheck = recheck_of(ref, listed.source)
    return recheck if listed.is_open or listed.waiting else replace(recheck, action="retire")


@dataclass(frozen=True)
class Owned:
    """A secret, and what the records of its sources say."""

    secret: Version
    records: Sequence[Record]

    @property
    def pending(self) -> Pending | None:
        """The superseded credential that nobody will revoke any more."""
        return next((record.retirement for record in self.records if record.retirement), None)

    def in_progress(self, now: datetime) -> str:
        """Return why a secret cannot be released yet; empty if nothing is in progress."""
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
