"""A change of the policy document: why it is refused, and what it would do to every secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from engine.errors import NeedsHuman
from engine.kinds import Kinds
from engine.planning.inventory import Inventory
from engine.secret import SecretRef, Version
from engine.state.due import by_hand
from engine.state.entry import Entry, State, iso
from engine.state.policy import Match, Policy
from engine.state.tags import RETIRE, Managed

MOST_CHANGED = 50
"""How many secrets are named at most, beginning with those that would no longer be rotated."""
COUNTED_DAYS = (7, 30)
"""Within how many days what falls due is counted."""
TOO_OFTEN = timedelta(days=7)
"""Who rotates a secret this often has hardly meant to."""
RESHAPED = "its value has another ValueTemplate from the next rotation on"
ROTATED: frozenset[State] = frozenset({"ok", "due", "overdue"})
STOPPED = frozenset({"parked", "manual", "unmanaged"})


type Taken = tuple[str | None, str, datetime | None, str]
"""A secret's state, why, when it is due, and the template of its value."""
UNJUDGED: Taken = (None, "", None, "")


class Unfollowable(NeedsHuman):
    """The document has problems. The error lists all of them."""

    def __init__(
        self, problems: Sequence[str], *, where: str = "", fix: str = "see docs/policy.md"
    ) -> None:
        self.problems = tuple(problems)
        what = f"the policy document has {len(problems)} problem(s): {'; '.join(problems)}"
        super().__init__(what, where=where, fix=fix)


class Outdated(NeedsHuman):
    """The version to be replaced is no longer the newest."""


class Often(TypedDict):
    """A rule that makes secrets rotate every few days."""

    rule: str
    """What it matches; empty where no rule does, so that defaults or tags are the cause."""
    days: float
    secrets: int


@dataclass(slots=True)
class Schedule:
    """What becomes of secrets under one policy, and when they fall due: it takes one by one."""

    policy: Policy
    kinds: Kinds
    now: datetime
    states: Counter[str] = field(default_factory=Counter)
    due: Counter[int] = field(default_factory=Counter)
    """How many fall due within so many days; those that are due already among them."""
    _applied: set[int] = field(default_factory=set)
    _often: Counter[tuple[int, float]] = field(default_factory=Counter)

    def take(self, secret: Version) -> Taken:
        """Count a secret; return its state, why, when it is due, and the template of its value.

        None and an empty text if nothing rotates it.
        """
        current = Inventory(self.policy, self.kinds, self.now).entry(secret)
        state, reason = _judged(current)
        self.states[state] += 1
        shape = current.managed.template if current.managed else ""
        rules = enumerate(self.policy.document.rules)
        matches = (index for index, rule in rules if rule.match.covers(secret.ref))
        # No rule decides about it: -1.
        rule = next(matches, -1)
        self._applied.add(rule)
        if current.state not in ROTATED or current.due is None:
            return state, reason, None, shape
        for days in COUNTED_DAYS:
            self.due[days] += current.due <= self.now + timedelta(days=days)
        if current.managed and (every := interval(current.managed)) <= TOO_OFTEN:
            self._often[rule, every / timedelta(days=1)] += 1
        return state, reason, current.due, shape

    def unmatched(self) -> list[str]:
        """Return the rules that decide nothing: no secret has such a name, or earlier rules do."""
        rules = enumerate(self.policy.document.rules)
        return [spelt(rule.match) for index, rule in rules if index not in self._applied]

    def often(self) -> list[Often]:
        """Return what makes secrets rotate every few days, the most frequent first."""
        rows = list[Often]()
        for (index, days), count in sorted(self._often.items(), key=lambda item: item[0][::-1]):
            rule = spelt(self.policy.document.rules[index].match) if index >= 0 else ""
            rows.append(Often(rule=rule, days=round(days, 1), secrets=count))
        return rows


def interval(managed: Managed) -> timedelta:
    """Return how long after a rotation the next one comes: never within an overlap."""
    ahead = managed.validity - managed.rotate_before
    return ahead if managed.is_single else max(ahead, managed.overlap)


def spelt(match: Match) -> str:
    """Write what a rule matches as the command line names secrets."""
    place = SecretRef(match.vault, "").vault_name if match.vault else ""
    return f"{place}/{match.secret}" if place else match.secret


@dataclass(frozen=True, slots=True)
class Effect:
    """What a document would do: secrets counted by state, with `manual` as a further state."""

    now: Mapping[str, int] | None
    """None if no valid policy exists now, so that all work waits."""
    then: Mapping[str, int]
    changed: Sequence[Mapping[str, str | None]]
    """`secret`, `from`, `to` and `reason` of the first MOST_CHANGED secrets that change."""
    moved: Sequence[Mapping[str, str | None]] = ()
    """`secret`, and when it falls due now (`from`) and then (`to`), the earliest first.

    An ISO time, or None where nothing rotates it. Secrets that fall due as before are left out.
    """
    due: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    """How many fall due within 7 and within 30 days, `now` and `then`."""
    unmatched: Sequence[str] = ()
    """Rules that decide about no secret."""
    often: Sequence[Often] = ()
    """What makes secrets rotate every week, or more often."""


async def effect(
    secrets: AsyncIterator[Version],
    now: Policy | None,
    then: Policy,
    kinds: Kinds,
    moment: datetime,
) -> Effect:
    """Judge every secret under the present policy, and under the proposed one."""
    present = Schedule(now, kinds, moment) if now else None
    proposed = Schedule(then, kinds, moment)
    changed, moved = list[dict[str, str | None]](), list[dict[str, str | None]]()
    async for secret in secrets:
        name, before = str(secret.ref), present.take(secret) if present else UNJUDGED
        after = proposed.take(secret)
        (old, _, due, _), (new, _, falls, _) = before, after
        if (why := _why_changed(before, after)) is not None:
            changed.append({"secret": name, "from": old, "to": new, "reason": why})
        if present and due != falls:
            moved.append({"secret": name, "from": iso(due), "to": iso(falls)})
    changed.sort(key=lambda change: change["to"] not in STOPPED)
    moved.sort(key=lambda move: (move["to"] is None, move["to"] or "", move["secret"]))
    return Effect(
        dict(present.states) if present else None,
        dict(proposed.states),
        changed[:MOST_CHANGED],
        moved,
        _falling_due(present, proposed),
        proposed.unmatched(),
        proposed.often(),
    )


def _why_changed(before: Taken, after: Taken) -> str | None:
    (old, _, _, was), (new, reason, _, shape) = before, after
    if old != new and (old or new in STOPPED):
        return reason
    return RESHAPED if was and shape not in ("", was) else None


def _falling_due(present: Schedule | None, proposed: Schedule) -> dict[str, dict[str, int | None]]:
    return {
        str(days): {"now": present.due[days] if present else None, "then": proposed.due[days]}
        for days in COUNTED_DAYS
    }


def _judged(current: Entry) -> tuple[str, str]:
    """Return a secret's state, and the reason for it.

    A secret is not manual yet inside an overlap, because Rekey must still retire the superseded
    credential. A change of the policy is about what comes after that.
    """
    is_live = current.secret.enabled and current.state != "unmanaged"
    if not (is_live and by_hand(current.secret.tags)):
        return current.state, current.reason
    after = ", once its overlap has passed" if RETIRE in current.secret.tags else ""
    return "manual", f"only a person rotates it{after}"
