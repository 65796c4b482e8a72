"""What may be decided about a secret. Plain data; engine/planning decides. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.state.tags import Managed, Pending


@dataclass(frozen=True, slots=True)
class Rotate:
    """Make a new credential and publish it."""

    managed: Managed
    reason: str
    at_once: bool = False
    """The current credential is compromised, so it gets no overlap."""
    warning: str = ""
    """What an operator must know beforehand. It is only looked up for a preview."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Revoke the superseded credential and disable the version that holds it."""

    managed: Managed
    pending: Pending
    reason: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Publish the superseded credential again, if the source still accepts it."""

    managed: Managed
    pending: Pending
    reason: str = "restored"


@dataclass(frozen=True, slots=True)
class Confirm:
    """Prove that the source accepts the current credential, and heal it if not."""

    managed: Managed
    reason: str = "this version has been rotated already"


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is to be done."""

    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until `until`. Acting sooner would break an overlap, a window or a lagging app."""

    until: datetime
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Park:
    """The secret cannot be rotated until a person fixes something."""

    reason: str
    fix: str = ""
    drifted: bool = False
    """The source refuses what the vault holds, and Rekey could not heal that."""


Acting = Rotate | Retire | Restore | Confirm
Decision = Acting | Skip | Wait | Park
