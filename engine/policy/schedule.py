"""When secrets fall due under a policy, and which of its rules do nothing, or too much. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from engine.secret import SecretRef
from engine.state.entry import Entry, State
from engine.state.policy import Policy
from engine.state.policy_document import Match, Rule
from engine.state.tags import Managed

COUNTED_DAYS = (7, 30)
"""Within how many days what falls due is counted."""
TOO_OFTEN = timedelta(days=7)
"""Who rotates a secret this often has hardly meant to."""
ROTATED: frozenset[State] = frozenset({"ok", "due", "overdue"})


class Often(TypedDict):
    """A rule that makes secrets rotate every few days."""

    rule: str
    """What it matches; empty where no rule does, so that defaults or tags are the cause."""
    days: float
    secrets: int


@dataclass(slots=True)
class Schedule:
    """What falls due when under one policy: it takes secret by secret."""

    policy: Policy
    now: datetime
    due: Counter[int] = field(default_factory=Counter)
    """How many fall due within so many days; those that are due already among them."""
    _applied: set[int] = field(default_factory=set)
    _often: Counter[tuple[int, float]] = field(default_factory=Counter)

    @property
    def _rules(self) -> Sequence[Rule]:
        return self.policy.document.rules if self.policy.document else ()

    def take(self, current: Entry) -> datetime | None:
        """Count one secret, and return when it falls due; None where nothing rotates it."""
        ref = current.secret.ref
        matches = (index for index, rule in enumerate(self._rules) if rule.match.covers(ref))
        # No rule decides about it: -1.
        rule = next(matches, -1)
        self._applied.add(rule)
        if current.state not in ROTATED or current.due is None:
            return None
        for days in COUNTED_DAYS:
            self.due[days] += current.due <= self.now + timedelta(days=days)
        if current.managed and (every := interval(current.managed)) <= TOO_OFTEN:
            self._often[rule, every / timedelta(days=1)] += 1
        return current.due

    def unmatched(self) -> list[str]:
        """Return the rules that decide nothing: no secret has such a name, or earlier rules do."""
        rules = enumerate(self._rules)
        return [spelt(rule.match) for index, rule in rules if index not in self._applied]

    def often(self) -> list[Often]:
        """Return what makes secrets rotate every few days, the most frequent first."""
        rows = list[Often]()
        for (index, days), count in sorted(self._often.items(), key=lambda item: item[0][::-1]):
            rule = spelt(self._rules[index].match) if index >= 0 else ""
            rows.append(Often(rule=rule, days=round(days, 1), secrets=count))
        return rows


def interval(managed: Managed) -> timedelta:
    """Return how long after a rotation the next one comes: never within an overlap."""
    ahead = managed.validity - managed.rotate_before
    return ahead if managed.rotator.single_slot(managed.settings) else max(ahead, managed.overlap)


def spelt(match: Match) -> str:
    """Write what a rule matches as the command line names secrets."""
    place = SecretRef(match.vault, "").vault_name if match.vault else ""
    return f"{place}/{match.secret}" if place else match.secret
