"""What the engine needs from the outside world. cloud/ makes these real; the tests have fakes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Protocol

from engine.model.incident import Incident
from engine.model.last_sweep import LastSweep
from engine.model.notice import Notice
from engine.model.outcome import Outcome
from engine.model.policy_document import Webhook
from engine.model.record import Listed, Record
from engine.model.sweep_order import SweepOrder
from engine.model.tally import Tally
from engine.model.workitem import WorkItem
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive


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

    async def page(self, vault: str, token: str | None) -> tuple[Sequence[SecretVersion], str | None]:
        """Return one page of what `list` streams, and the next page's token; raises NeedsHuman for a token of elsewhere."""
        ...

    def versions(self, ref: SecretRef) -> AsyncIterator[SecretVersion]:
        """Stream every version of one secret, in no order, without values; none where there is no such secret."""
        ...


class Lease(Protocol):
    """The sole right to change one source, for a while."""

    @property
    def record(self) -> Record:
        """What is known of the source, as read when the lease was taken or written since.

        Raises NeedsHuman where it is damaged, or was written by a newer Rekey.
        """
        ...

    @property
    def where(self) -> str:
        """Where the record lies, for a person who must look at it."""
        ...

    async def write(self, record: Record) -> None:
        """Write the record, unless somebody else has written it meanwhile; LeaseUnavailable if the lease is lost."""
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

    def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record."""
        ...


class WorkQueue(Protocol):
    """The queues `rotations` and `sweeps`."""

    async def post_rotation(self, item: WorkItem, delay: float = 0.0) -> None:
        """Put a work item on `rotations`, to be seen after so many seconds (7 days at most)."""
        ...

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Put an order on `sweeps`, to be seen after so many seconds."""
        ...


class Apps(Protocol):
    """The apps that use secrets, by their resource ids (lower case). Every method raises RekeyErrors only."""

    async def refresh(self, app: str, secret: SecretVersion, *, ask: bool) -> bool:
        """Have an app use this version, the current one; tells whether it does, as far as can be known. Fine if it did."""
        ...

    async def lags(self, app: str, secret: SecretVersion) -> bool:
        """Tell whether an app is known to use another version than this; False where that cannot be known."""
        ...


class Webhooks(Protocol):
    """Chats."""

    async def send(self, hook: Webhook, url: Sensitive, notice: Notice) -> None:
        """Post a message, once and within seconds; raises RekeyErrors only, none of which shows the URL."""
        ...


class Watch(Protocol):
    """What sees whether the app still does its work. Never raises: no sweep fails for want of a record."""

    async def swept(self, order: SweepOrder) -> None:
        """Remember that a sweep of a vault came to its end, and when the next one is due."""
        ...

    async def measure(self) -> None:
        """Measure what waits on the queues, what was given up on, and what could not be delivered."""
        ...

    async def sweeps(self) -> Sequence[LastSweep]:
        """Return when each vault was swept last, as far as it is known; none where that cannot be read."""
        ...

    async def obstacle(self) -> str:
        """Return what keeps the app from working, in one sentence with its fix; empty where nothing is known to."""
        ...


class Memory(Protocol):
    """Where a request is remembered."""

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key; None where nothing was."""
        ...

    async def remember(self, key: str, text: str) -> str:
        """Remember a text, and return the one that was remembered first."""
        ...


class Incidents(Protocol):
    """Where it stands which incidents there were."""

    async def keep(self, incident: Incident) -> None:
        """Write an incident down; one that is there already stays as it is."""
        ...

    async def find(self, incident_id: str) -> Incident | None:
        """Return an incident; None where there is none with this id."""
        ...

    async def newest(self, most: int) -> Sequence[Incident]:
        """Return so many, the newest first."""
        ...


class Reporter(Protocol):
    """Where outcomes go: log, metrics, events. Never raises: a rotation does not fail for its report."""

    def handling(self, item: WorkItem) -> AbstractContextManager[None]:
        """Follow one work item to its end; one that comes to no conclusion is a try that failed and is repeated."""
        ...

    def about(self, operation: str | None, rotator: str) -> None:
        """Say what the work item in hand, if any, turned out to be about; what is not known is None or empty."""
        ...

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time one step of a rotation."""
        ...

    async def concluded(self, outcome: Outcome) -> None:
        """Report how a work item ended."""
        ...

    async def swept(self, tally: Tally) -> None:
        """Report what one sweep saw, or one part of it."""
        ...

    def given_up(self, queue: str) -> None:
        """Count a message of a queue that the host gave up on."""
        ...

    def denied(self, where: str, what: str) -> None:
        """Count a refusal: `where` is azure, and `what` the service, or caller, and `what` the route."""
        ...
