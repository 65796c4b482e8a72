"""Vaults, leases and queues as plain state, so that the whole engine plays without Azure.

Every call goes through the striker of a scene, which may let it die, fall silent or be refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from conformance.faults import Mode, Striker
from engine.errors import (
    AccessDenied,
    LeaseUnavailable,
    NotFound,
    RekeyError,
    TransientError,
)
from engine.model.last_sweep import LastSweep
from engine.model.outcome import Outcome
from engine.model.record import Listed, Record
from engine.model.sweep_order import SweepOrder
from engine.model.tally import Tally
from engine.model.workitem import WorkItem
from engine.secret import Draft, SecretRef, SecretVersion

LEASE_SECONDS = 60.0
PAUSE = 7.0
"""Seconds that a throttled caller is told to wait."""


class KitClock:
    """Time as a number: whoever sleeps moves it on."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        """Return the time of day."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Move the time on at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the time on."""
        self._now += timedelta(seconds=max(seconds, 0.0))


type Versions = list[SecretVersion]


@dataclass
class Message:
    """A message on the queue of rotations."""

    text: str
    visible: float
    tries: int = 0


@dataclass
class Claim:
    """The record of a source, and who has its lease until when."""

    record: Record
    etag: int = 0
    holder: int = 0
    until: float = 0.0


@dataclass
class World:
    """Everything outside the engine but the source."""

    clock: KitClock
    striker: Striker
    versions: dict[SecretRef, list[SecretVersion]] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What was written to queues, tags, records and reports."""
    leases: int = 0

    async def reach[T](self, name: str, effect: Callable[[], T], *, changes: bool = False) -> T:
        """Make one call to a service of Azure; raises RekeyErrors."""

        async def awaited() -> T:
            return effect()

        def refuse(mode: Mode) -> NoReturn:
            if mode == "throttle":
                raise TransientError(f"{name} was throttled", code="429", retry_after=PAUSE)
            raise AccessDenied(f"{name} was refused", fix="grant it")

        try:
            return await self.striker.call(name, awaited, refuse, changes=changes)
        except ConnectionError:
            problem = TransientError(f"{name} got no answer", code="NoAnswer")
        raise problem

    def post(self, item: WorkItem, delay: float = 0.0) -> None:
        """Put a work item on the queue."""
        text = item.to_json()
        self.said.append(text)
        self.messages.append(Message(text, self.clock.monotonic() + delay))


@dataclass(frozen=True)
class MemoryVaults:
    """See engine.ports.Vaults."""

    world: World

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version; a disabled one shows nothing."""
        current: SecretVersion = await self.world.reach("read", lambda: self._all(ref)[-1])
        if current.enabled:
            return current
        return SecretVersion(
            ref, None, None, enabled=False, created=current.created, expires=None, content_type=None
        )

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version."""
        match = await self.world.reach("read version", lambda: self._one(ref, version))
        if not match.enabled:
            raise AccessDenied("the version is disabled", fix="enable it", code="SecretDisabled")
        return match

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version."""
        return await self.world.reach("publish", lambda: self._put(ref, draft), changes=True)

    async def retag(self, secret: SecretVersion, tags: Mapping[str, str]) -> SecretVersion:
        """Replace the tags of this version."""
        self.world.said.append(repr(dict(tags)))
        change = lambda: self._change(secret.ref, str(secret.version), tags=dict(tags))  # noqa: E731
        return await self.world.reach("retag", change, changes=True)

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version."""
        change = lambda: self._change(ref, version, enabled=False)  # noqa: E731
        await self.world.reach("disable", change, changes=True)

    async def list(self, vault: str) -> AsyncIterator[SecretVersion]:
        """Stream the current versions, without values and version ids."""
        for secret in await self.world.reach("list", lambda: self._current(vault)):
            yield replace(secret, version=None, value=None)

    async def page(
        self, vault: str, token: str | None
    ) -> tuple[Sequence[SecretVersion], str | None]:
        """Return everything on one page."""
        del token
        return [secret async for secret in self.list(vault)], None

    async def versions(self, ref: SecretRef) -> AsyncIterator[SecretVersion]:
        """Stream every version without its value."""
        versions = await self.world.reach("versions", lambda: [*self.world.versions.get(ref, ())])
        for version in versions:
            yield replace(version, value=None)

    def _all(self, ref: SecretRef) -> Versions:
        if ref not in self.world.versions:
            raise NotFound(f"{ref} does not exist")
        return self.world.versions[ref]

    def _one(self, ref: SecretRef, version: str) -> SecretVersion:
        match = next((each for each in self._all(ref) if each.version == version), None)
        if match is None:
            raise NotFound("there is no such version")
        return match

    def _current(self, vault: str) -> Sequence[SecretVersion]:
        every = self.world.versions.items()
        return [versions[-1] for ref, versions in every if ref.vault == vault]

    def _put(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        versions = self.world.versions.setdefault(ref, [])
        self.world.said.append(repr(dict(draft.tags)))
        version = SecretVersion(
            ref,
            f"v{len(versions) + 1}",
            draft.value,
            enabled=True,
            created=self.world.clock.now(),
            expires=draft.expires,
            content_type=draft.content_type,
            tags=dict(draft.tags),
        )
        versions.append(version)
        return version

    def _change(self, ref: SecretRef, version: str, **changes: object) -> SecretVersion:
        versions = self._all(ref)
        at = versions.index(self._one(ref, version))
        versions[at] = replace(versions[at], **changes)  # type: ignore[arg-type]
        return versions[at]


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
        record = replace(record, source=self.source)
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
    async def hold(self, source: str, owner: str) -> AsyncIterator[MemoryLease]:
        """Hold the lease on a source."""
        began = self.world.clock.monotonic()
        number = await self.world.reach("acquire", lambda: self._acquire(source, owner.lower()))
        claim = self.world.claims[source]
        lease = MemoryLease(self.world, claim, source, number, began + LEASE_SECONDS)
        try:
            await lease.take()
            yield lease
        finally:
            await lease.release()

    async def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record."""
        claims = self.world.claims.values()
        for record in await self.world.reach("index", lambda: [claim.record for claim in claims]):
            yield Listed.of(record)

    def _acquire(self, source: str, owner: str) -> int:
        claim = self.world.claims.setdefault(source, Claim(Record(source=source, owner=owner)))
        if claim.holder and claim.until > self.world.clock.monotonic():
            raise LeaseUnavailable(f"another worker has {source}")
        self.world.leases += 1
        claim.holder = self.world.leases
        claim.until = self.world.clock.monotonic() + LEASE_SECONDS
        return claim.holder


@dataclass(frozen=True)
class MemoryQueue:
    """See engine.ports.WorkQueue. Orders of sweeps are not kept: the kit sweeps by itself."""

    world: World

    async def post_rotation(self, item: WorkItem, delay: float = 0.0) -> None:
        """Put a work item on the queue."""
        await self.world.reach("post", lambda: self.world.post(item, delay))

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Keep nothing."""
        del order, delay


@dataclass(frozen=True)
class MemoryReporter:
    """See engine.ports.Reporter."""

    world: World

    def handling(self, item: WorkItem) -> AbstractContextManager[None]:
        """Follow nothing."""
        del item
        return nullcontext()

    def about(self, operation: str | None, rotator: str) -> None:
        """Take note of nothing."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time nothing."""
        del name
        return nullcontext()

    async def concluded(self, outcome: Outcome) -> None:
        """Keep what it says."""
        self.world.said.append(repr(outcome))

    async def swept(self, tally: Tally) -> None:
        """Take note of nothing."""

    def given_up(self, queue: str) -> None:
        """Take note of nothing."""

    def denied(self, where: str, what: str) -> None:
        """Take note of nothing."""


class NoWatch:
    """See engine.ports.Watch."""

    async def swept(self, order: SweepOrder) -> None:
        """Take note of nothing."""

    async def measure(self) -> None:
        """Measure nothing."""

    async def sweeps(self) -> Sequence[LastSweep]:
        """Remember nothing."""
        return ()

    async def obstacle(self) -> str:
        """See nothing."""
        return ""
