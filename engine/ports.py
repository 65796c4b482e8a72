"""What the engine needs from the outside world. cloud/ makes these real; the tests have fakes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Protocol

from engine.outcome import Outcome
from engine.secret import Draft, SecretRef, SecretVersion
from engine.sweep_order import SweepOrder
from engine.workitem import WorkItem


class Clock(Protocol):
    """Time, so that a test can hold it."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from any start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let this many seconds pass without holding anybody else up."""
        ...


class Vaults(Protocol):
    """The Key Vaults. Every method raises RekeyErrors only, and touches listed vaults only."""

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version with its value; NotFound where there is none. A disabled one has no value."""
        ...

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version with its value; NotFound where there is none, AccessDenied where it is disabled."""
        ...

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version, without retrying blindly; a TransientError means: perhaps written."""
        ...

    async def retag(self, secret: SecretVersion, tags: Mapping[str, str]) -> SecretVersion:
        """Replace the tags of exactly this version."""
        ...

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version; fine if it is disabled or gone."""
        ...

    def list(self, vault: str) -> AsyncIterator[SecretVersion]:
        """Stream the current version of every secret, without values and version ids, a page at a time."""
        ...


class Lease(Protocol):
    """The sole right to change one source, for a while."""

    @property
    def owner(self) -> str | None:
        """Which secret owns the source, as recorded; None where nobody does yet."""
        ...

    @property
    def record(self) -> str:
        """Where the ownership is recorded, for a person who must remove it."""
        ...

    async def claim(self, owner: str) -> None:
        """Record who owns the source from now on."""
        ...

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease lasts this long from now, renewing it if need be; LeaseUnavailable if it is lost."""
        ...

    @property
    def remaining(self) -> float:
        """Seconds for which the lease certainly still holds."""
        ...


class Leases(Protocol):
    """Who may work on which source."""

    def hold(self, source: str, owner: str) -> AbstractAsyncContextManager[Lease]:
        """Take the lease on a source, recording `owner` where nobody owns it yet; LeaseUnavailable if it is taken."""
        ...


class WorkQueue(Protocol):
    """The queues `rotations` and `sweeps`."""

    async def post_rotation(self, item: WorkItem, delay: float = 0.0) -> None:
        """Put a work item on `rotations`, to be seen after so many seconds (7 days at most)."""
        ...

    async def post_sweep(self, order: SweepOrder) -> None:
        """Put an order on `sweeps`."""
        ...


class Reporter(Protocol):
    """Where outcomes go: log, metrics, events. Never raises: a rotation does not fail for its report."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time one step of a rotation."""
        ...

    async def concluded(self, outcome: Outcome) -> None:
        """Report how a work item ended."""
        ...

    def swept(self, vault: str, seen: int, posted: int, broken: int) -> None:
        """Report how many secrets one sweep saw, sent on and could not judge."""
        ...
