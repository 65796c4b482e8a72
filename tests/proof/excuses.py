"""What is not counted as a violation, for one source or secret and a time, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

FOR_EVER = float("inf")


class Excuse(StrEnum):
    """Why a promise may fail for a while."""

    LATE = "a change of the source landed after its lease had ended"
    RACED = "somebody wrote between the fresh read and the write that follows it"
    SLOT = "a single slot between its change and the new version"
    BROKEN = "a person broke the credential at its source"
    LEFT_ALONE = "a person wrote the version, and looks after what it replaced"
    TOLD = "an incident was reported as not finished"
    KEY = "a compromised key went before what it had made could move on"
    STORE = "the record of the source went back in time, was lost, or was exchanged"
    CLAIM = "a person must mend the secret, and was told so"


@dataclass
class Excuses:
    """The excuses of one schedule."""

    granted: dict[tuple[Excuse, str], float] = field(default_factory=dict)
    """Until when, in seconds, an excuse holds for a subject: a source, or a secret's name."""
    used: Counter[Excuse] = field(default_factory=Counter)
    """How often each kept a check from failing."""

    def grant(self, excuse: Excuse, subject: str, until: float = FOR_EVER) -> None:
        """Excuse something of one subject until a time; the later one counts."""
        key = (excuse, subject)
        self.granted[key] = max(until, self.granted.get(key, 0.0))

    def end(self, excuse: Excuse, subject: str) -> None:
        """Excuse it no more."""
        self.granted.pop((excuse, subject), None)

    def holds(self, excuse: Excuse, subject: str, now: float) -> bool:
        """Return whether a check of this subject would be excused now."""
        return bool(self.granted) and self.granted.get((excuse, subject), -1.0) >= now

    def cover(self, excuse: Excuse, subject: str, now: float) -> bool:
        """Return whether a check that failed is excused, and count that."""
        covered = self.holds(excuse, subject, now)
        if covered:
            self.used[excuse] += 1
        return covered
