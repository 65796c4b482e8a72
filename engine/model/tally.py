"""What one sweep of one vault saw, counted from the listing alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model.entry import STATES, Entry, State

UNKNOWN = "unknown"
"""The kind of a secret whose tags do not say it, or are malformed."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long until one managed secret expires."""

    secret: str
    rotator: str
    days: float
    """Days until it expires; negative once it has."""


@dataclass
class Tally:
    """The counts of one sweep."""

    vault: str
    seen: int = 0
    posted: int = 0
    broken: int = 0
    """Secrets that could not be judged."""
    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    expiries: list[Expiry] = field(default_factory=list)
    """Only those of this part of the sweep: all of them would not fit into a message."""
    goes_on: bool = False
    """Whether another part of the sweep follows."""

    def add(self, entry: Entry, days: float | None) -> None:
        """Count one secret that expires in `days`; None if it never does."""
        self.states[entry.state] += 1
        if days is not None and entry.state not in ("disabled", "unmanaged"):
            kind = entry.managed.rotator.kind if entry.managed else UNKNOWN
            self.expiries.append(Expiry(entry.secret.ref.name, kind, round(days, 3)))
