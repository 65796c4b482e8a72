"""Reports each outcome: a structured log record, metrics, spans, and an event if there is a topic.

A report never fails a rotation: if it cannot be sent, that is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.metrics import Observation

from cloud.azure import CHANGING, READING, Azure, call
from cloud.meter import metering
from cloud.telemetry import gauges, tracing
from cloud.telemetry import setup as telemetry
from engine.errors import RekeyError
from engine.secret import SecretRef
from engine.state.entry import UNKNOWN_KIND, SweepSummary
from engine.state.request import Cause, FollowUp, Outcome, TaskOutcome, Work, WorkItem

if TYPE_CHECKING:
    from azure.eventgrid.aio import EventGridPublisherClient

log = logging.getLogger("rekey.audit")

EVENTS = {
    "rotated": "Rekey.SecretRotated",
    "healed": "Rekey.SecretHealed",
    "restored": "Rekey.SecretRestored",
    "retired": "Rekey.SecretRetired",
    "parked": "Rekey.RotationFailed",
    "unrefreshed": "Rekey.ConsumersNotRefreshed",
    "reminded": "Rekey.RotationReminder",
}

FAILURES = frozenset({"parked", "unrefreshed", "untold"})
"""Outcomes that need somebody's attention."""
PERSONAL = frozenset({"requested_by", "asked_because"})
"""Fields that may name a person: only the audit log has them, never a metric, a span or an
event."""
FAILED, WAITING = "failed", "waiting"


def record(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as a flat JSON object. It holds ids and reasons, never a secret value."""
    item = outcome.item
    return {
        "vault": item.ref.vault,
        "secret": item.ref.name,
        "result": outcome.result,
        "reason": outcome.reason,
        "fix": outcome.fix,
        "operation": item.operation,
        "action": item.action,
        "trigger": item.cause.trigger,
        "requested_by": item.cause.requested_by,
        "asked_because": item.cause.reason,
        "compromised": item.compromised,
        "forced": item.force,
        "rotator": outcome.rotator,
        "source": outcome.source or item.source or "",
        "old_version": outcome.old_version,
        "new_version": outcome.new_version,
        "credential": outcome.credential_id,
        "retired": list(outcome.retired),
        "next_due": outcome.next_due.isoformat() if outcome.next_due else None,
    }


def record_of_task(outcome: TaskOutcome) -> dict[str, Any]:
    """Return the same of what follows an outcome: nobody has asked for it."""
    task = outcome.task
    cause = Cause(task.cause.trigger, "rekey", task.cause.reason)
    work = WorkItem(task.ref, version=task.version, cause=cause)
    like = Outcome(work, "skipped", outcome.reason, outcome.fix, new_version=outcome.version)
    return {**record(like), "action": task.action, "result": outcome.result}


def public(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an event: a record without the fields that may name a person."""
    return {name: value for name, value in record.items() if name not in PERSONAL}


class Reports:
    """Sends reports; see engine.ports.Reporter."""

    def __init__(self, azure: Azure, topic: str | None) -> None:
        self._azure = azure
        self._topic = topic
        self._publisher: EventGridPublisherClient | None = None
        meter = metrics.get_meter("rekey")
        self._rotations = meter.create_counter(
            "rekey.rotations", description="Work items by how they ended"
        )
        self._errands = meter.create_counter(
            "rekey.errands", description="What follows rotations, by how it ended"
        )
        self._parked = meter.create_counter(
            "rekey.parked", description="Secrets that could not be rotated"
        )
        self._drift = meter.create_counter(
            "rekey.drift", description="Versions that their source refused, healed"
        )
        self._poison = meter.create_counter(
            "rekey.poison", description="Messages that were given up on"
        )
        self._sweeps = meter.create_counter("rekey.sweeps", description="Vaults swept")

    @contextmanager
    def handling(self, item: Work) -> Iterator[None]:
        """Follow a work item to its end; one without a conclusion has failed and is repeated."""
        with tracing.handling(item) as state:
            try:
                yield
            finally:
                rotator = state.rotator or UNKNOWN_KIND
                if not state.outcome:
                    state.outcome = FAILED
                    self._count(item, rotator, FAILED)
                state.close(state.outcome, rotator)

    def about(self, operation: str | None, rotator: str) -> None:
        """Add what was learned about the current work item."""
        if state := tracing.current():
            state.learn(operation, rotator)

    def planned(self, step: str) -> None:
        """Add the next step of the plan to those of the current work item."""
        if state := tracing.current():
            state.steps.append(step)

    def step(self, name: str) -> AbstractContextManager[None]:
        """Put a span around one step."""
        return tracing.step(name)

    async def concluded(self, outcome: Outcome) -> None:
        """Report how a work item ended."""
        item, rotator = outcome.item, _conclude(outcome.item, outcome.result, outcome.rotator)
        self._count(item, rotator, outcome.result)
        if outcome.result == "parked":
            self._parked.add(1, {"vault": item.ref.vault, "secret": item.ref.name})
        if outcome.result == "healed":
            self._drift.add(1, {"vault": item.ref.vault, "secret": item.ref.name})
        await self._tell(item.ref, record(outcome))

    async def followed(self, outcome: TaskOutcome) -> None:
        """Report how a task ended that follows an outcome."""
        self._count(outcome.task, _conclude(outcome.task, outcome.result), outcome.result)
        await self._tell(outcome.task.ref, record_of_task(outcome))

    async def _tell(self, ref: SecretRef, record: Mapping[str, Any]) -> None:
        level = logging.WARNING if record["result"] in FAILURES else logging.INFO
        log.log(level, "%s", json.dumps(record))
        if self._topic and record["result"] in EVENTS:
            await self._publish(EVENTS[record["result"]], ref, public(record))

    def _count(self, item: Work, rotator: str, outcome: str) -> None:
        if isinstance(item, FollowUp):
            self._errands.add(1, {"errand": item.action, "outcome": outcome})
        else:
            self._rotations.add(
                1, {"rotator": rotator, "trigger": item.cause.trigger, "outcome": outcome}
            )

    def waits(self, item: WorkItem) -> None:
        """Count a work item that waits for another worker."""
        rotator = UNKNOWN_KIND
        if state := tracing.current():
            state.outcome, rotator = WAITING, state.rotator or UNKNOWN_KIND
        self._count(item, rotator, WAITING)

    async def swept(self, summary: SweepSummary) -> None:
        """Report a sweep of a vault, and send all telemetry: the instance may be removed now."""
        gauges.show(summary)
        if not summary.goes_on:
            self._swept(summary)
        await telemetry.flush()

    def _swept(self, summary: SweepSummary) -> None:
        counts = {
            "vault": summary.vault,
            "seen": summary.seen,
            "posted": summary.posted,
            "broken": summary.broken,
        }
        log.log(
            logging.WARNING if summary.broken else logging.INFO,
            "%s",
            json.dumps({"result": "swept", **counts}),
        )
        self._sweeps.add(
            1, {"vault": summary.vault, "outcome": "incomplete" if summary.broken else "completed"}
        )

    def given_up(self, queue: str) -> None:
        """Count a message of a queue that the host gave up on."""
        self._poison.add(1, {"queue": queue})

    def refused(self, item: WorkItem, kind: str, seconds: float) -> None:
        """Send how long after its report what leaked was proven to be refused."""
        place = {"vault": item.ref.vault, "secret": item.ref.name, "rotator": kind or UNKNOWN_KIND}
        gauges.refusals.put(f"{item.ref}", [Observation(seconds, place)])

    def denied(self, where: str, what: str) -> None:
        """Count a refusal: of the app by Azure, or of a caller by the app."""
        metering.refusals.add(1, {"where": where, "what": what})

    async def _publish(self, kind: str, ref: SecretRef, data: Mapping[str, Any]) -> None:
        from azure.core.messaging import CloudEvent

        event = CloudEvent(source=ref.vault, type=kind, subject=ref.name, data=data)
        try:
            await call(
                "sending the outcome event", self._client().send(event), where=self._topic or ""
            )
        except RekeyError as error:
            log.warning("the outcome of %s could not be sent: %s", ref, error)

    def _client(self) -> EventGridPublisherClient:
        if self._publisher is None:
            from azure.eventgrid.aio import EventGridPublisherClient

            from cloud.retries import ShortRetries

            # Not options of the call: the client passes those to its event model, which warns of
            # each.
            options = {**self._azure.client_options, **CHANGING}
            # The client's own retries wait for as long as they are told. An event keeps its id.
            options["per_call_policies"] = ShortRetries(**READING)
            self._publisher = EventGridPublisherClient(
                self._topic or "", self._azure.credential, **options
            )
        return self._publisher


def _conclude(work: Work, result: str, rotator: str = "") -> str:
    """Set the outcome of the current message; return the kind of credential."""
    state = tracing.current()
    rotator = rotator or (state.rotator if state else "") or UNKNOWN_KIND
    if state:
        state.learn(work.operation, rotator)
        state.outcome = result
    return rotator
