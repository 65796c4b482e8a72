"""What the API answers: answers and the OpenAPI document are made from these types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from engine.state.entry import State
from engine.state.history import Kind
from engine.state.phase import Phase

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Counts = dict[str, Count]
Verb = Literal["rotate", "retire", "restore", "unpark"]
Status = Literal["running", "succeeded", "failed", "skipped", "superseded"]
IncidentStatus = Literal["running", "needs a person", "ended", "nothing in scope"]


class View(Struct, frozen=True, kw_only=True):
    """What an answer holds."""

    def body(self) -> dict[str, Any]:
        """Return it as plain data; what is not set is left out."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def view[V: View](kind: type[V], data: dict[str, Any]) -> V:
    """Make a view of plain data; raises where the data is not what is described."""
    return msgspec.convert(data, kind)


class Secret(View, frozen=True, kw_only=True):
    """How one secret stands; `id` is its URL in Key Vault."""

    id: str
    vault: str
    secret: str
    state: State
    reason: str
    fix: str
    rotator: str | None
    source: str | None
    credential: str | None
    owner: str | None
    replica_of: str | None
    derived_from: str | None
    enabled: bool
    created: Time
    expires: Time | None
    due: Time | None
    parked_since: Time | None
    under_way_since: Time | None
    overlap_until: Time | None
    operation: str | None


class Event(View, frozen=True, kw_only=True):
    """One version of a secret, and what it says of itself."""

    version: str | None
    created: Time
    expires: Time | None
    enabled: bool
    written_by: Literal["Rekey", "somebody else"]
    operation: str | None
    cause: str | None
    credential: str | None
    to_retire: str | None
    state: str | None
    reason: str | None


class Secrets(View, frozen=True, kw_only=True):
    """Some secrets, and where the next ones are.

    `obstacle` is what keeps the list from telling all that is known; null where nothing does.
    """

    secrets: list[Secret]
    next: str | None
    obstacle: str | None


class SecretWithHistory(Secret, frozen=True, kw_only=True):
    """One secret and its versions, newest first.

    `phase` is the step that its source is at, `then` what happens next there, and `next_check` when
    at the latest; all are null where Rekey has no record of it.
    """

    version: str | None
    phase: Phase | None
    then: str | None
    next_check: Time | None
    history: list[Event]


class Subject(View, frozen=True, kw_only=True):
    """The operation and the secret that an answer is about."""

    operation: str | None
    vault: str
    secret: str
    version: str | None


class Queued(Subject, frozen=True, kw_only=True):
    """A request that was accepted; `action` and `since` are part of where it is followed."""

    action: Verb
    since: Time
    status: Literal["queued"]
    reason: str


class Step(View, frozen=True, kw_only=True):
    """One thing that would be done."""

    action: str
    reason: str
    fix: str | UnsetType = UNSET
    warning: str | UnsetType = UNSET
    until: Time | UnsetType = UNSET
    credential: str | UnsetType | None = UNSET


class Forecast(Subject, frozen=True, kw_only=True):
    """What would be done: the step that matters most, and all of them in turn."""

    action: str
    reason: str
    fix: str | UnsetType = UNSET
    warning: str | UnsetType = UNSET
    until: Time | UnsetType = UNSET
    credential: str | UnsetType | None = UNSET
    rotator: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    due: Time | UnsetType = UNSET
    restores: str | UnsetType = UNSET
    """The version that would be restored: named in the request, it makes a repetition harmless."""
    steps: list[Step]


class Operation(Subject, frozen=True, kw_only=True):
    """How an operation stands."""

    action: Verb
    status: Status
    reason: str


class Waiting(View, frozen=True, kw_only=True):
    """A secret whose credential is not cut off yet."""

    vault: str
    secret: str
    source: str | None
    owner: str | None


class Stuck(View, frozen=True, kw_only=True):
    """A secret that needs a person; `*` for all of a vault that cannot be listed."""

    vault: str
    secret: str
    reason: str
    fix: str


class Lingering(View, frozen=True, kw_only=True):
    """What may still work two minutes after the report of a leak, and for how long."""

    kind: str
    what: str


class IncidentForecast(View, frozen=True, kw_only=True):
    """What an incident would cut off."""

    secrets: Count
    rotated: Count
    waiting: Count
    needs_a_person: Count
    named: list[Stuck]
    waiting_for: list[Waiting]
    lingers: list[Lingering]
    """What may still work two minutes after the report, once for each kind."""
    status: Literal["dry run"]


class Incident(View, frozen=True, kw_only=True):
    """What was reported."""

    id: str
    since: Time
    requested_by: str
    reason: str
    vaults: list[str]
    name: str
    source: str
    version: str = ""
    """The only version that leaked; empty for all that is older than the report."""


class IncidentListed(Incident, frozen=True, kw_only=True):
    """What was reported, and how far that has come; null where it cannot be counted now."""

    status: IncidentStatus | None = None
    secrets: Count | None = None
    rotated: Count | None = None
    waiting: Count | None = None
    needs_a_person: Count | None = None


class Incidents(View, frozen=True, kw_only=True):
    """The newest incidents."""

    incidents: list[IncidentListed]


class CutOff(View, frozen=True, kw_only=True):
    """A version whose credential had to go; `refused` is null where no record tells of a proof."""

    version: str
    credential: str | None
    refused: Time | None
    proof: str | None


class SecretReport(View, frozen=True, kw_only=True):
    """What an incident did with one secret."""

    vault: str
    secret: str
    owner: str | None
    sources: list[str]
    status: Literal["refused", "waiting", "needs a person"]
    reason: str
    fix: str
    replica_of: str | None
    replaced_by: str | None
    """The version that took the place of what leaked."""
    replaced: Time | None
    refused: Time | None
    """When the last of its credentials was proven to be refused."""
    cut_off: list[CutOff]
    lingers: str | None
    """What may still work although its credential is refused."""


class IncidentStep(View, frozen=True, kw_only=True):
    """One thing that happened in an incident."""

    at: Time
    step: Literal["reported", "replaced", "refused", "ended"]
    vault: str | None
    secret: str | None
    version: str | None
    detail: str
    """Who reported it and why, or how it was proven."""


class IncidentReport(View, frozen=True, kw_only=True):
    """What an incident did, as evidence: secrets by vault and name."""

    format: Literal["rekey-incident-report/1"]
    made: Time
    incident: Incident
    status: IncidentStatus
    ended: Time | None
    steps: list[IncidentStep]
    """What happened, in order of time."""
    secrets: list[SecretReport]


class IncidentQueued(Incident, frozen=True, kw_only=True):
    """An incident that was accepted."""

    named: list[Stuck]
    """The deleted secrets in its scope: it does not reach them."""
    status: Literal["queued"]


class Leak(View, frozen=True, kw_only=True):
    """What a reported value is. Whoever may not start incidents learns only that it is received."""

    status: Literal["alive", "refused", "not ours", "unknown", "received"]
    kind: str | None = None
    """The kind of credential, by the managed secret or by the form of the value."""
    vault: str | None = None
    secret: str | None = None
    version: str | None = None
    source: str | None = None
    owner: str | None = None
    accepted: bool = False
    """Its source has just accepted it."""
    reason: str = ""
    refused: Time | None = None
    """When its source was proven to refuse it, or was just seen to."""
    proof: str | None = None
    lingers: str | None = None
    """What may still work two minutes after the report; null where nothing is known."""
    incident: str | None = None
    """The incident that was started; null where a person is asked first."""
    command: str = ""
    """The command for a person: to cut it off, to follow its incident, or to find its resource."""


class IncidentProgress(Incident, frozen=True, kw_only=True):
    """How far an incident has come."""

    secrets: Count
    rotated: Count
    waiting: Count
    needs_a_person: Count
    named: list[Stuck]
    waiting_for: list[Waiting]
    lingers: list[Lingering]
    """What may still work two minutes after the report, once for each kind."""
    status: IncidentStatus


class PolicyVersion(View, frozen=True, kw_only=True):
    """A version of the policy document."""

    version: str | None
    created: Time
    enabled: bool
    by: str | None
    reason: str | None


class Change(View, frozen=True, kw_only=True):
    """A secret whose state a policy would change."""

    vault: str
    secret: str
    from_: str | None = msgspec.field(name="from")
    to: str
    reason: str


class Reader(View, frozen=True, kw_only=True):
    """One identity that read a secret; `kind` is `rekey` for the app itself."""

    holds: Literal["current", "older", "gone"]
    version: str
    reader: str
    kind: Kind
    object: str | None
    last: Time
    reads: Count


class Readers(View, frozen=True, kw_only=True):
    """Who read a secret; without `logged` nothing is known of its vault."""

    vault: str
    secret: str
    days: Count
    logged: bool
    partial: bool
    readers: list[Reader]


class Moved(View, frozen=True, kw_only=True):
    """A secret that would fall due at another time; null where nothing would rotate it."""

    vault: str
    secret: str
    from_: Time | None = msgspec.field(name="from")
    to: Time | None


class DueCounts(View, frozen=True, kw_only=True):
    """How many secrets fall due so soon."""

    now: Count | None
    then: Count


class Often(View, frozen=True, kw_only=True):
    """A rule that makes secrets rotate every week or more often; empty for defaults and tags."""

    rule: str
    days: float
    secrets: Count


class Effect(View, frozen=True, kw_only=True):
    """What a policy would do to all secrets."""

    now: Counts | None
    then: Counts
    changed: list[Change]
    moved: list[Moved]
    due: dict[str, DueCounts]
    unmatched: list[str]
    often: list[Often]


class Policy(View, frozen=True, kw_only=True):
    """The policy document, its versions, and in a dry run its effect."""

    version: str | None
    document: str
    history: list[PolicyVersion]
    effect: Effect | None


class Health(View, frozen=True, kw_only=True):
    """The app can work."""

    status: Literal["ok"]
    vaults: Count
    refused_kinds: Count
    """Kinds of one's own that were refused so far; which and why, the log says."""


class Flaw(View, frozen=True):
    """One wrong part of a request."""

    detail: str
    pointer: str | UnsetType = UNSET
    """Of a member of the body: `#/name`, as RFC 9457 shows it."""
    parameter: str | UnsetType = UNSET
    """Of the query: its name."""
    header: str | UnsetType = UNSET


class Problem(View, frozen=True, kw_only=True):
    """What went wrong, and what to do: RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    fix: str
    errors: list[Flaw]


SHOWN: tuple[type[View], ...] = (
    Secrets, SecretWithHistory, Queued, Forecast, Operation, IncidentForecast, Incidents, IncidentQueued, IncidentProgress, IncidentReport,
    Policy, Health, Problem, Readers, Leak,
)  # fmt: skip
"""Every answer, by whose name the table of calls goes."""
