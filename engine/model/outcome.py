"""How a work item ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.model.workitem import WorkItem
from engine.secret import SecretRef

Result = Literal["rotated", "healed", "restored", "retired", "confirmed", "skipped", "waiting", "parked"]
Errand = Literal["refreshed", "unrefreshed", "told", "untold", "reminded"]
"""How what follows a rotation ends, if it is not skipped or put off."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One structured record: who asked for what, and what came of it. Holds no secret value."""

    item: WorkItem
    result: Result | Errand
    reason: str
    fix: str = ""
    rotator: str = ""
    source: str = ""
    old_version: str | None = None
    new_version: str | None = None
    credential_id: str | None = None
    next_due: datetime | None = None
    retired: tuple[str, ...] = ()
    """The credentials revoked on the way."""
    replicas: tuple[SecretRef, ...] = ()
    """The further secrets that hold the same credential."""
