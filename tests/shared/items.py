"""Messages as tests write them: flat, as they travel."""

from __future__ import annotations

from typing import Any

from engine.secret import SecretRef
from engine.state.request import FollowUp, Task, WorkItem


def work_item(ref: SecretRef, *, recheck: bool = False, **fields: Any) -> WorkItem:
    """Return a work item."""
    return WorkItem.of(ref=ref, follow_up=recheck, **fields)


def task_of(ref: SecretRef, action: Task, **fields: Any) -> FollowUp:
    """Return a task."""
    return FollowUp.of(ref=ref, action=action, **fields)
