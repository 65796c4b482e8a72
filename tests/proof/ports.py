"""The engine's ports on plain state. Every call goes through `Hand.reach`, where a schedule decides how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.errors import AccessDenied, LeaseUnavailable, NotFound, RekeyError, TransientError
from engine.model.last_sweep import LastSweep
from engine.model.outcome import Outcome
from engine.model.record import Listed, Record
from engine.model.sweep_order import SweepOrder
from engine.model.tally import Tally
from engine.model.workitem import WorkItem
from engine.secret import Draft, SecretRef, SecretVersion
from tests.proof.kernel import Died, Worker

if TYPE_CHECKING:
    from tests.proof.world import World

CLIENT_TIMEOUT = 15.0
"""Seconds after which a client has stopped waiting for the answer to a change; the request may still take effect."""
LEASE_SECONDS = 60.0
QUIET: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True)
class Hand:
    """One worker's hand on the world."""

    world: World
    worker: Worker

    async def reach[T](self, label: str, effect: Callable[[], T], *, changes: bool = False, guarded: bool = False) -> T:
        """Make one call: wait for its turn, then let it end as the schedule says.

        `changes`: it is not made again blindly when no answer comes. `guarded`: it changes a source or a vault and is to be
        made under the lease only.
        """
        world, worker = self.world, self.worker
        if worker.dead:
            raise Died
        lease = worker.lease if guarded else None
        if lease is not None:
            world.watch.sent(label, lease)
        began = world.kernel.time()
        try:
            mode = await world.kernel.turn(worker, label)
        except asyncio.CancelledError:
            if changes:
                world.in_flight.append((label, effect, lease))
            raise
        if mode == "go" and not (changes and world.kernel.time() - began > CLIENT_TIMEOUT):
            return self._land(label, effect, lease) if changes else effect()
        return self._fail(mode, label, effect, lease)

    def _fail[T](self, mode: str, label: str, effect: Callable[[], T], lease: object) -> T:
        if mode == "die before":
            self._die()
        if mode == "throttle":
            raise TransientError(f"{label} was throttled", code="TooManyRequests", retry_after=7.0)
        if mode == "forbid":
            raise AccessDenied(f"{label} was refused", fix="grant it")
        if mode == "lose the request":
            raise TransientError(f"{label} got no answer", code="NoAnswer")
        if mode == "arrive late":
            self.world.in_flight.append((label, effect, lease))
            raise TransientError(f"{label} got no answer", code="NoAnswer")
        self._land(label, effect, lease)
        if mode == "die after":
            self._die()
        raise TransientError(f"{label} ended without its answer", code="NoAnswer")

    def _land[T](self, label: str, effect: Callable[[], T], lease: object) -> T:
        self.world.watch.actor = self.worker.number
        return self.world.land(label, effect, lease)

    def _die(self) -> None:
        self.worker.dead = True
        raise Died


@dataclass(frozen=True)
class ModelVaults:
    """Key Vaults; see engine.ports.Vaults and, for what they answer, cloud/vaults.py."""

    hand: Hand

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version; a disabled one shows nothing of itself."""
        return await self.hand.reach("read", lambda: self._current(ref))

    def _current(self, ref: SecretRef) -> SecretVersion:
        current = self._versions(ref)[-1]
        if current.enabled:
            return current
        return SecretVersion(ref, None, None, enabled=False, created=current.created, expires=None, content_type=None)

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version."""
        return await self.hand.reach("read version", lambda: self._one(ref, version))

    def _one(self, ref: SecretRef, version: str) -> SecretVersion:
        found = next((each for each in self._versions(ref) if each.version == version), None)
        if found is None:
            raise NotFound("no such version")
        if not found.enabled:
            raise AccessDenied("the version is disabled", code="SecretDisabled")
        return found

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version."""
        write = lambda: self.hand.world.put(ref, draft, by_hand=False)  # noqa: E731 - one effect, said where it is sent
        return await self.hand.reach("publish", write, changes=True, guarded=True)

    async def retag(self, secret: SecretVersion, tags: Mapping[str, str]) -> SecretVersion:
        """Replace the tags of exactly this version."""
        change = lambda: self._change(secret.ref, secret.version, tags=dict(tags))  # noqa: E731
        return await self.hand.reach("retag", change, changes=True)

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version."""
        await self.hand.reach("disable", lambda: self._disable(ref, version), changes=True, guarded=True)

    def _disable(self, ref: SecretRef, version: str) -> None:
        if any(each.version == version for each in self._versions(ref)):
            self._change(ref, version, enabled=False)

    def _change(self, ref: SecretRef, version: str | None, **changes: object) -> SecretVersion:
        versions = self._versions(ref)
        at = next(index for index, each in enumerate(versions) if each.version == version)
        versions[at] = replace(versions[at], **changes)  # type: ignore[arg-type]
        return versions[at]

    def _versions(self, ref: SecretRef) -> list[SecretVersion]:
        if ref not in self.hand.world.vault:
            raise NotFound(f"{ref} does not exist")
        return self.hand.world.vault[ref]

    async def list(self, vault: str) -> AsyncIterator[SecretVersion]:
        """Stream the current versions, without values and version ids."""
        for secret in await self.hand.reach("list", lambda: [each[-1] for each in self.hand.world.vault.values()]):
            if secret.ref.vault == vault:
                yield replace(secret, version=None, value=None)

    async def page(self, vault: str, token: str | None) -> tuple[Sequence[SecretVersion], str | None]:
        """Return everything on one page."""
        assert token is None
        return [secret async for secret in self.list(vault)], None

    async def versions(self, ref: SecretRef) -> AsyncIterator[SecretVersion]:
        """Stream every version without its value."""
        for version in await self.hand.reach("list", lambda: self.hand.world.vault.get(ref, [])):
            yield replace(version, value=None)


@dataclass
class Claim:
    """The blob of one source: the record as its text, how often it was written, and who holds its lease until when."""

    text: str
    etag: int = 0
    holder: int = 0
    until: float = 0.0

    @property
    def record(self) -> Record:
        """What the text says."""
        return Record.from_json(self.text, "the record")


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
    _record: Record = field(default_factory=Record)

    @property
    def record(self) -> Record:
        """What is known of the source, as read or written last."""
        return self._record

    @property
    def held(self) -> bool:
        """Return whether the storage account would still take this lease for the current one."""
        return self.claim.holder == self.number and self.claim.until > self.hand.world.kernel.time()

    @property
    def remaining(self) -> float:
        """Seconds for which the lease certainly still holds."""
        return self.ends - self.hand.world.kernel.time()

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease lasts this long, renewing it if need be."""
        if self.remaining > seconds:
            return
        asked = self.hand.world.kernel.time()
        await self.hand.reach("renew", self._renew, changes=True)
        self.ends = asked + LEASE_SECONDS

    def _renew(self) -> None:
        self._still_mine()
        self.claim.until = self.hand.world.kernel.time() + LEASE_SECONDS

    def _still_mine(self) -> None:
        if self.claim.holder != self.number:
            raise LeaseUnavailable("another worker has it")

    def _must_be_held(self) -> None:
        if not self.held:
            raise LeaseUnavailable("the lease was lost")

    async def read_record(self) -> None:
        """Read what is known of the source; fails if the lease is not held."""
        text, self.etag = await self.hand.reach("record", self._read, changes=True)
        self._record = Record.from_json(text, self.where)

    def _read(self) -> tuple[str, int]:
        self._must_be_held()
        return self.claim.text, self.claim.etag

    async def write(self, record: Record) -> None:
        """Write the record in place of exactly the one that was read."""
        record = replace(record, source=self.source)
        text, etag = record.to_json(), self.etag
        self.hand.world.watch.said(text)
        # Not guarded: the storage account itself refuses it without the lease, or over another text.
        self.etag = await self.hand.reach("note", lambda: self._write(text, etag), changes=True)
        self._record = record

    def _write(self, text: str, etag: int) -> int:
        self._must_be_held()
        if self.claim.etag != etag:
            raise LeaseUnavailable("the record was written by somebody else")
        self.claim.text, self.claim.etag = text, etag + 1
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


@dataclass(frozen=True)
class ModelLeases:
    """Leases on sources; see engine.ports.Leases."""

    hand: Hand

    @asynccontextmanager
    async def hold(self, source: str, owner: str) -> AsyncIterator[ModelLease]:
        """Hold the lease on a source."""
        asked = self.hand.world.kernel.time()
        number = await self.hand.reach("acquire", lambda: self._acquire(source, owner.lower()), changes=True)
        claim = self.hand.world.claims[source]
        lease = ModelLease(self.hand, claim, source, number, asked + LEASE_SECONDS)
        self.hand.worker.lease = lease
        try:
            await lease.read_record()
            yield lease
        finally:
            self.hand.worker.lease = None
            await lease.release()

    async def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record."""
        records = lambda: [claim.record for claim in self.hand.world.claims.values()]  # noqa: E731
        for record in await self.hand.reach("index", records):
            yield Listed.of(record)

    def _acquire(self, source: str, owner: str) -> int:
        world = self.hand.world
        claim = world.claims.setdefault(source, Claim(Record(source=source, owner=owner).to_json()))
        if claim.holder and claim.until > world.kernel.time():
            raise LeaseUnavailable(f"another worker has {source}")
        world.leases += 1
        claim.holder, claim.until = world.leases, world.kernel.time() + LEASE_SECONDS
        return claim.holder


@dataclass(frozen=True)
class ModelQueue:
    """The queues; see engine.ports.WorkQueue."""

    hand: Hand

    async def post_rotation(self, item: WorkItem, delay: float = 0.0) -> None:
        """Put a work item on `rotations`."""
        text = item.to_json()
        await self.hand.reach("post", lambda: self.hand.world.post("rotate", text, int(delay)), changes=True)

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Put an order on `sweeps`."""
        text = order.to_json()
        await self.hand.reach("post", lambda: self.hand.world.post("sweep", text, int(delay)), changes=True)


@dataclass(frozen=True)
class ModelReporter:
    """Hands every outcome to who watches."""

    world: World
    worker: Worker

    def handling(self, item: WorkItem) -> AbstractContextManager[None]:
        """Follow nothing."""
        del item
        return QUIET

    def about(self, operation: str | None, rotator: str) -> None:
        """Take note of nothing."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time nothing."""
        del name
        return QUIET

    async def concluded(self, outcome: Outcome) -> None:
        """Look at the outcome."""
        self.world.watch.concluded(outcome, self.worker.number)

    async def swept(self, tally: Tally) -> None:
        """Take note of nothing."""

    def denied(self, where: str, what: str) -> None:
        """Take note of nothing."""

    def given_up(self, queue: str) -> None:
        """Take note of nothing."""


class NoWatch:
    """An app that nobody watches; see engine.ports.Watch."""

    async def swept(self, order: SweepOrder) -> None:
        """Take note of nothing."""

    async def measure(self) -> None:
        """Measure nothing."""

    async def sweeps(self) -> list[LastSweep]:
        """Remember nothing."""
        return []

    async def obstacle(self) -> str:
        """See nothing."""
        return ""
