"""Leases and records as plain state; see engine.ports.Leases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from conformance.memory import Claim, World
from engine.errors import LeaseUnavailable, RekeyError
from engine.state.index import Listed
from engine.state.record import Record, covers

LEASE_SECONDS = 60.0


@dataclass
class MemoryLease:
    """See engine.ports.Lease."""

    world: World
    claim: Claim
    source: str
    number: int
    ends: float
    where: str = "the record"
    etag: int = -1
    record: Record = field(default_factory=Record)

    @property
    def remaining(self) -> float:
        """Seconds for which the lease certainly holds."""
        return self.ends - self.world.clock.monotonic()

    async def ensure(self, seconds: float) -> None:
        """Renew the lease if it would end earlier."""
        if self.remaining <= seconds:
            began = self.world.clock.monotonic()
            await self.world.reach("renew", self._renew)
            self.ends = began + LEASE_SECONDS

    async def take(self) -> None:
        """Read the record."""
        self.record, self.etag = await self.world.reach("record", self._read)

    async def write(self, record: Record) -> None:
        """Write the record over exactly the one that was read."""
        source = record.source if covers(record.source, self.source) else self.source
        record = replace(record, source=source)
        self.world.said.append(record.to_json())
        self.etag = await self.world.reach("note", lambda: self._write(record))
        self.record = record

    async def release(self) -> None:
        """Give the lease back; if that fails it ends by itself."""
        try:
            await self.world.reach("release", self._release)
        except RekeyError:
            return

    def _renew(self) -> None:
        if self.claim.holder != self.number:
            raise LeaseUnavailable("another worker has it")
        self.claim.until = self.world.clock.monotonic() + LEASE_SECONDS

    def _held(self) -> None:
        if self.claim.holder != self.number or self.claim.until <= self.world.clock.monotonic():
            raise LeaseUnavailable("the lease was lost")

    def _read(self) -> tuple[Record, int]:
        self._held()
        return self.claim.record, self.claim.etag

    def _write(self, record: Record) -> int:
        self._held()
        if self.claim.etag != self.etag:
            raise LeaseUnavailable("the record was written by somebody else")
        self.claim.record, self.claim.etag = record, self.etag + 1
        return self.claim.etag

    def _release(self) -> None:
        if self.claim.holder == self.number:
            self.claim.holder = 0


@dataclass(frozen=True)
class MemoryLeases:
    """See engine.ports.Leases."""

    world: World

    @asynccontextmanager
    async def hold(self, source: str, owner: str, whole: str = "") -> AsyncIterator[MemoryLease]:
        """Hold the lease on a source."""
        began, whole = self.world.clock.monotonic(), whole or source
        number = await self.world.reach(
            "acquire", lambda: self._acquire(source, owner.lower(), whole)
        )
        claim = self.world.claims[source]
        lease = MemoryLease(self.world, claim, whole, number, began + LEASE_SECONDS)
        try:
            await lease.take()
            yield lease
        finally:
            await lease.release()

    async def peek(self, source: str) -> Record | None:
        """Return the record of a source without its lease."""
        claims = self.world.claims
        return await self.world.reach(
            "peek", lambda: claims[source].record if source in claims else None
        )

    async def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record."""
        claims = self.world.claims.values()
        for record in await self.world.reach("index", lambda: [claim.record for claim in claims]):
            yield Listed.of(record)

    def _acquire(self, source: str, owner: str, whole: str) -> int:
        claim = self.world.claims.setdefault(source, Claim(Record(source=whole, owner=owner)))
        if claim.holder and claim.until > self.world.clock.monotonic():
            raise LeaseUnavailable(f"another worker has {source}")
        self.world.leases += 1
        claim.holder = self.world.leases
        claim.until = self.world.clock.monotonic() + LEASE_SECONDS
        return claim.holder
