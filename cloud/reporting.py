"""Where outcomes go: one structured log record, metrics and spans, and an event on the outcome topic where there is one.

A report never fails a rotation: what cannot be sent is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from cloud.azure import CHANGING, Azure, call
from engine.errors import RekeyError
from engine.outcome import Outcome

if TYPE_CHECKING:
    from azure.eventgrid.aio import EventGridPublisherClient

log = logging.getLogger("rekey.audit")

EVENTS = {
    "rotated": "Rekey.SecretRotated",
    "healed": "Rekey.SecretHealed",
    "restored": "Rekey.SecretRestored",
    "retired": "Rekey.SecretRetired",
    "parked": "Rekey.RotationFailed",
}


def record(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as one flat JSON object. It holds ids and reasons, never a value."""
    item = outcome.item
    return {
        "vault": item.ref.vault,
        "secret": item.ref.name,
        "result": outcome.result,
        "reason": outcome.reason,
        "fix": outcome.fix,
        "operation": item.operation,
        "action": item.action,
        "trigger": item.trigger,
        "requested_by": item.requested_by,
        "asked_because": item.reason,
        "compromised": item.compromised,
        "forced": item.force,
        "rotator": outcome.rotator,
        "source": outcome.source,
        "old_version": outcome.old_version,
        "new_version": outcome.new_version,
        "credential": outcome.credential_id,
        "retired": list(outcome.retired),
        "next_due": outcome.next_due.isoformat() if outcome.next_due else None,
    }


class Reports:
    """Sends reports; see engine.ports.Reporter."""

    def __init__(self, azure: Azure, topic: str | None) -> None:
        self._azure = azure
        self._topic = topic
        self._publisher: EventGridPublisherClient | None = None
        meter = metrics.get_meter("rekey")
        self._tracer = trace.get_tracer("rekey")
        self._rotations = meter.create_counter("rekey.rotations", description="Work items by how they ended")
        self._parked = meter.create_counter("rekey.parked", description="Secrets that could not be rotated")
        self._drift = meter.create_counter("rekey.drift", description="Versions that their source refused, mended")
        self._sweeps = meter.create_counter("rekey.sweeps", description="Vaults swept")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Put a span around one step. An exception's text is left out of it: the log record has it, scrubbed."""
        with self._tracer.start_as_current_span(f"rekey.{name}", record_exception=False):
            yield

    async def concluded(self, outcome: Outcome) -> None:
        """Report how a work item ended."""
        log.log(logging.WARNING if outcome.result == "parked" else logging.INFO, "%s", json.dumps(record(outcome)))
        labels = {"rotator": outcome.rotator, "trigger": outcome.item.trigger, "outcome": outcome.result}
        self._rotations.add(1, labels)
        if outcome.result == "parked":
            self._parked.add(1, {"vault": outcome.item.ref.vault, "secret": outcome.item.ref.name})
        if outcome.result == "healed":
            self._drift.add(1, {"vault": outcome.item.ref.vault, "secret": outcome.item.ref.name})
        if self._topic and outcome.result in EVENTS:
            await self._publish(EVENTS[outcome.result], outcome)

    def swept(self, vault: str, seen: int, posted: int, broken: int) -> None:
        """Report one sweep of one vault."""
        summary = {"vault": vault, "seen": seen, "posted": posted, "broken": broken}
        log.log(logging.WARNING if broken else logging.INFO, "%s", json.dumps({"result": "swept", **summary}))
        self._sweeps.add(1, {"vault": vault, "outcome": "incomplete" if broken else "completed"})

    async def _publish(self, kind: str, outcome: Outcome) -> None:
        from azure.core.messaging import CloudEvent

        event = CloudEvent(
            source=outcome.item.ref.vault, type=kind, subject=outcome.item.ref.name, data=record(outcome)
        )
        try:
            await call("sending the outcome event", self._client().send(event, **CHANGING), where=self._topic or "")
        except RekeyError as error:
            log.warning("the outcome of %s could not be sent: %s", outcome.item.ref, error)

    def _client(self) -> EventGridPublisherClient:
        if self._publisher is None:
            from azure.eventgrid.aio import EventGridPublisherClient

            self._publisher = EventGridPublisherClient(self._topic or "", self._azure.credential, **self._azure.options)
        return self._publisher
