"""A source under its lease: its record, and bounds on every call that changes something.

A source can consist of several logins. Each login is then leased and owned by itself, so that a
secret that names only one of them meets the same lease. The record of such a source is stored
under the first of its leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.contract import LATE
from engine.errors import (
    LeaseUnavailable,
    NeedsHuman,
    PermanentError,
    RekeyError,
    SourceBusy,
    TransientError,
)
from engine.model.record import Record, parts_of
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.ports import Lease
from engine.secret import SecretRef, SecretVersion

CALL_SECONDS = 20.0
"""The longest that one changing call may take.

It is shorter than a lease, so Rekey never waits for an answer without one.
"""
FRESH_SECONDS = 45.0
"""How long a lease must last when a single slot is about to be changed."""
LOOK_SECONDS = 240.0
"""How long after a change of uncertain effect the source is looked at, until it is certain."""
LOOKING = timedelta(days=7)
"""How long looks go on at a source that cannot be reached. After that only the audit remains."""
SPACING, LONGEST_SPACING = timedelta(seconds=45), timedelta(seconds=LOOK_SECONDS)
"""How long a single slot is left alone after a change that may or may not have taken effect: the
longer none can be proven, the longer. Any other source is left alone only for that reason."""
VAIN = timedelta(minutes=10)
"""How long a source that has another credential in use may be changed in vain before it is left
alone between two tries. A person hears of it before that."""
LONGEST_PAUSE = 1800.0
"""The longest wait in seconds between two looks for the end of a change under way."""
AHEAD = timedelta(seconds=10)
"""How much earlier than noted the message may come that looks for the end of a change."""
EARLY = timedelta(seconds=20)
"""How much earlier than noted the promised look may come: clocks differ."""
NEXT_SECONDS = 21.0
"""How long after a look the next one comes at the soonest, so that neither is taken for the other."""
SOON = timedelta(seconds=90)
"""A look that had to wait for its source is left to the next one only if that comes so soon."""
UNBOUND_FIX = (
    "add the source's scope to this vault again, or revoke it there by hand and move the record "
    "aside: see docs/runbook.md, section 'The record of a source'"
)
"""What to do about a credential at a source that scopes no longer contain."""
LOST = "the source may hold a password that nobody knows"
NOBODY = "-"
"""The owner in a part's new record until all parts of its source have been checked."""


@dataclass
class SourceLease:
    """One source under its leases."""

    parts: Parts
    source: str
    leases: tuple[Lease, ...]
    _learned: Record | None = None
    _before: Record | None = None
    """The record from before the first change of this run."""
    _rests: float = 0.0
    """Until when no lease is renewed, by the monotonic clock."""
    is_lost: bool = False
    """This run has left the source with a password that nobody knows, however it ends."""
    ref: SecretRef | None = None
    """The secret for which the leases are held; None where none is."""
    prints: dict[str, str] = field(default_factory=dict)
    """The prints of the versions that were seen: the next write of the record notes them."""

    @property
    def record(self) -> Record:
        """The record of the source; raises NeedsHuman if it cannot be read."""
        return self._learned or self.leases[0].record

    def learn(self, record: Record) -> None:
        """Keep what is known until the next write of the record.

        If this worker dies before, the next one finds it out again.
        """
        self._learned = record

    async def write(self, record: Record) -> None:
        """Write the record; raises LeaseUnavailable if the lease is lost or the record changed."""
        record = replace(record, history=record.history.printed(self.prints))
        if record != self.leases[0].record:
            await self.ensure(CALL_SECONDS)
            async with _in_time("writing the record"):
                await self.leases[0].write(record)
        self._learned = None

    def lasts(self, seconds: float) -> bool:
        """Return whether every lease lasts this long, without a call."""
        return all(lease.remaining > seconds for lease in self.leases)

    async def last(self) -> None:
        """Make sure that every lease lasts for a while; raises LeaseUnavailable if one is lost."""
        await self.ensure(FRESH_SECONDS)

    async def ensure(self, seconds: float) -> None:
        """Make sure that every lease lasts this long; raises LeaseUnavailable if one is lost."""
        if self.lasts(seconds):
            return
        if self._rests and (left := self._rests - self.parts.clock.monotonic()) > 0:
            # Azure has named a time, and an earlier try would only put it off.
            raise TransientError("the lease cannot be renewed yet", code="Rests", retry_after=left)
        try:
            # Every lease twice, because renewing one takes time that the others lose.
            for lease in (*self.leases, *self.leases):
                await lease.ensure(seconds)
        except TransientError as error:
            self._rests = self.parts.clock.monotonic() + (error.retry_after or 0.0)
            raise

    @asynccontextmanager
    async def changing(self, step: str) -> AsyncIterator[None]:
        """Bound a call that changes something, so that it ends while the lease lasts."""
        await self.ensure(CALL_SECONDS)
        try:
            with self.parts.reporter.step(step):
                async with _in_time(step):
                    yield
        finally:
            if self.ref and not self.lasts(0):
                await self._look_now(self.ref, step)

    async def _look_now(self, ref: SecretRef, step: str) -> None:
        """Have the source looked at: this process froze, and its call came after the lease.

        Another worker may have set, and published, something else meanwhile. Whoever looks does
        not leave it to a later look.
        """
        reason = f"{step} came after the lease"
        look = WorkItem(
            ref, "audit", trigger="sweep", requested_by="rekey", reason=reason,
            source=self.source, follow_up=1, waited=1,
        )  # fmt: skip
        with suppress(RekeyError):
            await self.parts.queue.post_rotation(look)

    async def begin(
        self,
        item: WorkItem,
        secret: SecretVersion,
        look_after: float | None = None,
        *,
        kind: str = "",
    ) -> None:
        """Note that a change is about to be sent. With `look_after`, first promise to look at it so many seconds later.

        `kind` where a new credential of that kind is asked for.
        """
        now, touched = self.parts.clock.now(), secret.version or ""
        if not self.is_bound(item.ref):
            # Whatever led here: nothing is changed outside the scopes as they are now.
            raise NeedsHuman(self.unbound(item.ref), where=str(item.ref), fix=UNBOUND_FIX)
        record = self.record
        urgent = item.compromised or record.compromised.versions or record.change.in_progress_since
        is_vain = record.vain_for >= VAIN
        if kind and look_after is None and is_vain and not urgent:
            self._not_again_at_once(now)
        if look_after is not None:
            self._not_again_at_once(now, SPACING)
            # What fails after the change is tried again, or set back, while this lease lasts.
            await self.ensure(FRESH_SECONDS)
        record = self.record
        self._before = self._before or record
        change = record.change.begun(touched, now, asks=bool(kind))
        record = replace(record.keyed(), change=change, kind=kind or record.kind)
        if look_after is not None:
            look = item if item.compromised else replace(item, version=item.version or touched)
            record = replace(record, change=replace(change, password_unknown=True))
            record = await self._promised(record, look, look_after)
        await self.write(record)

    def is_bound(self, ref: SecretRef) -> bool:
        """Return whether a secret's vault is bound to this source by the scopes as they are now."""
        return self.parts.policy.allows(ref.vault, self.source)

    def unbound(self, ref: SecretRef) -> str:
        """Say that a secret's vault is not bound to this source."""
        return f"vault {ref.vault} is not bound to {self.source} any more"

    def _not_again_at_once(self, now: datetime, least: timedelta = timedelta()) -> None:
        """Raise TransientError if a change of unknown effect was sent just now.

        Tries by several workers are spaced out like those of one.
        """
        if (wait := self._rest(self.record, now, least)) > 0:
            raise TransientError(
                "the source was changed just now",
                where=self.source,
                code="JustTried",
                retry_after=wait,
            )

    @staticmethod
    def _rest(record: Record, now: datetime, least: timedelta = SPACING) -> float:
        """Return for how many seconds a source is left alone after a change of unknown effect.

        That is at least `least`, for a single slot, and longer the longer none can be proven.
        """
        started = record.change.started_at
        if not (started and record.is_uncertain):
            return 0.0
        spacing = min(max(least, record.vain_for / 2), LONGEST_SPACING)
        return (started + spacing - now).total_seconds()

    @property
    def has_begun(self) -> bool:
        """Return whether this run has sent a change."""
        return self._before is not None

    def untouched(self) -> None:
        """Note that the rotator refused the change just begun, before it sent anything."""
        before = self._before or self.record
        change = self.record.change.taken_back(before.change)
        self.learn(replace(self.record, change=change))

    @property
    def resumes(self) -> bool:
        """Return whether a message is posted that looks later for the end of a change under way."""
        resume_at = self.record.change.resume_at
        return bool(resume_at and resume_at > self.parts.clock.now() + AHEAD)

    async def wait(self, item: WorkItem, seconds: float, marker: str, *, on: bool) -> None:
        """Note that the source is at a change. With `on`, post the item that looks for its end.

        `marker` is what the rotator wants to know of it then.

        One is enough, so none is posted beside another. It is posted before it is noted: dying in
        between costs a message too many, never one too few.
        """
        change, now = self.record.change, self.parts.clock.now()
        since = change.in_progress_since or change.requested_at or change.started_at or now
        # What this change does is known once it has come. A password that nobody knows stays so.
        is_open = change.open_since if change.password_unknown else None
        change = replace(change, in_progress_since=since, open_since=is_open, marker=marker)
        if on and not self.resumes:
            later = replace(
                item, deferred=0, waited=0, follow_up=0, source=self.source, follows=True
            )
            # The longer it takes, the less often it is looked for. But once it has come, a single
            # slot refuses what the vault holds.
            seconds = max(seconds, min((now - since).total_seconds() / 10, LONGEST_PAUSE))
            seconds = min(seconds, LOOK_SECONDS) if change.password_unknown else seconds
            await self.parts.queue.post_rotation(later, seconds)
            change = replace(change, resume_at=now + timedelta(seconds=seconds))
        await self.write(replace(self.record, change=change))

    async def look_again(self, item: WorkItem) -> None:
        """Post another look while an earlier change may take effect, or until a look succeeds."""
        record, now = self.record, self.parts.clock.now()
        change, write = record.change, record.pending_write
        if change.open_since:
            until = max(change.uncertain_until or now, change.open_since + LATE)
            change = replace(change, uncertain_until=until, open_since=None)
        if write and now < write.at + LATE:
            change = change.uncertain_for(write.at + LATE)
        # Nothing was sent to the source of a derived secret, so nothing takes effect there later.
        looking = LOOKING if change.started_at else timedelta()
        if change.uncertain_until and change.uncertain_until + looking <= now:
            change = change.settled()
        record = replace(record, change=change)
        if change.uncertain_until:
            audit = WorkItem(
                item.ref, "audit", trigger="sweep", requested_by="rekey", source=self.source
            )
            why = "an earlier change may still take effect"
            # A single slot that must be left alone is looked at as soon as it may be changed.
            may_rest = change.password_unknown and not change.in_progress_since
            rest = self._rest(record, now) if may_rest else 0.0
            seconds = max(rest, NEXT_SECONDS) if rest > 0 else LOOK_SECONDS
            record = await self._promised(record, replace(audit, reason=why), seconds)
        await self.write(record)

    def is_later(self, record: Record, item: WorkItem) -> bool:
        """Return whether the promised look comes later, and is not this very item."""
        ahead = EARLY if item.follow_up else timedelta()
        recheck_at = record.change.recheck_at
        return bool(recheck_at and recheck_at > self.parts.clock.now() + ahead)

    async def _promised(self, record: Record, item: WorkItem, seconds: float) -> Record:
        """Post a look, unless one is posted already: looks never multiply, whoever dies."""
        now = self.parts.clock.now()
        recheck_at = record.change.recheck_at
        is_soon = recheck_at and (recheck_at - now).total_seconds() <= seconds
        if is_soon and self.is_later(record, item):
            return record
        # Posted before it is noted: dying in between costs a look too many, never one too few.
        try:
            await self.parts.queue.post_rotation(
                replace(item, follow_up=item.follow_up + 1, waited=0, source=self.source),
                seconds,
            )
        except PermanentError as error:
            # Nothing would look again if this message ended here, so it comes back.
            raise TransientError(
                error.what, where=error.where, fix=error.fix, code=error.code
            ) from None
        recheck_at = now + timedelta(seconds=seconds)
        return replace(record, change=replace(record.change, recheck_at=recheck_at))


@asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    """End a call while the lease lasts; raises TransientError."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise TransientError(
            f"{what} took over {CALL_SECONDS:.0f} s; it may or may not have taken effect",
            code="NoAnswer",
        ) from None


@asynccontextmanager
async def hold(parts: Parts, source: str, owner: SecretRef) -> AsyncIterator[SourceLease]:
    """Hold every part of a source; raises SourceBusy if another worker holds one."""
    names = parts_of(source)
    # Whoever makes a record owns it. With several parts, another may belong to another secret.
    first = str(owner).lower() if len(names) == 1 else NOBODY
    async with AsyncExitStack() as stack:
        try:
            # The record names the whole source: a sweep asks for work at what it reads there.
            wholes = (source, *names[1:])
            holds = [
                parts.leases.hold(part, first, whole)
                for part, whole in zip(names, wholes, strict=True)
            ]
            leases = [await stack.enter_async_context(hold) for hold in holds]
        except LeaseUnavailable as error:
            raise SourceBusy(error.what, where=error.where, code=error.code) from None
        yield SourceLease(parts, source, tuple(leases), ref=owner)
