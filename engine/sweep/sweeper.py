"""Find what is due in one vault, from the listing alone: no call per secret that is not due."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, timedelta

from engine.decide.decision import Confirm, Park, Retire, Rotate, Wait
from engine.decide.inventory import days_to_expiry, entry
from engine.errands import consumers, notices
from engine.errors import RekeyError, TransientError
from engine.model.sweep_order import SweepOrder
from engine.model.tally import Tally
from engine.model.workitem import WorkItem
from engine.ports import WorkQueue
from engine.rotate.engine import Engine
from engine.secret import SecretVersion
from engine.sweep.cut_off import CutOff
from engine.sweep.pace import Pace

log = logging.getLogger("rekey.sweep")

DAY = 86_400


@dataclass(frozen=True)
class Sweeper:
    """Sweeps vaults: what it finds due goes on the queue as the pages come in."""

    engine: Engine
    queue: WorkQueue

    async def sweep(self, order: SweepOrder) -> tuple[int, int]:
        """Sweep one vault; returns how many secrets were seen and how many sent on.

        A secret that cannot be judged never stops the others: it is counted, logged and reported. Each secret is audited
        once a day, at a time of its own.
        """
        if order.incident:
            return await CutOff(self.engine, order.incident).send(order.vault)
        pace = Pace(self.engine.policy.scopes, order.period)
        tally = Tally(order.vault)
        async for secret in self.engine.vaults.list(order.vault):
            tally.seen += 1
            try:
                self._count(secret, tally)
                await self._remind(secret, order)
                tally.posted += await self._consider(secret, pace, order)
            except TransientError:
                raise
            except (RekeyError, ValueError, TypeError, LookupError) as error:
                tally.broken += 1
                log.error("secret %s cannot be judged: %s", secret.ref, error)
        await self.engine.reporter.swept(tally)
        return tally.seen, tally.posted

    def _count(self, secret: SecretVersion, tally: Tally) -> None:
        now = self.engine.clock.now()
        tally.add(entry(secret, self.engine.policy, self.engine.kinds, now), days_to_expiry(secret, now))

    async def _remind(self, secret: SecretVersion, order: SweepOrder) -> None:
        if text := notices.reminder(secret, self.engine.policy, order):
            item = WorkItem(secret.ref, "remind", trigger="sweep", requested_by="sweep", reason=text)
            await self.queue.post_rotation(item)

    async def _consider(self, secret: SecretVersion, pace: Pace, order: SweepOrder) -> bool:
        item = WorkItem(secret.ref, trigger="sweep", requested_by="sweep")
        decision = self.engine.decide(secret, item)
        match decision:
            case Retire(managed):
                item = replace(item, action="retire", source=managed.source)
                if consumers.named(self.engine.policy, secret.ref) and audit_falls_in(secret, order):
                    # An app may hold the retirement up for days; the audit must not wait for it.
                    await self._post(replace(item, action="audit", reason="daily audit"), pace)
            case Rotate(managed):
                item = replace(item, source=managed.source)
            case Park():
                pass
            case Wait(until) if until < order.until + order.period:
                # A window may open and close again between two sweeps.
                await self.queue.post_rotation(
                    replace(item, reason=decision.reason), (until - order.until).total_seconds()
                )
                return True
            case _:
                return await self._audit(secret, pace, order)
        return await self._post(replace(item, reason=decision.reason[:200]), pace)

    async def _audit(self, secret: SecretVersion, pace: Pace, order: SweepOrder) -> bool:
        item = WorkItem(secret.ref, "audit", trigger="sweep", requested_by="sweep", reason="daily audit")
        if not audit_falls_in(secret, order):
            return False
        decision = self.engine.decide(secret, item)
        return isinstance(decision, Confirm) and await self._post(replace(item, source=decision.managed.source), pace)

    async def _post(self, item: WorkItem, pace: Pace) -> bool:
        delay = pace.delay(item.source)
        if delay is None:
            return False
        await self.queue.post_rotation(item, delay)
        return True


def audit_falls_in(secret: SecretVersion, order: SweepOrder) -> bool:
    """Tell whether a secret's own second of the day is one of those that the order names."""
    second = int.from_bytes(hashlib.sha256(str(secret.ref).lower().encode()).digest()[:4]) % DAY
    midnight = order.until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return any(order.since < midnight + timedelta(days=day, seconds=second) <= order.until for day in (-1, 0))
