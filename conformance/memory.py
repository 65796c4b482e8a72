"""The world around a source as plain state, so that the whole engine plays without Azure.

Every call goes through the striker of a scene, which may let it die, fall silent or be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from conformance.faults import Mode, Striker
from engine.errors import AccessDenied, TransientError
from engine.secret import SecretRef, SecretVersion
from engine.state.entry import LastSweep, SweepSummary
from engine.state.record import Record
from engine.state.request import Outcome, TaskOutcome, Work, WorkItem
from engine.state.sweep_order import SweepOrder

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

    def post(self, item: Work, delay: float = 0.0) -> None:
        """Put a work item on the queue."""
        text = item.to_json()
        self.said.append(text)
        self.messages.append(Message(text, self.clock.monotonic() + delay))


@dataclass(frozen=True)
class MemoryQueue:
    """See engine.ports.WorkQueue. Orders of sweeps are not kept: the kit sweeps by itself."""

    world: World

    async def post_rotation(self, item: Work, delay: float = 0.0) -> None:
        """Put a work item on the queue."""
        await self.world.reach("post", lambda: self.world.post(item, delay))

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Keep nothing."""
        del order, delay

    async def reach(self) -> None:
        """Find nothing in the way."""


class NoRequests:
    """See engine.ports.Requests. Nobody asks for anything here: the kit has its own messages."""

    async def keep(self, request: str, text: str, due: datetime) -> None:
        """Keep nothing."""
        del request, text, due

    async def read(self, request: str) -> None:
        """Know nothing."""
        del request

    async def close(self, request: str) -> None:
        """Keep nothing."""
        del request

    async def due(self, by: datetime) -> list[str]:
        """Know nothing."""
        del by
        return []


@dataclass(frozen=True)
class MemoryReporter:
    """See engine.ports.Reporter."""

    world: World

    def handling(self, item: Work) -> AbstractContextManager[None]:
        """Follow nothing."""
        del item
        return nullcontext()

    def about(self, operation: str | None, rotator: str) -> None:
        """Take note of nothing."""

    def planned(self, step: str) -> None:
        """Take note of nothing."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time nothing."""
        del name
        return nullcontext()

    async def followed(self, outcome: TaskOutcome) -> None:
        """Take note of nothing."""

    def waits(self, item: WorkItem) -> None:
        """Take note of nothing."""

    async def concluded(self, outcome: Outcome) -> None:
        """Keep what it says."""
        self.world.said.append(repr(outcome))

    async def swept(self, summary: SweepSummary) -> None:
        """Take note of nothing."""

    def given_up(self, queue: str) -> None:
        """Take note of nothing."""

    def refused(self, item: WorkItem, kind: str, seconds: float) -> None:
        """Take note of nothing."""

    def denied(self, where: str, what: str) -> None:
        """Take note of nothing."""


class NoWatch:
    """See engine.ports.Watch."""

    async def swept(self, order: SweepOrder) -> None:
        """Take note of nothing."""

    def rechecked(self) -> None:
        """Take note of nothing."""

    async def measure(self) -> None:
        """Measure nothing."""

    async def sweeps(self) -> Sequence[LastSweep]:
        """Remember nothing."""
        return ()

    async def obstacle(self) -> str:
        """See nothing."""
        return ""
