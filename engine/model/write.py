"""One version that Rekey writes, as the record of its source knows it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.contract import LATE
from engine.model.tags import Pending


@dataclass(frozen=True, slots=True)
class Past:
    """The credential of a version that was replaced, to recognise it at its source."""

    version: str
    credential_id: str
    digest: str
    """A keyed digest of the credential's id and the credential alone."""


@dataclass(frozen=True, slots=True)
class Write:
    """One version that Rekey wrote, or is about to write, to its owner's secret."""

    operation: str
    credential_id: str
    digest: str
    """A keyed digest of the credential's id and the whole value."""
    replaces: str
    at: datetime
    """When the write was announced, by the app's clock."""
    retire: Pending | None = None
    """What must be retired once this version is published."""
    version: str = ""
    """The version's id; empty until the vault has shown it."""
    created: datetime | None = None
    """When the vault says the version was created."""
    born: datetime | None = None
    """When its credential was made, if not at the time of the write.

    A restored credential is as old as the version that held it before. One that was made under an
    incident dated ahead of the app's clock has the incident's date.
    """
    original: str = ""
    """For a restored version: the version that held its value before."""
    dead: bool = False
    """The source refuses what the replaced version holds, so that version is disabled next."""
    held: Past | None = None
    """What the replaced version holds; None if that is not certain."""

    @property
    def made(self) -> datetime:
        """When its credential was made, by the app's clock."""
        return min(self.born or self.at, self.at)

    @property
    def under(self) -> datetime | None:
        """The date of the incident under which its credential was made, if that was ahead."""
        return self.born if self.born and self.born > self.at else None

    @property
    def due(self) -> Pending | None:
        """What must be retired, its overlap counted from when the vault had this version.

        A write may be carried out minutes after it was sent. Nobody could read it before.
        """
        late = min((self.created or self.at) - self.at, LATE)
        return self.retire and replace(self.retire, at=self.retire.at + max(late, timedelta()))

    def made_since(self, incident: datetime) -> bool:
        """Return whether its credential was made since an incident began, or under that one."""
        return self.made >= incident or self.under == incident
