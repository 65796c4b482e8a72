"""What each trigger asks for: one method per trigger, free of the Functions runtime."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.deadline import ROTATION_SECONDS, SWEEP_SECONDS, bounded
from engine.engine import Engine
from engine.errors import (
    LeaseUnavailable,
    PermanentError,
    RekeyError,
    SourceBusy,
    Throttled,
    TransientError,
)
from engine.parts import GRACE_SECONDS
from engine.ports import PrintKeys, Watch
from engine.rotation.derived import KEY_COMPROMISED, KEY_REFUSED
from engine.state.events import OtherEvent, parse_event
from engine.state.policy import Policies
from engine.state.record import RECHECK_EVERY, RECHECKED_FOR
from engine.state.request import (
    INCIDENT_SECONDS,
    Cause,
    FollowUp,
    Outcome,
    Tries,
    Work,
    WorkItem,
    read,
)
from engine.state.sweep_order import MOST_DELAY, SweepOrder
from engine.sweep import sweeper
from engine.sweep.pace import REVOCATION_WRITES, Pace

log = logging.getLogger("rekey")

MAX_TRIES = 5
"""How often a message is tried: maxDequeueCount in host.json.

The last try parks the secret with the error that actually occurred.
"""
MAX_DEFERRALS = 10
"""How often a work item is deferred because Azure asked to wait."""

MOST_FOLLOWS = RECHECKED_FOR // RECHECK_EVERY
"""How often the timer has a derived secret follow its key: for a week, as with any source."""

THROTTLED_SECONDS = 60.0
"""How long to wait after a 429 that does not say how long, as users saw of Key Vault."""
DEFERRAL_SECONDS = 30.0
"""How much longer each deferral of an item lasts, at least."""

MOST_WAITS = 25
"""How often an item is posted again within seconds because another worker holds its source.

That takes about four minutes. A lease whose holder died ends within one.
"""
FIRST_WAIT, LONGEST_WAIT = 3.0, 15.0
"""The longest first wait and the longest of all, in seconds: it grows by 30 percent each time."""
BUSY_SECONDS = 300.0
"""How long a work item is deferred when other workers kept its source leased all the time."""


@dataclass(frozen=True)
class Service:
    """Rekey as its triggers see it."""

    engine: Engine
    policies: Policies
    """Where the current policy is read."""
    watch: Watch
    """Records that sweeps finish, and measures messages that nobody processes."""
    keys: PrintKeys | None = None
    """Where the keys of prints are read; None if reported leaks are found without."""

    async def ready(self) -> Engine:
        """Return the engine under the current policy; raises TransientError while none is valid."""
        policy = await self.policies.current()
        prints = await self.keys.current(policy) if self.keys else self.engine.prints
        return replace(self.engine, policy=policy, prints=prints)

    async def on_event(self, text: str | bytes, tries: int = 1) -> None:
        """Turn a Key Vault event into a work item; raises if unreadable, to be dead-lettered.

        An unreadable one is logged here, too: the host does not send its own log of a function's
        exception to Application Insights.
        """
        with self._counting_loss("vault-events", tries):
            try:
                event = parse_event(text)
            except PermanentError as problem:
                log.error("an event cannot be read: %s", problem)
                raise
            if isinstance(event, OtherEvent):
                _ignored(event)
            elif not self.engine.policy.manages(event.ref.vault):
                what = "event %s is about %s, which is not in REKEY_VAULTS: ignored"
                log.warning(what, event.event_id, event.ref.vault)
            else:
                why = Cause("event", "event grid", event.kind)
                await self.engine.post(WorkItem(event.ref, version=event.version, cause=why))

    async def sweep(self, status: Mapping[str, str], *, past_due: bool) -> None:
        """Order a sweep of every vault; `status` is the timer's ScheduleStatus."""
        if past_due:
            log.warning("this sweep is late: the app was not running when it was due")
        covered = {last.vault: last.covered for last in await self.watch.sweeps()}
        errors = list[RekeyError]()
        for vault in self.engine.policy.scopes:
            now = self.engine.clock.now()
            order = SweepOrder.by_schedule(vault, status, now, covered.get(vault))
            try:
                await self.engine.post(order)
            except RekeyError as error:
                log.error("no sweep of %s is ordered: %s", vault, error)
                errors.append(error)
        await self.watch.measure()
        if errors:
            raise errors[0]

    async def recheck(self) -> None:
        """Ask for what is due; what cannot be asked for now is asked for next time.

        Only a run that has asked for all of it is counted: an alert tells where there is none.
        """
        posted, is_whole = Counter[str](), True
        try:
            await sweeper.recheck_requests(self.engine, posted)
        except RekeyError as error:
            log.warning("stored requests are carried out later: %s", error)
            is_whole = False
        try:
            await sweeper.recheck_sources(await self.ready(), posted)
        except RekeyError as error:
            log.warning("the sources are rechecked later: %s", error)
            is_whole = False
        if is_whole:
            self.watch.rechecked()

    async def sweep_vault(self, text: str | bytes, tries: int = 1) -> None:
        """Sweep one vault, or send on what an incident covers there.

        The next scheduled sweep makes up for a failed one. An incident's order is stored until
        nothing in its vault is open. It waits for a vault that is not served for now.
        """
        with self._counting_loss("sweeps", tries):
            now = self.engine.clock.now()
            order = SweepOrder.from_json(text, now)
            is_over = order.is_over(now)
            if self.engine.policy.manages(order.vault) and not is_over:
                await self._sweep(order, tries)
                return
            log.warning("ignored a sweep of %s: not in REKEY_VAULTS, or over", order.vault[:200])
            if is_over:
                await self.engine.close(order)
            else:
                await self.engine.keep(order, INCIDENT_SECONDS)

    async def _sweep(self, order: SweepOrder, tries: int) -> None:
        try:
            ended = await sweeper.sweep(await self.ready(), order, SWEEP_SECONDS)
        except TransientError as error:
            age = self.engine.clock.now() - order.until
            # Repeated waits grow, and those of a scheduled sweep end before the next one.
            later = max(_put_off(error, 0, tries), min(age.total_seconds() / 8, INCIDENT_SECONDS))
            may_wait = order.incident or age + timedelta(seconds=later) < order.period
            if may_wait and _put_off(error, 0, tries):
                log.warning("the sweep of %s comes again in %.0f s: %s", order.vault, later, error)
                await self.engine.accept(order, later)
                return
            if order.incident is None or tries < MAX_TRIES:
                raise
            log.warning("the incident order for %s is tried again later: %s", order.vault, error)
            await self.engine.keep(order, GRACE_SECONDS)
        except PermanentError:
            # An incident's order starts again: Key Vault may have forgotten the token of its page.
            await self.engine.keep(replace(order, so_far=None), INCIDENT_SECONDS)
            raise
        else:
            if ended and order.incident is None:
                await self.watch.swept(order)
            elif ended:
                await self.engine.close(order)

    async def rotate(self, text: str | bytes, tries: int) -> None:
        """Work on one message. Raises what may pass, so the queue retries. The last try parks it."""
        work = read(text)
        with self.engine.reporter.handling(work):
            if isinstance(work, FollowUp):
                await self._follow_up(work, tries)
            else:
                await self._work(work, tries)

    async def _follow_up(self, task: FollowUp, tries: int) -> None:
        try:
            async with bounded(ROTATION_SECONDS, f"a try for {task.ref}"):
                await (await self.ready()).follow_up(task, last=tries >= MAX_TRIES)
        except TransientError as problem:
            later = _put_off(problem, task.tries.deferred, tries)
            if later and task.tries.deferred < MAX_DEFERRALS:
                # One webhook hears of every secret of an incident: not all come back at once.
                later *= 1 + _share(task, self.engine.clock.now())
                log.warning("%s is tried again in %.0f s: %s", task.ref, later, problem)
                await self.engine.post(task.put_off(), later)
            elif tries < MAX_TRIES:
                log.warning("try %d of %d for %s: %s", tries, MAX_TRIES, task.ref, problem)
                raise
            else:
                await (await self.ready()).drop(task, problem)

    async def _work(self, item: WorkItem, tries: int) -> None:
        tried = tries + item.tries.tried
        try:
            async with bounded(ROTATION_SECONDS, f"a try for {item.ref}"):
                outcome = await (await self.ready()).handle(
                    replace(item, tries=replace(item.tries, tried=0)), tried
                )
        except TransientError as problem:
            if isinstance(problem, SourceBusy) and item.tries.waited < MOST_WAITS:
                await self._wait(item, tried)
                return
            if _follows_on(item, problem):
                await self.engine.keep(item.put_off(), problem.retry_after or 0.0)
                return
            later = _put_off(problem, item.tries.deferred, tried)
            if later and item.tries.deferred < MAX_DEFERRALS:
                log.warning("%s is tried again in %.0f s: %s", item.ref, later, problem)
                await self.engine.accept(item.put_off(), later)
            elif tried >= MAX_TRIES:
                await self._give_up(item, problem)
            else:
                log.warning("try %d of %d for %s: %s", tried, MAX_TRIES, item.ref, problem)
                if not later:
                    raise
                await self.engine.accept(
                    replace(item, tries=replace(item.tries, tried=tried)), later
                )
        else:
            await self._settle(item, outcome)

    async def _wait(self, item: WorkItem, tried: int) -> None:
        """Post the item again, to be tried in seconds; only then its message is acknowledged.

        A worker that dies in between leaves two messages, of which the second has nothing to do.
        """
        longest = min(FIRST_WAIT * 1.3**item.tries.waited, LONGEST_WAIT)
        # The share is each item's own, so that those who wait come one by one.
        seconds = longest * (0.6 + 0.4 * _share(item, self.engine.clock.now()))
        # What only waited was no try.
        tries = replace(item.tries, waited=item.tries.waited + 1, tried=tried - 1)
        later = replace(item, tries=tries)
        await self.engine.accept(later, seconds)
        self.engine.reporter.waits(item)
        log.info("%s waits %.0f s: another worker holds its source", item.ref, seconds)

    async def park(self, text: str | bytes, message_id: str) -> None:
        """Park the secret of a message that the queue gave up on.

        Its worker died on every try, or the message cannot be read.
        """
        try:
            await self._take_off(text, message_id)
        except RekeyError:
            raise
        except Exception as error:  # noqa: BLE001 - what nobody foresaw would come back for ever
            log.error("message %s on rotations-poison: %s", message_id, error)
        # A message whose parking fails comes back for ever, so one counts only once it is off.
        self.engine.reporter.given_up("rotations")

    async def _take_off(self, text: str | bytes, message_id: str) -> None:
        try:
            work = read(text)
        except PermanentError as malformed:
            log.error("message %s on rotations-poison: %s", message_id, malformed)
            return
        fix = (
            f"see the log of operation {work.operation or '(version unknown)'}, then rotate by hand"
        )
        error = PermanentError(f"gave up after {MAX_TRIES} tries, none of which finished", fix=fix)
        with self.engine.reporter.handling(work):
            if isinstance(work, FollowUp):
                await (await self.ready()).drop(work, error)
            else:
                await self._give_up(work, error)

    async def _give_up(self, item: WorkItem, error: RekeyError) -> None:
        """Park the secret. An incident comes back; a recheck is asked for by its record."""
        # What a key has made is healed with the key, whose own secret is rechecked.
        if item.recheck and error.code not in (KEY_REFUSED, KEY_COMPROMISED):
            await self.engine.leave(item, error)
            return
        if item.compromised:
            await self._bring_back(item, error)
            return
        try:
            await (await self.ready()).park(item, error)
        except TransientError as second:
            # The last try comes once more: by the timer if it is stored, or when Azure said.
            # Another message would only multiply what is stored.
            later = replace(item, tries=replace(item.tries, tried=MAX_TRIES - 1))
            if second.retry_after:
                await self.engine.accept(later, second.retry_after)
            elif item.request:
                await self.engine.keep(later, GRACE_SECONDS)
                waits = Outcome(item, "waiting", error.what, error.fix)
                await self.engine.reporter.concluded(waits)
            else:
                raise
        else:
            await self.engine.close(item)

    async def _bring_back(self, item: WorkItem, error: RekeyError) -> None:
        """Park the secret of an incident's item. It is tried again for a month, and then given up."""
        outcome = Outcome(item, "parked", error.what, error.fix)
        outcome = outcome.unfinished(self.engine.clock.now())
        again, error.what = outcome.comes_back, outcome.reason
        if outcome.result == "waiting":
            await self.engine.reporter.concluded(outcome)
        else:
            engine = self.engine
            try:
                engine = await self.ready()
                outcome = await engine.park(item, error)
            except TransientError as second:
                # Its message must not come back beside what is tried again: it is reported at
                # least.
                outcome = outcome.unmarked(second.what)
                await engine.conclude(outcome)
        await self._settle(item, replace(outcome, comes_back=again))

    async def _settle(self, item: WorkItem, outcome: Outcome) -> None:
        """Close a request, or put it off. The storage says when it is due, and no message."""
        if not outcome.comes_back:
            await self.engine.close(item)
            return
        now = self.engine.clock.now().isoformat()
        heard = now if outcome.result == "parked" else item.tries.told
        # An earlier version, or whoever may do no more than post it, has not stored it.
        cause = replace(item.cause, reported=item.cause.reported or now)
        later = replace(item, cause=cause, tries=Tries(told=heard))
        await self.engine.keep(later, INCIDENT_SECONDS)
        if later.request != item.request:
            await self.engine.close(item)

    @contextmanager
    def _counting_loss(self, queue: str, tries: int) -> Iterator[None]:
        """Count a message whose last try fails.

        The host then moves it to the poison queue, which nothing reads.
        """
        try:
            yield
        except Exception:
            if tries >= MAX_TRIES:
                self.engine.reporter.given_up(queue)
            raise


def revocation_starts(sources: Sequence[str]) -> list[float]:
    """Return in how many seconds work on each source may start that revokes what leaked."""
    pace = Pace({}, MOST_DELAY, writes=REVOCATION_WRITES)
    return [pace.start(source) for source in sources]


def _follows_on(item: WorkItem, problem: TransientError) -> bool:
    """Return whether following a key is stored, to be asked for again.

    Nothing else asks before its daily audit, and messages end while a service is away.
    """
    needs_key = problem.code in (KEY_REFUSED, KEY_COMPROMISED)
    return item.follows_key and not needs_key and item.tries.deferred < MOST_FOLLOWS


def _put_off(problem: TransientError, deferred: int, tries: int) -> float:
    """Return the seconds until work is tried again, if it has to wait; 0 if it has not.

    An earlier try would only lengthen the wait. Repeated waits grow: a throttle may ask for too
    little, or not say how long.
    """
    # A source that is busy is not broken, nor is one whose lease the last try has lost.
    is_lost = isinstance(problem, LeaseUnavailable) and tries >= MAX_TRIES
    usual = BUSY_SECONDS if is_lost or isinstance(problem, SourceBusy) else 0.0
    usual = THROTTLED_SECONDS if isinstance(problem, Throttled) else usual
    seconds = problem.retry_after or usual
    return max(seconds, deferred * DEFERRAL_SECONDS) if seconds else 0.0


def _share(item: Work, now: datetime) -> float:
    """Return a number from 0 to 1 that follows from the item and the time."""
    return zlib.crc32(f"{item.to_json()} {now.isoformat()}".encode()) / 2**32


def _ignored(event: OtherEvent) -> None:
    if event.is_key_vaults:
        log.info("event %s (%s) asks for no rotation", event.event_id, event.kind)
        return
    what = "ignored event %s of type %r, which is not a Key Vault type. Fix: let its subscription"
    what += " send only SecretNearExpiry and SecretExpired of a vault"
    log.warning(what, event.event_id, event.kind)
