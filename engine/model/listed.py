"""What the listing of all records shows of each, without a read of any. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.model.prints import SEPARATOR
from engine.model.record import Record
from engine.model.tags import Pending
from engine.secret import SecretVersion


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing of all records shows of one."""

    source: str
    owner: str
    pending: Pending | None = None
    """The superseded credential that must be retired once its overlap has passed."""
    is_open: bool = False
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
    """When the source is to be looked at again."""
    prints: tuple[str, ...] = ()
    """The prints of what its versions hold or held, for reported leaks."""
    is_printed: bool = False
    """Every version whose credential the record knows has a print."""

    @property
    def due(self) -> datetime | None:
        """When the superseded credential is due to be retired."""
        return self.pending.at if self.pending else None

    def holds(self, secret: SecretVersion) -> bool:
        """Return whether Rekey published this very version, with a credential of this source.

        Whatever its tag says by now. Read or listed, a version has the time of its creation.
        """
        return self.published == secret.created

    def made_since(self, incident: datetime) -> bool:
        """Return whether its credential was made since an incident began, or under that one."""
        return bool(self.made and self.made >= incident) or self.under == incident

    @classmethod
    def of(cls, record: Record) -> Listed:
        """Return what a listing shows of this record."""
        last = record.published
        return cls(
            record.source,
            record.owner,
            record.retirement,
            record.is_open,
            record.verified.at,
            record.verified.created,
            last.created if last else None,
            last.made if last else None,
            last.under if last else None,
            record.change.in_progress_since,
            record.next_check,
            tuple(SEPARATOR.join(record.history.prints.values()).split(SEPARATOR))
            if record.history.prints
            else (),
            record.is_printed,
        )
