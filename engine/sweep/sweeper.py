"""Find what is due: in a vault, at the sources, and among the stored requests.

One call of a sweep takes the pages that it has time for, and a new message continues it. The app's
storage says what is due at the sources and in the requests, so no message is needed to know of it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain

from engine.engine import Engine
from engine.errors import PermanentError, RekeyError, TransientError
from engine.follow_up import notices, refresh, tasks
from engine.follow_up.notices import Digests
from engine.parts import Parts
from engine.planning.decision import Case, Tagged, decided
from engine.planning.inventory import OR_BY_HAND, left_behind, standing, sweep_of
from engine.secret import SecretRef, Version
from engine.state.decision import Confirm, Decision, Park, Retire, Rotate, Wait
from engine.state.entry import STATES, SweepSummary
from engine.state.incident import UNSERVED
from engine.state.index import Listed, StateIndex, recheck_due
from engine.state.record import MOST_REQUESTS, RECHECK_EVERY, RECHECKED_FOR, covers
from engine.state.request import Action, Cause, Outcome, WorkItem
from engine.state.sweep_order import HOUR, SoFar, SweepOrder, audit_is_due
from engine.state.tags import REPLICA_OF, STATE, Malformed, named
from engine.sweep.incidents import UNFORESEEN, IncidentSweep, deleted_secrets, is_deleted
from engine.sweep.pace import Pace, post

log = logging.getLogger("rekey.sweep")

TOLD_FOR = timedelta(days=2)
"""For how long a sweep leaves the telling of what is left at a source to the recheck there."""


async def sweep(engine: Engine, order: SweepOrder, seconds: float) -> bool:
    """Sweep one vault, or post the work of an incident; return whether it reached the end.

    `seconds`: how long it keeps starting pages before a new message continues the sweep.
    """
    ends = engine.clock.monotonic() + seconds
    index = await engine.index()
    if order.incident:
        return await IncidentSweep(engine, order.incident, index, again=order.again).send(order)
    return await Sweeper(engine, order, index).sweep(ends)


class Sweeper:
    """Sweeps one vault. It posts what is due as the pages arrive.

    A secret that cannot be judged is counted, logged and reported, and never stops the others. Each
    secret is audited once a day, at its own time of day.
    """

    def __init__(self, engine: Engine, order: SweepOrder, index: StateIndex) -> None:
        self.engine, self.order, self.index, self.digests = engine, order, index, Digests(order)
        now = engine.clock.now()
        self.so_far = so_far = order.so_far or SoFar(None, now)
        elapsed = max((now - so_far.begun).total_seconds(), 0.0)
        self.pace = Pace(engine.policy.scopes, order.period, so_far.started, elapsed)
        # Tags alone do not tell what was dropped: no count is better than a wrong one.
        is_counted = not index.unread and bool(so_far.states or so_far.token is None)
        states = {state: so_far.states.get(state, 0) for state in STATES if is_counted}
        # A sweep without the records sees tags alone, so it does not count as complete.
        broken = so_far.broken + index.unread
        self.summary = SweepSummary(order.vault, so_far.seen, so_far.posted, broken, states)

    async def sweep(self, ends: float) -> bool:
        """Take page by page, until the vault's end or a time on the monotonic clock."""
        token, seen = self.so_far.token, set[SecretRef]()
        while True:
            secrets, token = await self.engine.vaults.page(self.order.vault, token)
            for secret in secrets:
                seen.add(secret.ref)
                await self._look(secret)
            if token is None:
                await self._report_left(seen)
                break
            if self.engine.clock.monotonic() >= ends:
                break
        # If the digest cannot be posted, this call comes again: what continues it is posted once.
        await self._digest()
        if token is not None:
            await self._continue(token)
        await self.engine.reporter.swept(self.summary)
        return not self.summary.goes_on

    async def _look(self, secret: Version) -> None:
        self.summary.seen += 1
        try:
            engine, known = self.engine, self.index.of(secret.ref)
            case = engine.inventory.case(secret, known)
            tagged, decision = case.tagged, decided(case)
            stands = standing(case, decision, known)
            self.summary.add(stands, case.now)
            self.digests.add(stands)
            if reminder := notices.reminder(tagged, engine.policy, self.order):
                await post(engine, reminder)
            self.summary.posted += await self._consider(case, decision)
            if audit_is_due(secret.ref, self.order, None):
                await self._report_overdue(case, known)
                await self._report_unwritten(tagged)
        except TransientError:
            raise
        except UNFORESEEN as error:
            self.summary.broken += 1
            log.error("secret %s cannot be judged: %s", secret.ref, error)

    async def _report_unwritten(self, tagged: Tagged) -> None:
        """Report a replica of which nobody can see that anything writes it any more.

        Its credential will be cut off.
        """
        copy = tagged.held
        is_copy = tagged.asks is None and tagged.applied.tags.get(REPLICA_OF)
        with suppress(TransientError):
            if is_copy and copy.enabled and (why := await self.engine.unwritten(copy)):
                await tasks.conclude(self.engine, Outcome(sweep_of(copy.ref), "parked", *why))

    async def _report_overdue(self, case: Case, known: Sequence[Listed]) -> None:
        """Report a credential that lives on at a source where nothing revokes it.

        Rechecks go on there. An error that may pass marks nothing, so nobody hears of it otherwise.
        """
        secret = case.tagged.held
        # A secret that is marked, or is to be, is told of by itself, unless it is disabled.
        is_marked = STATE in secret.tags or isinstance(case.tagged.asks, Malformed)
        if secret.enabled and is_marked:
            return
        # A recheck that tells people does so every day, unless its source no longer answers.
        silent = [it for it in known if not (it.notified and case.now - it.notified < TOLD_FOR)]
        for source, what, fix in left_behind(case, silent):
            await self._report(secret.ref, source, what, fix)

    async def _report(self, ref: SecretRef, source: str, what: str, fix: str) -> None:
        item = WorkItem(ref, "retire", cause=Cause("sweep"), source=source)
        await tasks.conclude(self.engine, Outcome(item, "parked", what, fix))

    async def _report_left(self, seen: set[SecretRef]) -> None:
        """Report, once a day, each secret out of reach that has left a credential at its source.

        `seen` has the secrets that this call has listed. One that an earlier call has listed is
        read, and so found not to be deleted.
        """
        served = self.engine.policy.scopes
        vaults, turn = [self.order.vault], self.order.until.toordinal() % len(served)
        if self.order.vault == [*served][turn]:
            # Vaults that nobody sweeps any more are reported by one sweep a day. The others take
            # turns, as one of them may be a vault that cannot be listed.
            owners = {owner.partition("/secrets/")[0] for owner in self.index.records}
            vaults += sorted(owners - set(served))
        for ref in chain(*(deleted_secrets(vault, seen, self.index) for vault in vaults)):
            if not audit_is_due(ref, self.order, None):
                continue
            why, way = (
                ("deleted", "recover the secret")
                if ref.vault in served
                else (UNSERVED, "list its vault in REKEY_VAULTS again")
            )
            for listed in self.index.of(ref):
                left = listed.left(self.order.until)
                if left and (why == UNSERVED or await is_deleted(self.engine, ref)):
                    what = f"{why}, and {left}"
                    await self._report(ref, listed.source, what, f"{way}, {OR_BY_HAND}")

    async def _continue(self, token: str) -> None:
        summary, begun = self.summary, self.so_far.begun
        summary.goes_on = True
        counts = summary.seen, summary.posted, summary.broken
        states = {str(state): count for state, count in summary.states.items()}
        so_far = SoFar(token, begun, *counts, states, dict(self.pace.started))
        await self.engine.post(replace(self.order, so_far=so_far))
        log.info("a new message continues the sweep of %s: %d seen", summary.vault, summary.seen)

    async def _digest(self) -> None:
        """Post digests, unless another sweep of the same moments has done so.

        A digest is noted once it is posted: it may come twice, but not never.
        """
        if not self.engine.policy.document.webhooks:
            return
        memory, sweep = self.engine.memory, self.order.until.isoformat()
        try:
            for key, item in self.digests.items():
                if memory is None or not await _noted(memory.recall(key)):
                    await post(self.engine, item)
                    if memory:
                        await _noted(memory.remember(key, sweep))
        except TransientError:
            raise
        except UNFORESEEN as error:
            self.summary.broken += 1
            log.error("no digest of what needs a person in %s: %s", self.order.vault, error)

    async def _consider(self, case: Case, decision: Decision) -> bool:
        """Post what is due for a secret; return whether anything was posted."""
        return any([await self._post(*due) for due in self._due(case, decision)])

    def _due(self, case: Case, decision: Decision) -> Iterator[tuple[WorkItem, float]]:
        """Yield what is due for a secret, each with the seconds that it waits at least."""
        order, tagged, item, source = self.order, case.tagged, case.item, case.tagged.source
        rechecks = self._rechecks(tagged, decision)
        yield from ((recheck, 0.0) for recheck in rechecks)
        audit = replace(item, action="audit", source=source).because("daily audit")
        match decision:
            case Wait(until, reason) if until < order.until + order.period:
                # A window may open and close again between two sweeps.
                seconds = (until - case.now).total_seconds()
                yield replace(item, source=source).because(reason), seconds
                return
            case Retire() | Rotate():
                action: Action = "retire" if isinstance(decision, Retire) else item.action
                item = replace(item, action=action, source=source)
                if self._may_wait(item.ref, decision) and self._audit_is_due(tagged):
                    yield audit, 0.0
            case Park():
                pass
            case _:
                is_due = self._audit_is_due(tagged)
                if is_due and isinstance(decided(replace(case, item=audit)), Confirm):
                    yield audit, 0.0
                return
        if not self._is_left(tagged, decision, rechecks):
            yield item.because(decision.reason[:200]), 0.0

    def _may_wait(self, ref: SecretRef, decision: Retire | Rotate) -> bool:
        """Return whether it may wait for days: for apps, or for the key of a derived secret.

        The audit must not wait for it.
        """
        managed = decision.managed
        if isinstance(decision, Rotate):
            return managed.derived_from is not None
        return bool(refresh.named(self.engine.policy, ref, *managed.replicas))

    def _rechecks(self, tagged: Tagged, decision: Decision) -> list[WorkItem]:
        """Return the rechecks that are due for a secret, except the retirement that is decided.

        A retirement that fails for good parks the secret. A recheck of it would only come again.
        """
        due = self.index.due(tagged.held.ref, self.engine.clock.now())
        if not isinstance(decision, Retire):
            return due
        return [
            it for it in due if it.action == "audit" or not covers(str(it.source), tagged.source)
        ]

    def _is_left(self, tagged: Tagged, decision: Decision, due: Sequence[WorkItem]) -> bool:
        """Return whether a recheck of the source does what is decided.

        If the decision is to park, any recheck that is owed will park the secret itself.
        """
        ref, now = tagged.held.ref, self.engine.clock.now()
        owing = [listed.source for listed in self.index.of(ref) if listed.owes(now)]
        sources = owing if isinstance(decision, Park) else [str(it.source) for it in due]
        return any(covers(source, tagged.source) for source in sources)

    def _audit_is_due(self, tagged: Tagged) -> bool:
        ref = tagged.held.ref
        known = self.index.of(ref)
        times = (listed.audited for listed in known if covers(listed.source, tagged.source))
        return audit_is_due(ref, self.order, next(times, None))

    async def _post(self, item: WorkItem, wait: float = 0.0) -> bool:
        # An item without a source parks its secret.
        reads = item.action == "audit" or item.source is None
        delay = self.pace.delay(item.source, wait, reads=reads)
        if delay is None:
            return False
        await post(self.engine, item, delay)
        return True


async def _noted(answer: Awaitable[str | None]) -> str | None:
    """Return which sweep has posted a digest; None if none has, or that is not known."""
    try:
        return await answer
    except RekeyError as error:
        log.warning("it is not known that a digest is sent: %s", error)
        return None


APART_SECONDS = 10.0
"""How far apart messages about one secret are posted, so that none waits for another's lease."""
REQUESTS_SECONDS = 120.0
"""How long requests are gone on with: sources are to be asked for, too. The rest comes first then."""
GIVEN_UP_AFTER = timedelta(days=1)
"""How long after its last try a stored request is given up."""


async def recheck_sources(parts: Parts, posted: Counter[str]) -> None:
    """Post an audit of each source whose recheck is due; takes no lease.

    `posted`: how many messages about each secret, or vault, have just been posted. An audit that
    comes twice finds nothing to do. If there are too many, the next run posts the rest. Retirements
    take no place of sources that may refuse their secrets. Each run draws lots, so no record that
    stays due keeps others back. One that nobody could read, or write, for a week is left to the
    sweeps.
    """
    now, due = parts.clock.now(), list[WorkItem]()
    async for listed in parts.leases.index():
        at, ref = listed.next_check, _owner(parts, listed)
        if at and ref and now - RECHECKED_FOR < at and (item := recheck_due(ref, listed, now)):
            due.append(item)
    # One timer serves all vaults, and none of them needs room for others. An audit mostly reads, so
    # a run may start as many as may change in an hour: that takes two minutes.
    paces = {"audit": Pace({}, HOUR), "retire": Pace({}, RECHECK_EVERY)}
    for item in sorted(due, key=lambda item: sha256(f"{item.source} {now}".encode()).digest()):
        delay = paces[item.action].delay(item.source)
        if delay is not None:
            await post(parts, item, max(delay, APART_SECONDS * posted[str(item.ref)]))
    if due:
        log.info("%d sources are due to be rechecked", len(due))


async def recheck_requests(parts: Parts, posted: Counter[str]) -> None:
    """Post the stored requests again that are due and not done; counts them in `posted`."""
    now, ends = parts.clock.now(), parts.clock.monotonic() + REQUESTS_SECONDS
    due, failed = await parts.requests.due(now), 0
    for request in due[:MOST_REQUESTS]:
        if parts.clock.monotonic() >= ends:
            break
        try:
            await _recheck_request(parts, request, now, posted)
        except UNFORESEEN as error:
            failed += 1
            log.error("the request %s is asked for later: %s", request, error)
    if due:
        log.info("%d requests are due and not done", len(due))
    if failed:
        raise TransientError(f"{failed} requests could not be asked for")


async def _recheck_request(parts: Parts, request: str, now: datetime, posted: Counter[str]) -> None:
    if (text := await parts.requests.read(request)) is None:
        return
    work = _open(request, text, now)
    if work:
        place = str(work.ref) if isinstance(work, WorkItem) else work.vault
        await parts.accept(work, APART_SECONDS * posted[place])
        posted[place] += 1
    else:
        parts.reporter.given_up("rotations")
    if work is None or work.request != request:
        # Nobody can carry it out, or an earlier version named it otherwise.
        await parts.requests.close(request)


def _open(request: str, text: str, now: datetime) -> WorkItem | SweepOrder | None:
    """Read a stored request; None if nobody can carry it out, which is logged."""
    try:
        order = SweepOrder.from_json(text, now)
        item = None if order.incident else WorkItem.from_json(text)
    except PermanentError as error:
        log.error("the request %s is given up: %s", request, error)
        return None
    if item is None or item.is_tried_on(now - GIVEN_UP_AFTER):
        return item or order
    log.error("the request for %s (%s) is given up: it was tried in vain", item.ref, item.cause)
    return None


def _owner(parts: Parts, listed: Listed) -> SecretRef | None:
    """Return the secret that owns a source; None if it is in no vault of this deployment."""
    ref = named(listed.owner)
    return ref if ref and parts.policy.manages(ref.vault) else None
