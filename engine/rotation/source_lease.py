"""A source under its lease: its record, and bounds on every call that changes something.

A source can consist of several logins. Each login then has a lease and an owner of its own, so a
secret that names only one of them meets the same lease. The record of such a source is stored
under the first of its leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.contract import LONGEST_CHANGE, Tidy
from engine.errors import LeaseUnavailable, NeedsHuman, RekeyError, SourceBusy, TransientError
from engine.parts import Parts
from engine.ports import Lease
from engine.secret import SecretRef, SecretVersion
from engine.state.record import NO_TIME, SELDOM, SPACING, Record, covers, owners_tags, parts_of
from engine.state.record_parts import Change
from engine.state.request import WorkItem, recheck_of

CALL_SECONDS = 20.0
"""The longest that one changing call may take.

It is shorter than a lease, so Rekey never waits for an answer without one.
"""
FRESH_SECONDS = 45.0
"""How long a lease must last when a single slot is about to be changed."""
VAIN = timedelta(minutes=10)
"""How long a source with another credential in use may be changed without a proof before it is left
alone between two tries. A person is notified before that."""
LONGEST_PAUSE, LONGEST_UNKNOWN = 1800.0, 60.0
"""The longest wait in seconds between two rechecks of a change in progress. The second is for a
single slot, which refuses what the vault holds as soon as the change has come."""
EARLY = timedelta(seconds=20)
"""How much earlier than noted a recheck may come: clocks differ."""
UNBOUND_FIX = (
    "add the source's scope to this vault again, or revoke it there by hand and move the record "
    "aside: see docs/runbook.md, section 'The record of a source'"
)
"""What to do about a credential at a source that scopes no longer contain."""
LOST = "the source may hold a password that nobody knows"
NO_ANSWER = "NoAnswer"
"""The code of a call that may or may not have taken effect."""
STORAGE = "the app's storage"
NOBODY = "-"
"""The owner in a part's new record until all parts of its source have been checked."""


@dataclass
class SourceLease:
    """One source under its leases."""

    parts: Parts
    source: str
    """The source of the record. It has more parts than requested while those owe something."""
    leases: tuple[Lease, ...]
    record: Record = field(default_factory=Record)
    """What is known of the source, also what was learned since the last write."""
    found: Record = field(init=False)
    """The record as this run has found it."""
    _before: Change | None = None
    """The record's change before the latest one that this run began; None if it began none."""
    _rests: dict[str, float] = field(default_factory=dict)
    """Vault, or STORAGE → until when it is not called, by the monotonic clock."""
    is_lost: bool = False
    """This run has left the source with a password that nobody knows."""
    prints: dict[str, str] = field(default_factory=dict)
    """The prints of the versions that were seen. The next write of the record notes them."""

    def __post_init__(self) -> None:
        self.found = self.record

    def learn(self, record: Record) -> None:
        """Keep what is known until the next write of the record.

        If this worker dies before, the next one finds it out again.
        """
        self.record = record

    async def write(self, record: Record) -> None:
        """Write the record; raises LeaseUnavailable if the lease is lost or the record changed."""
        # Only a claim changes the owner, by `write_part`.
        assert record.owner == self.leases[0].record.owner, record.owner  # noqa: S101
        record = replace(record, history=record.history.printed(self.prints))
        before, now = self.leases[0].record, self.parts.clock.now()
        if record != before:
            await self.write_part(self.leases[0], record)
        self.record = record = self.leases[0].record
        if record.rests(now) and record.change.recheck_at != before.change.recheck_at:
            await self._hint()

    async def write_part(self, lease: Lease, record: Record) -> None:
        """Write the record under one of its leases, with the time of the next recheck."""
        await self.ensure(CALL_SECONDS)
        is_first = lease is self.leases[0]
        parts = parts_of(self.source)
        source = record.named(self.source) if is_first else parts[self.leases.index(lease)]
        record = replace(record.scheduled(self.parts.clock.now()), source=source)
        with self.unless_it_rests(STORAGE):
            async with _in_time("writing the record"):
                await lease.write(record)

    def lasts(self, seconds: float) -> bool:
        """Return whether every lease lasts this long, without a call."""
        return all(lease.remaining > seconds for lease in self.leases)

    async def ensure(self, seconds: float) -> None:
        """Make sure that every lease lasts this long; raises LeaseUnavailable if one is lost."""
        if self.lasts(seconds):
            return
        with self.unless_it_rests(STORAGE):
            # Every lease twice: while one is renewed, the time of the others runs.
            for lease in (*self.leases, *self.leases):
                await lease.ensure(seconds)

    @contextmanager
    def unless_it_rests(self, place: str) -> Iterator[None]:
        """Call a place, but no sooner than it allows: that would lengthen the wait.

        `place`: the vault, or STORAGE. Raises TransientError while it rests.
        """
        if (left := self._rests.get(place, 0.0) - self.parts.clock.monotonic()) > 0:
            raise TransientError(f"{place} must rest", code="Rests", retry_after=left)
        try:
            yield
        except TransientError as error:
            self._rests[place] = self.parts.clock.monotonic() + (error.retry_after or 0.0)
            raise

    @asynccontextmanager
    async def changing(self, step: str) -> AsyncIterator[None]:
        """Bound a call that changes something, so that it ends while the lease lasts."""
        await self.ensure(CALL_SECONDS)
        with self.parts.reporter.step(step):
            async with _in_time(step):
                yield

    @asynccontextmanager
    async def sending(self, step: str) -> AsyncIterator[None]:
        """Bound the call that sends the change just begun. If it was not sent, that is noted."""
        try:
            async with self.changing(step):
                yield
        except RekeyError as error:
            if error.unsent or isinstance(error, NeedsHuman):
                assert self._before  # noqa: S101 - it was begun
                change = self.record.change.taken_back(self._before)
                self.learn(replace(self.record, change=change))
            raise

    async def tidy(self, kind: str, operation: str, keep: str | None) -> None:
        """Remove an operation's credentials at a source that holds many, except the one to keep."""
        rotator = self.parts.rotators.get(kind)
        if isinstance(rotator, Tidy):
            async with self.changing("tidy"):
                await rotator.tidy(self.source, operation, keep)

    async def begin(
        self,
        item: WorkItem,
        secret: SecretVersion,
        *,
        kind: str = "",
        is_single: bool = False,
    ) -> None:
        """Note that a change is about to be sent, and when it is rechecked.

        `kind` is given where a new credential of that kind is requested. `is_single`: the source
        has one slot, and nobody knows its password until it is published.
        """
        now, touched = self.parts.clock.now(), secret.version or ""
        if not self.is_bound(item.ref):
            # Nothing is changed outside the scopes as they are now, whatever was decided before.
            raise NeedsHuman(self.unbound(item.ref), where=str(item.ref), fix=UNBOUND_FIX)
        if is_single:
            self._not_again_at_once(now, SPACING)
            # After the change there must be time to try again, or to roll back.
            await self.ensure(FRESH_SECONDS)
        elif kind and not self._is_urgent(item):
            self._not_again_at_once(now)
        self._before = self.record.change
        record = self.record.put_aside(touched)
        change = record.change.begun(touched, now, asks=bool(kind))
        change = replace(change, password_unknown=is_single, recheck_at=None)
        if not record.verified.tags:
            # They say how to revoke what is owed here, and may be gone before a version is proven.
            record = replace(record, verified=replace(record.verified, tags=owners_tags(secret)))
        await self.write(replace(record.keyed(), change=change, kind=kind or record.kind))

    def _is_urgent(self, item: WorkItem) -> bool:
        """Return whether a new credential may be requested although another one was just now."""
        record = self.record
        is_leak = item.compromised or record.compromised.versions
        return bool(is_leak or record.change.in_progress_since) or record.vain_for < VAIN

    def covers(self, source: str | None) -> bool:
        """Return whether the record under lease is that of a source."""
        return covers(self.source, source)

    def is_bound(self, ref: SecretRef) -> bool:
        """Return whether a secret's vault is bound to this source by the scopes as they are now."""
        return self.parts.policy.allows(ref.vault, self.source)

    def unbound(self, ref: SecretRef) -> str:
        """Say that a secret's vault is not bound to this source."""
        return f"vault {ref.vault} is not bound to {self.source} any more"

    def _not_again_at_once(self, now: datetime, least: timedelta = timedelta()) -> None:
        """Raise TransientError if a change of unknown effect was sent just now, by any worker."""
        wait = self.record.rest(now, least).total_seconds()
        if wait > 0:
            raise TransientError(
                "the source was changed just now",
                where=self.source,
                code="JustTried",
                retry_after=wait,
            )

    @property
    def has_begun(self) -> bool:
        """Return whether this run has sent a change."""
        return self._before is not None

    @property
    def resumes(self) -> bool:
        """Return whether a change is in progress, and its recheck comes later than now."""
        return bool(self.found.change.in_progress_since) and self.is_later(self.found)

    async def wait(self, seconds: float, marker: str) -> bool:
        """Note that a change is in progress; return whether it has gone on for too long.

        It is rechecked in so many `seconds`, or later. The rotator gets the `marker` back then.
        """
        change, now = self.record.change, self.parts.clock.now()
        since = change.in_progress_since or change.requested_at or change.started_at or now
        is_endless = now - since >= LONGEST_CHANGE
        recheck_at = change.recheck_at
        if self.resumes:
            recheck_at = self.found.change.recheck_at
        elif not is_endless:
            # The longer it takes, the less often it is rechecked. A single slot refuses what the
            # vault holds once the change has come, so it is rechecked soon.
            seconds = max(seconds, min((now - since).total_seconds() / 10, LONGEST_PAUSE))
            seconds = min(seconds, LONGEST_UNKNOWN) if change.password_unknown else seconds
            recheck_at = now + timedelta(seconds=seconds)
        change = replace(
            change,
            in_progress_since=since,
            # A change in progress is not of unknown effect, but an unknown password stays so.
            open_since=change.open_since if change.password_unknown else None,
            marker=marker,
            recheck_at=recheck_at,
        )
        await self.write(replace(self.record, change=change))
        if not (self.resumes or is_endless):
            await self._hint()
        return is_endless

    async def recheck(self) -> None:
        """Note when the source is rechecked, while an earlier change may take effect.

        For a change in progress the time is noted later, once it is known not to have come.
        """
        now = self.parts.clock.now()
        record = self.record.rechecked(now)
        if record.is_uncertain and not (record.change.in_progress_since or self.is_later(record)):
            record = record.with_recheck(now + record.pause(now))
        await self.write(record)

    async def put_off(self, seconds: float) -> None:
        """Note that the source is rechecked in so many seconds, as Azure has asked, and not before.

        That is half an hour at most.
        """
        recheck_at = self.parts.clock.now() + min(timedelta(seconds=seconds), 2 * SELDOM)
        await self.write(self.record.with_recheck(recheck_at))

    def is_later(self, record: Record, than: float = 0.0) -> bool:
        """Return whether the next recheck comes later than in so many seconds, and soon enough."""
        recheck_at = record.change.recheck_at
        pause = recheck_at - self.parts.clock.now() if recheck_at else NO_TIME
        least = max(timedelta(seconds=than), EARLY)
        return pause > least and not record.comes_too_late(pause)

    async def _hint(self) -> None:
        """Post the next recheck. It may come sooner than the timer's, or be lost."""
        change, now = self.record.change, self.parts.clock.now()
        recheck = recheck_of(SecretRef.parse(self.record.owner), self.source, change.version)
        with suppress(RekeyError):
            seconds = ((change.recheck_at or now) - now).total_seconds()
            await self.parts.queue.post_rotation(recheck, seconds)


@asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    """End a call while the lease lasts; raises TransientError."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise TransientError(
            f"{what} took over {CALL_SECONDS:.0f} s; it may or may not have taken effect",
            code=NO_ANSWER,
        ) from None


@asynccontextmanager
async def hold(
    parts: Parts, source: str, owner: SecretRef | None = None
) -> AsyncIterator[SourceLease]:
    """Hold every part of a source; raises SourceBusy if another worker holds one.

    Raises NeedsHuman if its record cannot be read. `owner` becomes its owner if it has no record.
    """
    names = parts_of(source)
    # With several parts, another may belong to another secret.
    owns = str(owner).lower() if owner and len(names) == 1 else NOBODY
    async with AsyncExitStack() as stack:
        try:
            # The record names the whole source: a sweep asks for work at what it reads there.
            first = await stack.enter_async_context(parts.leases.hold(names[0], owns, source))
            whole = first.record.whole(source)
            holds = [parts.leases.hold(part, NOBODY) for part in parts_of(whole)[1:]]
            further = [await stack.enter_async_context(hold) for hold in holds]
        except LeaseUnavailable as error:
            raise SourceBusy(error.what, where=error.where, code=error.code) from None
        yield SourceLease(parts, whole, (first, *further), first.record)
