"""In which step a source is, and what happens next there: both follow from its record. Pure.

The names are those of the formal model, docs/spec/README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.state.record import Record

Phase = Literal[
    "revoking",
    "publishing",
    "in progress",
    "issuing",
    "retiring",
    "disabling",
    "reporting",
    "overlap",
    "idle",
]


@dataclass(frozen=True, slots=True)
class PhaseRule:
    """A phase, whether a record is in it, and what happens next."""

    phase: Phase
    is_at: Callable[[Record], object]
    then: str


PHASES = (
    PhaseRule(
        "revoking",
        lambda record: record.compromised.versions,
        "what leaked is replaced if it is in use, then revoked, and tried until its source refuses it",
    ),
    PhaseRule(
        "publishing",
        lambda record: record.pending_write,
        "the announced value is found in the vault, or the same credential is published",
    ),
    PhaseRule(
        "in progress",
        lambda record: record.change.in_progress_since,
        "the source is asked whether the change has come that it accepted",
    ),
    PhaseRule(
        "issuing",
        lambda record: record.is_uncertain and _is_request(record),
        "the current version is verified, and repaired if the new credential has replaced it",
    ),
    PhaseRule(
        "retiring",
        lambda record: record.is_uncertain,
        "the current version is verified, and what was superseded is revoked once more",
    ),
    PhaseRule(
        "disabling",
        lambda record: record.stale,
        "the versions are disabled whose credentials are dead",
    ),
    PhaseRule(
        "reporting",
        lambda record: record.unreported or record.unreported_ids,
        "what was published or retired is reported",
    ),
    PhaseRule(
        "overlap",
        lambda record: record.retirement,
        "the superseded credential is retired once its overlap has passed",
    ),
    PhaseRule("idle", lambda _: True, "an event, a sweep or a person asks for the next rotation"),
)
"""In this order: a record is in the first phase that holds. The last always does."""


def _is_request(record: Record) -> bool:
    """Return whether the change sent last requested a credential, which may be published by now."""
    change = record.change
    return bool(change.requested_at) or change.version in record.history.replaced


def phase_rule(record: Record) -> PhaseRule:
    """Return in which step the source of a record is, or was when its worker died."""
    return next(rule for rule in PHASES if rule.is_at(record))
