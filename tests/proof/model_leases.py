"""The app's own storage as plain state.

The record of each source, and the lease on it; see engine.ports.Leases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloud.storage.leases import checked
from engine.errors import LeaseUnavailable, NeedsHuman, RekeyError
from engine.state.index import Listed
from engine.state.record import Record, covers, parts_of
from engine.state.tags import Pending
from tests.proof import announcing
from tests.proof.hand import Hand

if TYPE_CHECKING:
    from tests.proof.world import World

LEASE_SECONDS = 60.0
OTHERS = "/others/"
"""How the names of sources begin of which no more is known than that they are due."""


@dataclass
class Claim:
    """The blob of one source.

    The record, how often it was written, and who holds its lease until when.

    The record is kept as it was written; that its text says the same is checked once a schedule,
    and in the engine's tests.
    """

    record: Record
    etag: int = 0
    holder: int = 0
    until: float = 0.0


@dataclass
class ModelLease:
    """A lease that is held; see cloud/storage/leases.py, whose arithmetic this repeats."""

    hand: Hand
    claim: Claim
    source: str
    number: int
    ends: float
    where: str = "the record"
    etag: int = -1
    further: list[ModelLease] = field(default_factory=list)
    """The leases on the further parts of the same source."""
    part: str = ""
    """Which of the source's parts this is the lease on."""
    _record: Record | NeedsHuman = field(default_factory=Record)

    @property
    def record(self) -> Record:
        """What is known of the source; raises NeedsHuman where that is another source's record."""
        if isinstance(self._record, NeedsHuman):
            raise self._record
        return self._record

    @property
    def held(self) -> bool:
        """Return whether the account would still take this lease and those on other parts."""
        lasts = self.claim.until > self.hand.world.kernel.time()
        is_mine = self._is_mine and lasts
        return is_mine and all(lease.held for lease in self.further)

    @property
    def remaining(self) -> float:
        """Seconds for which the lease certainly still holds."""
        return self.ends - self.hand.world.kernel.time()

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease lasts this long, renewing it if need be."""
        if self.remaining > seconds:
            return
        requested = self.hand.world.kernel.time()
        await self.hand.reach("renew", self._renew, changes=True)
        self.ends = requested + LEASE_SECONDS

    def _renew(self) -> None:
        self._still_mine()
        self.claim.until = self.hand.world.kernel.time() + LEASE_SECONDS

    @property
    def _is_mine(self) -> bool:
        """Return whether the blob is there, and nobody has taken its lease since.

        While the account fails over nobody can take it: the holder's own clock is all that counts.
        """
        world = self.hand.world
        stored = world.storage(self.hand.worker.deployment).get(self.part)
        is_there = stored is self.claim or world.down.get("storage", 0.0) > world.kernel.time()
        return is_there and self.claim.holder == self.number

    def _still_mine(self) -> None:
        if not self._is_mine:
            raise LeaseUnavailable("another worker has it")

    def _must_be_held(self) -> None:
        if not self.held:
            raise LeaseUnavailable("the lease was lost")

    async def read_record(self) -> None:
        """Read what is known of the source; fails if the lease is not held."""
        record, self.etag = await self.hand.reach("record", self._read, changes=True)
        try:
            self._record = readable(self.hand.world, checked(record, self.part, self.where))
        except NeedsHuman as error:
            self._record = error

    def _read(self) -> tuple[Record, int]:
        self._must_be_held()
        return self.claim.record, self.claim.etag

    async def write(self, record: Record) -> None:
        """Write the record in place of exactly the one that was read."""
        source = record.source if covers(record.source, self.source) else self.source
        record = replace(record, source=source)
        etag = self.etag
        # Not sandboxed: the storage account itself refuses it without the lease, or over another
        # text.
        self.etag = await self.hand.reach("note", lambda: self._write(record, etag), changes=True)
        self._record = record

    def _write(self, record: Record, etag: int) -> int:
        self._must_be_held()
        if self.claim.etag != etag:
            raise LeaseUnavailable("the record was written by somebody else")
        self.hand.world.remember()
        announcing.forgets(self.hand.world.watch, self.claim.record, record)
        self.claim.record, self.claim.etag = record, etag + 1
        self.hand.world.noted(self.hand.worker, record)
        return self.claim.etag

    async def release(self) -> None:
        """Give the lease back; if that fails it ends by itself."""
        try:
            await self.hand.reach("release", self._release, changes=True)
        except RekeyError:
            return

    def _release(self) -> None:
        self._still_mine()
        self.claim.holder = 0


def readable(world: World, record: Record) -> Record:
    """Return a record; raises NeedsHuman while an earlier version runs that cannot read it."""
    if record.key and world.down.get("codec", 0.0) > world.kernel.time():
        raise NeedsHuman("a newer Rekey wrote the record", fix="deploy that version again")
    return record


@dataclass(frozen=True)
class ModelLeases:
    """The leases in one worker's hand."""

    hand: Hand

    @asynccontextmanager
    async def hold(self, source: str, owner: str, whole: str = "") -> AsyncIterator[ModelLease]:
        """Hold the lease on a source."""
        requested = self.hand.world.kernel.time()
        number = await self.hand.reach(
            "acquire", lambda: self._acquire(source, owner.lower(), whole or source), changes=True
        )
        claim = self._claims[source]
        lease = ModelLease(
            self.hand, claim, whole or source, number, requested + LEASE_SECONDS, part=source
        )
        outer: ModelLease | None = self.hand.worker.lease
        if outer:
            outer.further.append(lease)
        else:
            self.hand.worker.lease = lease
        try:
            await lease.read_record()
            yield lease
        finally:
            if outer:
                outer.further.remove(lease)
            self.hand.worker.lease = outer
            await lease.release()

    async def peek(self, source: str) -> Record | None:
        """Return the record of a source without its lease."""
        first = parts_of(source)[0]
        record = await self.hand.reach(
            "peek", lambda: self._claims[first].record if first in self._claims else None
        )
        return readable(self.hand.world, checked(record, first, "the record")) if record else None

    async def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record."""
        records = lambda: [claim.record for claim in self._claims.values()]  # noqa: E731
        for record in await self.hand.reach("index", records):
            yield Listed.of(record)
        if self.hand.worker.message.what == "recheck":
            for other in self._others():
                yield other

    def _others(self) -> Iterator[Listed]:
        """Return what is due at other sources, longer than all else: messages of it do nothing."""
        due = self.hand.world.kernel.now() - timedelta(days=1)
        owner = f"{next(iter(self.hand.worker.rules.scopes))}/secrets/other"
        for number in range(self.hand.world.others):
            superseded = Pending(due, f"v{number}", "key2")
            yield Listed(f"{OTHERS}{number}", owner, superseded, next_check=due)

    def _acquire(self, source: str, owner: str, whole: str) -> int:
        world = self.hand.world
        if source not in self._claims:
            world.remember()
        claim = self._claims.setdefault(source, Claim(Record(source=whole, owner=owner)))
        if claim.holder and claim.until > world.kernel.time():
            raise LeaseUnavailable(f"another worker has {source}")
        world.leases += 1
        claim.holder, claim.until = world.leases, world.kernel.time() + LEASE_SECONDS
        return claim.holder

    @property
    def _claims(self) -> dict[str, Claim]:
        return self.hand.world.storage(self.hand.worker.deployment)
