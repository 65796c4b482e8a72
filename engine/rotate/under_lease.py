"""What holds while a source is under lease: its record, and bounds on every call that changes something.

A source that is several logins at once is held and owned login by login, so that a secret that names only one of them
meets it there. The record of such a source lies under the first of its leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.errors import TransientError
from engine.model.record import LATE, Record
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.ports import Lease
from engine.secret import SecretRef, SecretVersion

CALL_SECONDS = 20.0
"""The longest that one changing call may take: less than a lease, so that no answer is awaited without one."""
LOOK_SECONDS = 240.0
"""How long after a change whose effect is uncertain the source is looked at, again and again until it is certain."""
LOOKING = timedelta(days=7)
"""How long looks go on at a source that cannot be reached; after that the daily audit is left."""
SPACING = timedelta(seconds=45)
"""How long a single slot is left alone after a change of which nobody knows whether it took effect."""
NOBODY = "-"
"""Owner of a part whose record was made before all parts of its source had been looked at."""


def parts_of(source: str) -> tuple[str, ...]:
    """Return what must not be shared of a source: its last segment may join several names with `+`."""
    head, slash, names = source.rpartition("/")
    return tuple(f"{head}{slash}{name}" for name in names.split("+"))


@dataclass
class UnderLease:
    """One source under its leases."""

    parts: Parts
    source: str
    leases: tuple[Lease, ...]
    _learned: Record | None = None
    _touched: str | None = None
    """Which version had been touched before this run."""

    @property
    def record(self) -> Record:
        """What is known of the source; raises NeedsHuman where its record cannot be read."""
        return self._learned or self.leases[0].record

    def learn(self, record: Record) -> None:
        """Keep what is known, to be written with the next change: who dies before finds it out again."""
        self._learned = record

    async def write(self, record: Record) -> None:
        """Write the record; LeaseUnavailable where the lease, or the record itself, was changed by somebody else."""
        if record != self.leases[0].record:
            await self.ensure(CALL_SECONDS)
            async with asyncio.timeout(CALL_SECONDS):
                await self.leases[0].write(record)
        self._learned = None

    async def ensure(self, seconds: float) -> None:
        """Make sure that all leases last this long from now; LeaseUnavailable if one is lost."""
        # Twice, since renewing one takes time from another.
        for lease in (*self.leases, *self.leases):
            await lease.ensure(seconds)

    @asynccontextmanager
    async def changing(self, step: str) -> AsyncIterator[None]:
        """Bound a call that changes something, so that it ends while the lease lasts."""
        await self.ensure(CALL_SECONDS)
        with self.parts.reporter.step(step):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    yield
            except TimeoutError:
                raise TransientError(
                    f"{step} took over {CALL_SECONDS:.0f} s; it may or may not have taken effect", code="NoAnswer"
                ) from None

    async def begin(
        self, item: WorkItem, secret: SecretVersion, look_after: float | None = None, *, asks: bool = False
    ) -> None:
        """Note that a change is about to be sent. With `look_after`, first promise to look at it so many seconds later.

        `asks` where it is a new credential that is asked for.
        """
        now, touched = self.parts.clock.now(), secret.version or ""
        if look_after is not None:
            self._not_again_at_once(now)
        if self._touched is None:
            self._touched = self.record.touched
        earlier = self.record.asked if self.record.touched == touched else None
        asked = (earlier or now) if asks else None
        changing = self.record.changing or now
        record = replace(self.record.keyed(), changing=changing, begun=now, touched=touched, asked=asked)
        if look_after is not None:
            record = await self._promised(record, item, look_after)
        await self.write(record)

    def _not_again_at_once(self, now: datetime) -> None:
        """Raise TransientError where a change of unknown effect was sent just now: tries share one budget."""
        record = self.record
        uncertain = record.changing or record.open_until or record.ahead
        if record.begun and uncertain and now - record.begun < SPACING:
            wait = (SPACING - (now - record.begun)).total_seconds()
            raise TransientError(
                "the source was changed just now", where=self.source, code="JustTried", retry_after=wait
            )

    def untouched(self) -> None:
        """Note that the change just begun was refused by the rotator itself: nothing was sent."""
        self.learn(replace(self.record, changing=None, touched=self._touched or ""))

    async def look_again(self, item: WorkItem) -> None:
        """Promise another look while an earlier change may still take effect, or nobody has been able to look since."""
        record, now = self.record, self.parts.clock.now()
        if record.changing:
            until = max(record.open_until or now, record.changing + LATE)
            record = replace(record, changing=None, open_until=until)
        if record.open_until and record.open_until + LOOKING <= now:
            record = replace(record, open_until=None, look_at=None)
        if record.open_until:
            audit = WorkItem(item.ref, "audit", trigger="sweep", requested_by="rekey", source=self.source)
            why = "an earlier change may still take effect"
            record = await self._promised(record, replace(audit, reason=why), LOOK_SECONDS)
        await self.write(record)

    async def _promised(self, record: Record, item: WorkItem, seconds: float) -> Record:
        """Post a look, unless one is posted already: however many workers die, looks never multiply."""
        now = self.parts.clock.now()
        if record.look_at and now < record.look_at and (record.look_at - now).total_seconds() <= seconds:
            return record
        # Posted before it is noted: to die in between costs one look too many, and never one too few.
        await self.parts.queue.post_rotation(replace(item, follow_up=item.follow_up + 1), seconds)
        return replace(record, look_at=now + timedelta(seconds=seconds))


@asynccontextmanager
async def hold(parts: Parts, source: str, owner: SecretRef) -> AsyncIterator[UnderLease]:
    """Hold every part of a source; LeaseUnavailable if another worker has one."""
    names = parts_of(source)
    # Whoever makes a record owns it, and of several parts another may yet turn out to be somebody else's.
    first = str(owner).lower() if len(names) == 1 else NOBODY
    async with AsyncExitStack() as stack:
        leases = [await stack.enter_async_context(parts.leases.hold(part, first)) for part in names]
        yield UnderLease(parts, source, tuple(leases))
