"""A change of the policy document: why it is refused, and what it would do to every secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.decide.decision import Kinds
from engine.decide.inventory import entry
from engine.errors import NeedsHuman
from engine.model.entry import Entry
from engine.model.manual import is_manual
from engine.model.policy import Policy
from engine.model.tags import RETIRE
from engine.secret import SecretVersion

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


async def effect(
    secrets: AsyncIterator[SecretVersion],
    now: Policy | None,
    then: Policy,
    kinds: Kinds,
    moment: datetime,
) -> Effect:
    """Judge every secret under the present policy, and under the proposed one."""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    changed: list[dict[str, str | None]] = []
    async for secret in secrets:
        old = _judged(entry(secret, now, kinds, moment))[0] if now else None
        new, reason = _judged(entry(secret, then, kinds, moment))
        before.update([old] if old else [])
        after[new] += 1
        if old != new and (old or new in STOPPED):
            changed.append({"secret": str(secret.ref), "from": old, "to": new, "reason": reason})
    changed.sort(key=lambda change: change["to"] not in STOPPED)
    return Effect(dict(before) if now else None, dict(after), changed[:MOST_NAMED])


def _judged(current: Entry) -> tuple[str, str]:
    """Return a secret's state, and the reason for it.

    A secret is not manual yet inside an overlap, because Rekey must still retire the superseded
    credential. A change of the policy is about what comes after that.
    """
    tags = {tag: text for tag, text in current.secret.tags.items() if tag != RETIRE}
    if current.state in ("disabled", "unmanaged") or not is_manual(tags):
        return current.state, current.reason
    after = ", once its overlap has passed" if RETIRE in current.secret.tags else ""
    return "manual", f"only a person rotates it{after}"
