"""When a vault was swept last, and when it is swept next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LastSweep:
    """What is remembered of the sweeps of one vault."""

    vault: str
    """The vault's URL."""
    ended: datetime | None
    """When its last sweep finished; None if none did or it is not known."""
    due: datetime
    """When the next one is due."""
    covered: datetime | None = None
    """Until when sweeps that finished have covered what falls due; None if it is not known."""
