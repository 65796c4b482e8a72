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
class Step:
    """A phase, whether a record is in it, and what happens next."""

    phase: Phase
    is_at: Callable[[Record], object]
    then: str


STEPS = (
    Step(
        "revoking",
        lambda record: record.compromised.versions,
        "what leaked is revoked, and tried until its source refuses it",
    ),
    Step(
        "publishing",
        lambda record: record.pending_write,
        "the announced value is found in the vault, or the same credential is published",
    ),
    Step(
        "in progress",
        lambda record: record.change.in_progress_since,
        "the source is asked whether the change has come that it accepted",
    ),
    Step(
        "issuing",
        lambda record: record.is_uncertain and record.change.requested_at,
        "the current version is verified, and repaired if the new credential has replaced it",
    ),
    Step(
        "retiring",
        lambda record: record.is_uncertain,
        "the current version is verified, and what was superseded is revoked once more",
    ),
    Step(
        "disabling",
        lambda record: record.stale,
        "the versions are disabled whose credentials are dead",
    ),
    Step("reporting", lambda record: record.unreported, "the version published last is reported"),
    Step(
        "overlap",
        lambda record: record.retirement,
        "the superseded credential is retired once its overlap has passed",
    ),
    Step("idle", lambda _: True, "an event, a sweep or a person asks for the next rotation"),
)
"""In this order: a record is in the first phase that holds. The last always does."""


def step_of(record: Record) -> Step:
    """Return in which step the source of a record is, or was when its worker died."""
    return next(step for step in STEPS if step.is_at(record))
