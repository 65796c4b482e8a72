"""What follows an outcome: an app to refresh, an owner to tell, and what they are told.

It touches neither source nor secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from engine.secret import SecretRef, Sensitive
from engine.state import request
from engine.state.request import Trigger, WorkItem, operation_id

REPORTED_LEAK = "leaked"
"""What a message is about that asks a person whether a reported credential is cut off."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people: a title, and facts as pairs of a name and a text."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One message to a program, which is signed when it is sent."""

    id: str
    """The same however often it is sent."""
    type: str
    timestamp: str
    """When it happened, in ISO 8601."""
    data: Mapping[str, str | None]
    key: Sensitive
    """What it is signed with: one or more texts that start with `whsec_`."""
    sent: datetime
    """When it is sent this time."""


Task = Literal["refresh", "remind", "tell"]
TaskResult = Literal["refreshed", "unrefreshed", "told", "untold", "reminded", "skipped", "waiting"]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One task that follows an outcome. It is a message on the queue `rotations`, too."""

    ref: SecretRef
    action: Task
    version: str | None = None
    """The version that it is about; None for the current one."""
    trigger: Trigger = "sweep"
    """What had started the work that it follows."""
    reason: str = ""
    """What is told."""
    news: str = ""
    """The outcome to announce, where the action is `tell`."""
    to: str = ""
    """The secret with the webhook's URL, where the action is `tell`; empty for all webhooks."""
    since: str = ""
    """When that happened which is told (ISO 8601)."""
    deferred: int = 0
    """How often it was put off: Azure asked to wait, or an app did not use the version yet."""
    trace: str | None = None
    """The W3C traceparent of the work that it follows."""

    @property
    def operation(self) -> str | None:
        """The id of the operation that replaces `version`."""
        return operation_id(self.ref, self.version) if self.version else None

    @property
    def lasts(self) -> bool:
        """Whether its message does not expire while the app is stopped."""
        return self.trigger == "manual"

    def about(self, version: str | None) -> FollowUp:
        """Return the task with this version, if it names none."""
        return self if self.version else replace(self, version=version)

    def to_json(self) -> str:
        """Return the text of the queue message, which earlier versions of Rekey read as well."""
        return request.text_of(self, _TYPES, {})

    @classmethod
    def from_json(cls, text: str | bytes) -> FollowUp:
        """Read a message; raises NeedsHuman that lists every problem in it."""
        return cls(**request.fields_of(text, _TYPES, {"action": Task, "trigger": Trigger}))


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What came of a task."""

    task: FollowUp
    result: TaskResult
    reason: str
    fix: str = ""
    version: str | None = None
    """The version that the task found current."""


_TYPES: dict[str, type] = {
    **dict.fromkeys(("action", "version", "trigger", "reason", "news", "to", "since"), str),
    "deferred": int,
}


def read(text: str | bytes) -> WorkItem | FollowUp:
    """Read a message of the queue `rotations`; raises NeedsHuman that lists every problem in it."""
    is_task = request.action_of(text) in get_args(Task)
    return FollowUp.from_json(text) if is_task else WorkItem.from_json(text)
