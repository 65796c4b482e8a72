"""How a work item ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.model.workitem import WorkItem
from engine.secret import SecretRef

Result = Literal[
    "rotated", "healed", "restored", "retired", "confirmed", "skipped", "waiting", "parked"
]
PUBLISHED: frozenset[Result] = frozenset({"rotated", "healed", "restored"})
"""How work ends that has published a version."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who asked for what, and what came of it. Contains no secret value."""

    item: WorkItem
    result: Result
    reason: str
    fix: str = ""
    rotator: str = ""
    source: str = ""
    old_version: str | None = None
    new_version: str | None = None
    credential_id: str | None = None
    next_due: datetime | None = None
    retired: tuple[str, ...] = ()
    """The ids of the credentials revoked for this item."""
    replicas: tuple[SecretRef, ...] = ()
    """The other secrets that hold the same credential."""
    derived: tuple[SecretRef, ...] = ()
    """The secrets that may hold what is made from it."""
    comes_back: bool = False
    """What was asked for could not be dealt with, nor noted in a record: it is tried again."""
