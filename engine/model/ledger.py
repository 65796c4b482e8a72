"""What the records say of the secrets of one vault: due retirements, unfinished changes, audits.

Tags say the same to people. A sweep believes the records, so removing a tag keeps no credential
alive.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.model.listed import Listed
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.secret import SecretRef

DAY = 86_400


@dataclass(frozen=True)
class Ledger:
    """Records by the secret (lower case) that owns them.

    A secret whose source has changed may own two.
    """

    records: Mapping[str, tuple[Listed, ...]]
    unread: bool = False
    """The records could not be listed, so only tags are known."""

    @classmethod
    async def read(cls, index: AsyncIterator[Listed]) -> Ledger:
        """Read all records."""
        records: dict[str, tuple[Listed, ...]] = {}
        async for listed in index:
            records[listed.owner] = (*records.get(listed.owner, ()), listed)
        return cls(records)

    def of(self, ref: SecretRef) -> tuple[Listed, ...]:
        """Return the records that a secret owns."""
        return self.records.get(str(ref).lower(), ())

    def work(self, ref: SecretRef, now: datetime) -> list[WorkItem]:
        """Return the work that is due for a secret whatever its tags say."""
        items = (_work(ref, listed, now) for listed in self.of(ref))
        return [item for item in items if item]


def _work(ref: SecretRef, listed: Listed, now: datetime) -> WorkItem | None:
    if listed.due and listed.due <= now:
        reason = f"its overlap passed at {listed.due:%Y-%m-%d %H:%M}Z"
        return WorkItem(
            ref,
            "retire",
            trigger="sweep",
            requested_by="sweep",
            reason=reason,
            source=listed.source,
        )
    if listed.is_open:
        reason = "a change was never seen to finish"
        return WorkItem(
            ref, "audit", trigger="sweep", requested_by="sweep", reason=reason, source=listed.source
        )
    return None


def audit_is_due(ref: SecretRef, order: SweepOrder, audited: datetime | None) -> bool:
    """Return whether a secret's daily audit is due: each has its own second of the day.

    If a record says when the secret was last proven, its second must have come since. If not, it
    must fall into the time that the order covers.
    """
    second = int.from_bytes(hashlib.sha256(str(ref).lower().encode()).digest()[:4]) % DAY
    midnight = order.until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    marks = [midnight + timedelta(days=day, seconds=second) for day in (-1, 0)]
    if audited:
        latest = max(mark for mark in marks if mark <= order.until)
        return audited < latest
    return any(order.since < mark <= order.until for mark in marks)
