"""Tasks: what follows a rotation. Apps are refreshed and owners notified, each by a message of its own.

Tasks are posted once the outcome is known. If posting them fails, the outcome stands.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from engine.errors import PermanentError, RekeyError
from engine.follow_up import notices, refresh
from engine.parts import Parts
from engine.secret import SecretRef, Version
from engine.state.follow_up import FollowUp, Task, TaskOutcome, TaskResult
from engine.state.policy import Policy
from engine.state.request import Outcome, Result, WorkItem

log = logging.getLogger("rekey.follow_up")

TASKS: Mapping[Task, Callable[[Parts, FollowUp, Version], Awaitable[TaskOutcome]]] = {
    "refresh": refresh.refresh,
    "remind": notices.remind,
    "tell": notices.tell,
}
GIVEN_UP: Mapping[Task, TaskResult] = {
    "refresh": "unrefreshed",
    "remind": "untold",
    "tell": "untold",
}
TO_REFRESH: frozenset[Result] = frozenset({"rotated", "healed", "restored", "confirmed"})
"""`confirmed` is a retry that found its rotation done, or the daily audit.

So a task that a dead worker did not post is posted after all.
"""
TO_FOLLOW: frozenset[Result] = frozenset({"rotated", "healed", "restored", "retired"})
"""After these a derived secret looks at its key. Its own daily audit does so, too."""
FOUND_DONE: frozenset[Result] = frozenset({"skipped", "waiting"})
"""How a retry of an item without a version ends if its rotation was already done."""


async def run(parts: Parts, item: FollowUp) -> TaskOutcome:
    """Do one task about the secret as it is now; raises TransientError for what may pass."""
    try:
        secret = await _read(parts, item)
        item = item.about(secret.version)
        parts.reporter.about(item.operation, "")
        return await TASKS[item.action](parts, item, secret)
    except PermanentError as error:
        return given_up(item, error)


async def _read(parts: Parts, item: FollowUp) -> Version:
    """Read the secret. A notice is sent even if the secret is gone or cannot be read any more."""
    try:
        return (await parts.vaults.read(item.ref)).bare
    except PermanentError:
        if item.action != "tell":
            raise
        now = parts.clock.now()
        return Version(
            item.ref,
            item.version,
            enabled=False,
            created=now,
            expires=None,
            content_type=None,
        )


def given_up(item: FollowUp, error: RekeyError) -> TaskOutcome:
    """Return the outcome of a task that failed. The secret is not marked: it was rotated."""
    return TaskOutcome(item, GIVEN_UP[item.action], error.what, error.fix)


async def report(parts: Parts, outcome: TaskOutcome) -> TaskOutcome:
    """Report how a task ended. Who hears of rotations hears of some tasks, too."""
    await parts.reporter.followed(outcome)
    if notices.is_news(outcome.result, parts.policy):
        await _post(parts, replace(notices.of(outcome), since=parts.clock.now().isoformat()))
    return outcome


async def follow(parts: Parts, outcome: Outcome, *, again: bool = False) -> None:
    """Post what follows an outcome; `again` if the item was retried. Never raises."""
    for item in _following(parts.policy, outcome, parts.clock.now(), again=again):
        await _post(parts, item)


async def refresh_first(parts: Parts, outcome: Outcome) -> None:
    """Have apps refreshed before what leaked is cut off. Never raises: `follow` does so again."""
    for item in _refreshes(parts.policy, outcome):
        await _post(parts, item)


async def _post(parts: Parts, item: WorkItem | FollowUp) -> None:
    try:
        await parts.queue.post_rotation(item)
    except RekeyError as error:
        log.warning("%s of %s could not be posted: %s", item.action, item.ref, error)


def _following(
    policy: Policy, outcome: Outcome, now: datetime, *, again: bool
) -> Iterator[WorkItem | FollowUp]:
    if outcome.result in TO_REFRESH or (again and outcome.result in FOUND_DONE):
        yield from _refreshes(policy, outcome)
    if outcome.result in TO_FOLLOW:
        yield from map(follow_key, outcome.derived)
    if notices.is_news(outcome.result, policy):
        yield replace(notices.of(outcome), since=now.isoformat())


def _refreshes(policy: Policy, outcome: Outcome) -> Iterator[FollowUp]:
    if refresh.named(policy, outcome.item.ref):
        yield _refresh(outcome.item)
    for ref in outcome.replicas:
        if refresh.named(policy, ref):
            yield replace(_refresh(outcome.item), ref=ref, version=None)


def follow_key(ref: SecretRef, *, parked: bool = True) -> WorkItem:
    """Return the look of a derived secret at its key; `parked` if it may be parked."""
    reason = "its key has changed"
    return WorkItem(
        ref, "audit", trigger="event", requested_by="rekey", reason=reason, follows=parked
    )


def _refresh(item: WorkItem) -> FollowUp:
    reason = "a new version"
    return FollowUp(item.ref, "refresh", version=item.version, trigger=item.trigger, reason=reason)
