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
"""How many secrets are named, those that would not be rotated any more first."""
STOPPED = frozenset({"parked", "manual", "unmanaged"})


class Unfollowable(NeedsHuman):
    """The document's text has problems, all of which are told."""

    def __init__(self, problems: Sequence[str], *, where: str = "", fix: str = "see docs/policy.md") -> None:
        self.problems = tuple(problems)
        what = f"the policy document has {len(problems)} problem(s): {'; '.join(problems)}"
        super().__init__(what, where=where, fix=fix)


class Outdated(NeedsHuman):
    """Another version than the one to be replaced is the newest."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a document would do, secrets counted by state; `manual` is one more state here."""

    now: Mapping[str, int] | None
    """None where no policy can be followed now, so that all work waits."""
    then: Mapping[str, int]
    changed: Sequence[Mapping[str, str | None]]
    """`secret`, `from`, `to` and `reason`, of the first MOST_NAMED."""


async def effect(
    secrets: AsyncIterator[SecretVersion], now: Policy | None, then: Policy, kinds: Kinds, moment: datetime
) -> Effect:
    """Judge every secret under the policy as it is, and as it would be."""
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
    changed.sort(key=lambda each: each["to"] not in STOPPED)
    return Effect(dict(before) if now else None, dict(after), changed[:MOST_NAMED])


def _judged(one: Entry) -> tuple[str, str]:
    """Return a secret's state and why.

    Inside an overlap nothing is manual yet, since the superseded credential is still to be retired. What comes after
    that is what a change of the policy is about.
    """
    tags = {tag: text for tag, text in one.secret.tags.items() if tag != RETIRE}
    if one.state in ("disabled", "unmanaged") or not is_manual(tags):
        return one.state, one.reason
    after = ", once its overlap has passed" if RETIRE in one.secret.tags else ""
    return "manual", f"only a person rotates it{after}"
