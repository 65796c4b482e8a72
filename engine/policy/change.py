"""A change of the policy document: why it is refused, and what it would do to every secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engine.errors import NeedsHuman
from engine.kinds import Kinds
from engine.planning.inventory import entry
from engine.policy.schedule import COUNTED_DAYS, Often, Schedule
from engine.secret import Version
from engine.state.entry import Entry
from engine.state.manual import is_manual
from engine.state.policy import Policy
from engine.state.tags import RETIRE, unretired

MOST_NAMED = 50
"""How many secrets are named at most, beginning with those that would no longer be rotated."""
STOPPED = frozenset({"parked", "manual", "unmanaged"})


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


@dataclass(frozen=True, slots=True)
class Effect:
    """What a document would do: secrets counted by state, with `manual` as a further state."""

    now: Mapping[str, int] | None
    """None if no valid policy exists now, so that all work waits."""
    then: Mapping[str, int]
    changed: Sequence[Mapping[str, str | None]]
    """`secret`, `from`, `to` and `reason` of the first MOST_NAMED secrets that change."""
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
    comparison = _Comparison(Schedule(now, moment) if now else None, Schedule(then, moment), kinds)
    async for secret in secrets:
        comparison.take(secret)
    return comparison.effect()


@dataclass(slots=True)
class _Comparison:
    """The present policy, None if no valid one exists, beside the proposed one."""

    present: Schedule | None
    proposed: Schedule
    kinds: Kinds
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    changed: list[dict[str, str | None]] = field(default_factory=list)
    moved: list[dict[str, str | None]] = field(default_factory=list)

    def take(self, secret: Version) -> None:
        """Judge one secret under both."""
        old, due = None, None
        if self.present:
            current = self._entry(secret, self.present)
            old, due = _judged(current)[0], self.present.take(current)
            self.before[old] += 1
        proposed = self._entry(secret, self.proposed)
        new, reason = _judged(proposed)
        self.after[new] += 1
        if old != new and (old or new in STOPPED):
            change = {"secret": str(secret.ref), "from": old, "to": new, "reason": reason}
            self.changed.append(change)
        falls = self.proposed.take(proposed)
        if self.present and due != falls:
            self.moved.append({"secret": str(secret.ref), "from": _iso(due), "to": _iso(falls)})

    def _entry(self, secret: Version, under: Schedule) -> Entry:
        return entry(secret, under.policy, self.kinds, under.now)

    def effect(self) -> Effect:
        """Return all of it, what matters most first."""
        self.changed.sort(key=lambda change: change["to"] not in STOPPED)
        self.moved.sort(key=lambda move: (move["to"] is None, move["to"] or "", move["secret"]))
        due = {
            str(days): {
                "now": self.present.due[days] if self.present else None,
                "then": self.proposed.due[days],
            }
            for days in COUNTED_DAYS
        }
        return Effect(
            dict(self.before) if self.present else None,
            dict(self.after),
            self.changed[:MOST_NAMED],
            self.moved,
            due,
            self.proposed.unmatched(),
            self.proposed.often(),
        )


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def _judged(current: Entry) -> tuple[str, str]:
    """Return a secret's state, and the reason for it.

    A secret is not manual yet inside an overlap, because Rekey must still retire the superseded
    credential. A change of the policy is about what comes after that.
    """
    is_by_hand = is_manual(unretired(current.secret.tags))
    if current.state in ("disabled", "unmanaged") or not is_by_hand:
        return current.state, current.reason
    after = ", once its overlap has passed" if RETIRE in current.secret.tags else ""
    return "manual", f"only a person rotates it{after}"
