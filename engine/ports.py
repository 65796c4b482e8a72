"""What the engine needs from the outside world. cloud/ implements it; tests use fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Protocol

from engine.secret import Draft, SecretRef, SecretVersion, Sensitive, Version
from engine.state.entry import LastSweep, SweepSummary
from engine.state.history import Readers
from engine.state.incident import Incident
from engine.state.index import Listed
from engine.state.policy import Policy, Webhook
from engine.state.record import Record
from engine.state.record_parts import Prints
from engine.state.request import Event, Notice, Outcome, TaskOutcome, Work, WorkItem
from engine.state.sweep_order import SweepOrder


class Clock(Protocol):
    """Time, as a port so that tests control it."""

    def now(self) -> datetime:
        """Return the current time in UTC, with its time zone."""

    def monotonic(self) -> float:
        """Return seconds that never go back, counted from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Wait this many seconds without blocking other work."""


class Vaults(Protocol):
    """The Key Vaults. Every method raises only RekeyErrors, and touches only listed vaults."""

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version with its value; raises NotFound if there is none.

        A disabled version has no value.
        """

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version with its value; raises NotFound, or AccessDenied if it is disabled."""

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version, and return it without its value: nobody needs that any more.

        Never retries blindly: after a TransientError it may be written.
        """

    async def retag(self, secret: SecretVersion, tags: Mapping[str, str]) -> SecretVersion:
        """Replace the tags of exactly this version."""

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version; succeeds if it is already disabled or gone."""

    def list(self, vault: str) -> AsyncIterator[Version]:
        """Stream the current version of every secret by pages, without values and version ids."""

    async def page(self, vault: str, token: str | None) -> tuple[Sequence[Version], str | None]:
        """Return one page of what `list` streams, and the token of the next page.

        Raises NeedsHuman for a token that belongs to another vault.
        """

    def versions(self, ref: SecretRef) -> AsyncIterator[Version]:
        """Stream every version of one secret, unordered and without values.

        A secret that does not exist has no versions.
        """


class Lease(Protocol):
    """The exclusive right to change one source, for a limited time."""

    @property
    def record(self) -> Record:
        """The record of the source, as read when the lease was taken or as written since.

        Raises NeedsHuman if the record is damaged or was written by a newer Rekey.
        """

    @property
    def where(self) -> str:
        """Where the record is stored, for a person who must look at it."""

    async def write(self, record: Record) -> None:
        """Write the record; raises LeaseUnavailable if the lease is lost or it was changed."""

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease lasts this long from now, renewing it if necessary.

        Raises LeaseUnavailable if the lease is lost.
        """

    @property
    def remaining(self) -> float:
        """Seconds for which the lease is certain to last."""


class Leases(Protocol):
    """Leases on sources, and the list of their records."""

    def hold(self, source: str, owner: str, whole: str = "") -> AbstractAsyncContextManager[Lease]:
        """Take the lease on a source; raises LeaseUnavailable if another worker holds it.

        A source without an owner gets `owner` as the owner in its record. `whole` is the source
        that the record describes, where `source` is only its first part.
        """

    async def peek(self, source: str) -> Record | None:
        """Return the record of a source without its lease; None if there is none yet.

        Raises NeedsHuman if it cannot be read. It may be replaced at any moment.
        """

    def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record."""


class WorkQueue(Protocol):
    """The queues `rotations` and `sweeps`."""

    async def post_rotation(self, item: Work, delay: float = 0.0) -> None:
        """Post work that becomes visible after this many seconds (7 days at most)."""

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Post a sweep order that becomes visible after this many seconds."""

    async def reach(self) -> None:
        """Raise what would keep work from being posted; posts nothing."""


class Apps(Protocol):
    """The apps that use secrets, by resource id (lower case). Methods raise only RekeyErrors."""

    async def refresh(self, app: str, secret: Version, *, ask: bool) -> bool:
        """Make an app use this version, the current one; succeeds if it already does.

        Returns whether the app uses it, as far as that can be known.
        """

    async def lags(self, app: str, secret: Version) -> bool:
        """Return whether an app is known to use another version; False if that is not known."""


class Webhooks(Protocol):
    """Webhooks of chats, and of programs, whose events are signed."""

    async def send(self, hook: Webhook, url: Sensitive, message: Notice | Event) -> None:
        """Post a message once, within seconds.

        Raises only RekeyErrors that show neither the URL nor a key.
        """


class Watch(Protocol):
    """Checks that the app still does its work. Never raises: no sweep fails because of it."""

    async def swept(self, order: SweepOrder) -> None:
        """Remember that a sweep of a vault has finished, and when the next one is due."""

    def rechecked(self) -> None:
        """Count a run of the timer that has asked for all that is due."""

    async def measure(self) -> None:
        """Measure waiting messages, abandoned messages, and events that were not delivered."""

    async def sweeps(self) -> Sequence[LastSweep]:
        """Return when each vault was last swept and is swept next; empty if that cannot be read."""

    async def obstacle(self) -> str:
        """Return what keeps the app from working, with its fix; empty if nothing is known to."""


class PrintKeys(Protocol):
    """The keys of the prints by which reported leaks are found."""

    async def current(self, policy: Policy) -> Prints:
        """Return what makes prints under this policy. Never raises: no key, no prints."""


class Alerts(Protocol):
    """Alerts of GitHub's secret scanning."""

    async def value(self, repository: str, number: int, key: Sensitive, app: str) -> Sensitive:
        """Return the value that an alert of a repository is about.

        `key` is a token, or the private key of the GitHub App `app`. Raises RekeyErrors that show
        no part of either.
        """


class AuditLog(Protocol):
    """The audit logs of the vaults. Methods raise only RekeyErrors."""

    @property
    def is_known(self) -> bool:
        """Return whether there is one to ask."""

    async def readers(self, ref: SecretRef, days: int) -> Readers:
        """Return who read a secret in the last days, and which version each of them holds."""


class Memory(Protocol):
    """A store that remembers requests."""

    async def recall(self, key: str) -> str | None:
        """Return what is stored under a key; None if nothing is."""

    async def remember(self, key: str, text: str) -> str:
        """Store a text unless the key has one already; return the text stored first."""


class Requests(Protocol):
    """The store of what people asked for and is not done yet."""

    async def keep(self, request: str, text: str, due: datetime) -> None:
        """Store a request, or move on the time at which it is due."""

    async def read(self, request: str) -> str | None:
        """Return the text of a request; None if it is done."""

    async def close(self, request: str) -> None:
        """Forget a request that is done; succeeds if it is forgotten already."""

    async def due(self, by: datetime) -> Sequence[str]:
        """Return the requests that are due by then, the longest due first."""


class Incidents(Protocol):
    """The store of incidents."""

    async def keep(self, incident: Incident) -> None:
        """Store an incident, unless it is stored already."""

    async def find(self, incident_id: str) -> Incident | None:
        """Return an incident; None if there is none with this id."""

    async def newest(self, most: int) -> Sequence[Incident]:
        """Return at most this many incidents, the newest first."""


class Reporter(Protocol):
    """The destination of outcomes: log, metrics, events. Never raises: no rotation fails for it."""

    def handling(self, item: Work) -> AbstractContextManager[None]:
        """Follow one message to its end. Without a conclusion it counts as a failed try."""

    def about(self, operation: str | None, rotator: str) -> None:
        """Describe the work item in hand, if there is one; unknown parts are None or empty."""

    def planned(self, step: str) -> None:
        """Note the next step of the plan for the work item in hand."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time one part of a step."""

    async def concluded(self, outcome: Outcome) -> None:
        """Report how a work item ended."""

    async def followed(self, outcome: TaskOutcome) -> None:
        """Report how a task ended that follows an outcome."""

    def waits(self, item: WorkItem) -> None:
        """Note that a work item waits for another worker, which is no failure."""

    async def swept(self, summary: SweepSummary) -> None:
        """Report what one sweep, or one part of it, saw."""

    def given_up(self, queue: str) -> None:
        """Count a message that the host gave up on."""

    def refused(self, item: WorkItem, kind: str, seconds: float) -> None:
        """Note how long after its report what leaked was proven to be refused."""

    def denied(self, where: str, what: str) -> None:
        """Count a refusal.

        `where` is `azure` and `what` the service, or `where` is `caller` and `what` the route.
        """
