"""One part of a sweep: the pages that fit into one function call. The next part continues it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.deadline import SWEEP_SECONDS
from engine.engine import Engine
from engine.errors import RekeyError, TransientError
from engine.follow_up import notices, refresh
from engine.follow_up.notices import Digests
from engine.planning.decision import Tagged
from engine.planning.inventory import days_to_expiry, standing, sweep_of
from engine.ports import WorkQueue
from engine.secret import SecretRef, Version
from engine.state.decision import Confirm, Decision, Park, Retire, Rotate, Wait
from engine.state.entry import STATES, Entry, Tally
from engine.state.follow_up import FollowUp
from engine.state.index import Listed, StateIndex
from engine.state.request import Outcome, WorkItem
from engine.state.sweep_order import SweepOrder, audit_is_due
from engine.state.tags import Managed
from engine.sweep.incidents import CutOff, is_deleted, unlisted
from engine.sweep.pace import Pace, Part, post

log = logging.getLogger("rekey.sweep")

DELETED = (
    "recover the secret, or revoke that at its source and move its record aside: see the runbook"
)
"""What to do about a deleted secret that had something to retire."""


@dataclass(frozen=True)
class Sweeper:
    """Sweeps vaults. It posts what is due to the queue as the pages arrive."""

    engine: Engine
    queue: WorkQueue
    seconds: float = SWEEP_SECONDS
    """How long it keeps starting pages before a new message continues the sweep."""

    async def sweep(self, order: SweepOrder) -> bool:
        """Sweep one vault; return whether it reached the vault's end.

        If it did not, a new message continues the sweep. A secret that cannot be judged is
        counted, logged and reported, and never stops the others. Each secret is audited once a
        day, at its own time of day.
        """
        if order.incident:
            return await CutOff(self.engine, order.incident).send(order, self.seconds)
        part = Part.of(order, self.engine.policy.scopes, self.engine.clock, self.seconds)
        tally, index, digests = _tally(order), await self.engine.index(), Digests(order)
        # A sweep without the records sees only tags, so it does not count as complete.
        tally.broken += index.unread
        seen: set[SecretRef] = set()
        while True:
            secrets, token = await self.engine.vaults.page(order.vault, part.token)
            for secret in secrets:
                seen.add(secret.ref)
                await self._look(secret, tally, part.pace, digests, index)
            if token is None:
                await self._miss(seen, order, index)
                break
            part.token = token
            if part.is_over:
                await self._go_on(order, part, tally)
                break
        await self._digest(digests)
        await self.engine.reporter.swept(tally)
        return not tally.goes_on

    async def _look(
        self, secret: Version, tally: Tally, pace: Pace, digests: Digests, index: StateIndex
    ) -> None:
        tally.seen += 1
        try:
            engine, known = self.engine, index.of(secret.ref)
            tagged = Tagged.believed(secret, known, engine.policy, engine.kinds)
            decision = engine.decided(tagged, sweep_of(secret.ref))
            digests.add(self._count(tagged, decision, tally, known))
            await self._remind(tagged, digests.order)
            tally.posted += await self._consider(tagged, decision, pace, digests.order, index)
        except TransientError:
            raise
        except (RekeyError, ArithmeticError, ValueError, TypeError, LookupError) as error:
            tally.broken += 1
            log.error("secret %s cannot be judged: %s", secret.ref, error)

    async def _miss(self, seen: set[SecretRef], order: SweepOrder, index: StateIndex) -> None:
        """Report, once a day, each deleted secret of which something is left at its source.

        That is a superseded credential that lives, or one that an incident has named.

        Only a sweep in one part has seen every secret of its vault.
        """
        gone = unlisted(order.vault, seen, index) if order.so_far is None else ()
        for ref in gone:
            if not audit_is_due(ref, order, None):
                continue
            for listed in index.of(ref):
                reason = _left_behind(listed, order.until)
                if reason and await is_deleted(self.engine.vaults, ref):
                    item = WorkItem(ref, "retire", trigger="sweep", source=listed.source)
                    await self.engine.reporter.concluded(Outcome(item, "parked", reason, DELETED))

    async def _go_on(self, order: SweepOrder, part: Part, tally: Tally) -> None:
        tally.goes_on = True
        states: Mapping[str, int] = {str(state): count for state, count in tally.states.items()}
        await self.queue.post_sweep(
            part.next(order, tally.seen, tally.posted, tally.broken, states)
        )
        log.info("a new message continues the sweep of %s: %d seen", order.vault, tally.seen)

    def _count(
        self, tagged: Tagged, decision: Decision, tally: Tally, known: Sequence[Listed]
    ) -> Entry:
        now = self.engine.clock.now()
        stands = standing(tagged, decision, self.engine.policy, now, known)
        tally.add(stands, days_to_expiry(tagged.held, now))
        return stands

    async def _digest(self, digests: Digests) -> None:
        """Post digests, unless another sweep of the same moments has done so.

        A sweep that is repeated posts its own again: a message may come twice, but not never.
        """
        if not (self.engine.policy.document and self.engine.policy.document.webhooks):
            return
        sweep = digests.order.until.isoformat()
        for key, item in digests.items():
            if await self._noted(key, sweep) == sweep:
                await post(self.queue, item)

    async def _noted(self, key: str, sweep: str) -> str:
        """Return the sweep that was the first to note a digest; this one if that is not known."""
        if self.engine.memory is None:
            return sweep
        try:
            return await self.engine.memory.remember(key, sweep)
        except RekeyError as error:
            log.warning("it cannot be noted that a digest is sent: %s", error)
            return sweep

    async def _remind(self, tagged: Tagged, order: SweepOrder) -> None:
        if text := notices.reminder(tagged, self.engine.policy, order):
            await post(self.queue, FollowUp(tagged.held.ref, "remind", reason=text))

    async def _consider(
        self,
        tagged: Tagged,
        decision: Decision,
        pace: Pace,
        order: SweepOrder,
        index: StateIndex,
    ) -> bool:
        item = sweep_of(tagged.held.ref)
        certain = index.work(item.ref, self.engine.clock.now())
        posted = [await self._post(work, pace) for work in certain]
        match decision:
            case Retire(managed):
                item = replace(item, action="retire", source=managed.source)
                if refresh.named(self.engine.policy, item.ref) and self._audit_is_due(
                    item.ref, managed, order, index
                ):
                    # An app may delay the retirement for days. The audit must not wait for it.
                    await self._post(replace(item, action="audit", reason="daily audit"), pace)
            case Rotate(managed):
                item = replace(item, source=managed.source)
            case Park():
                pass
            case Wait(until) if until < order.until + order.period:
                # A window may open and close again between two sweeps.
                later = replace(item, reason=decision.reason)
                await post(self.queue, later, (until - order.until).total_seconds())
                return True
            case _:
                return await self._audit(tagged, pace, order, index) or any(posted)
        if any(work.source == item.source for work in certain):
            return any(posted)
        return await self._post(replace(item, reason=decision.reason[:200]), pace)

    async def _audit(
        self, tagged: Tagged, pace: Pace, order: SweepOrder, index: StateIndex
    ) -> bool:
        ref, managed = tagged.held.ref, tagged.managed
        if managed is None or not self._audit_is_due(ref, managed, order, index):
            return False
        item = replace(sweep_of(ref), action="audit", reason="daily audit")
        if not isinstance(self.engine.decided(tagged, item), Confirm):
            return False
        return await self._post(replace(item, source=managed.source), pace)

    @staticmethod
    def _audit_is_due(
        ref: SecretRef, managed: Managed, order: SweepOrder, index: StateIndex
    ) -> bool:
        times = [listed.audited for listed in index.of(ref) if listed.source == managed.source]
        return audit_is_due(ref, order, times[0] if times else None)

    async def _post(self, item: WorkItem, pace: Pace) -> bool:
        delay = pace.delay(item.source)
        if delay is None:
            return False
        await post(self.queue, item, delay)
        return True


def _left_behind(listed: Listed, now: datetime) -> str:
    """Say what is left at the source of a deleted secret; empty if nothing is."""
    pending = listed.pending
    if pending and pending.at <= now:
        return f"deleted, and {pending.credential_id} of {listed.source} lives"
    if listed.is_open:
        what = f"deleted, and what was begun at {listed.source} is not finished"
        return f"{what}: a credential may still be accepted there"
    return ""


def _tally(order: SweepOrder) -> Tally:
    """Return the counts so far, to add to."""
    tally, so_far = Tally(order.vault), order.so_far
    if so_far:
        tally.seen, tally.posted, tally.broken = so_far.seen, so_far.posted, so_far.broken
        tally.states |= {state: so_far.states.get(state, 0) for state in STATES}
    return tally
