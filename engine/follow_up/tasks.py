"""Tasks that follow a rotation: apps are refreshed and owners notified, each by its own message.

Tasks are posted once the outcome is known. If posting them fails, the outcome stands.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from engine.errors import PermanentError, RekeyError
from engine.follow_up import notices, refresh
from engine.parts import Parts
from engine.secret import SecretRef, Version
from engine.state.policy import Policy
from engine.state.record import Record
from engine.state.request import (
    PUBLISHED,
    Cause,
    FollowUp,
    Outcome,
    Result,
    Task,
    TaskOutcome,
    TaskResult,
    Work,
    WorkItem,
)

log = logging.getLogger("rekey.follow_up")

EARLIER, REVOKED_EARLIER = "published by an earlier try", "revoked by an earlier try"

TASKS: Mapping[Task, Callable[[Parts, FollowUp, Version], Awaitable[TaskOutcome]]] = {
    "refresh": refresh.refresh,
    "remind": notices.remind,
    "tell": notices.send,
}
GIVEN_UP: Mapping[Task, TaskResult] = {
    "refresh": "unrefreshed",
    "remind": "untold",
    "tell": "untold",
}
TO_REFRESH: frozenset[Result] = PUBLISHED | {"confirmed"}
"""`confirmed` is a retry that found its rotation done, or the daily audit.

So a task that a dead worker did not post is posted after all.
"""
TO_FOLLOW: frozenset[Result] = PUBLISHED | {"retired"}
"""After these a derived secret follows its key. Its own daily audit does so, too."""
FOUND_DONE: frozenset[Result] = frozenset({"skipped", "waiting"})
"""How a retry of an item without a version ends if its rotation was already done."""


async def run(parts: Parts, item: FollowUp, *, last: bool = False) -> TaskOutcome:
    """Do one task about the secret as it is now; raises TransientError for what may pass."""
    try:
        secret = await _read(parts, item, last=last)
        item = item.about(secret.version)
        parts.reporter.about(item.operation, "")
        outcome = await TASKS[item.action](parts, item, secret)
    except PermanentError as error:
        return await give_up(parts, item, error)
    return await _report(parts, outcome)


async def _read(parts: Parts, item: FollowUp, *, last: bool) -> Version:
    """Read the secret. A notice is sent even if the secret is gone or cannot be read any more.

    The `last` try sends it although the vault does not answer, to the owner whom a record or the
    policy names.
    """
    try:
        return (await parts.vaults.read(item.ref)).bare
    except RekeyError as error:
        is_gone = isinstance(error, PermanentError)
        if item.action != "tell" or not (is_gone or last):
            raise
    now = parts.clock.now()
    unread = Version(item.ref, item.version, enabled=False, created=now, expires=None)
    if is_gone:
        return unread
    recorded = await notices.recorded_owner(parts, item.ref)
    owner = recorded or parts.policy.applied(unread).tags.get("Owner", "")
    # Whoever finds no owner here would ask the vault for one.
    return replace(unread, tags={"Owner": owner})


async def give_up(parts: Parts, item: FollowUp, error: RekeyError) -> TaskOutcome:
    """Report a task that failed. The secret is not marked: it was rotated."""
    return await _report(parts, TaskOutcome(item, GIVEN_UP[item.action], error.what, error.fix))


async def _report(parts: Parts, outcome: TaskOutcome) -> TaskOutcome:
    """Report how a task ended. Who hears of rotations hears of some tasks, too."""
    await parts.reporter.followed(outcome)
    await _post(parts, notices.news(parts, outcome))
    return outcome


async def conclude(parts: Parts, outcome: Outcome, *, again: bool = False) -> Outcome:
    """Report an outcome, and post what follows it; `again` if the item was retried."""
    await parts.reporter.concluded(outcome)
    items: list[Work] = []
    if outcome.result in TO_REFRESH or (again and outcome.result in FOUND_DONE):
        items += _refreshes(parts.policy, outcome)
    if outcome.result in TO_FOLLOW:
        items += map(follow_key, outcome.derived)
    await _post(parts, (*items, *notices.news(parts, outcome)))
    return outcome


async def report_from_record(parts: Parts, record: Record) -> None:
    """Report what was published last at a source, or retired, if nobody has yet.

    This does not read its secret, which may be released or gone.
    """
    published = record.published if record.unreported else None
    if not (published or record.unreported_ids):
        return
    ref = SecretRef.parse(record.owner)
    item = WorkItem(ref, "audit", cause=Cause("sweep", "rekey"), source=record.source)
    outcome = Outcome(
        item,
        "retired",
        REVOKED_EARLIER,
        rotator=record.kind,
        source=record.source,
        retired=record.unreported_ids,
    )
    if published:
        outcome = replace(
            outcome,
            result=record.published_as,
            reason=EARLIER,
            old_version=published.replaces,
            new_version=published.version,
            credential_id=published.credential_id,
        )
    await conclude(parts, outcome)


async def refresh_first(parts: Parts, outcome: Outcome) -> None:
    """Have apps refreshed before what leaked is cut off. Never raises: `conclude` does so again."""
    await _post(parts, _refreshes(parts.policy, outcome))


async def _post(parts: Parts, items: Iterable[Work]) -> None:
    for item in items:
        try:
            await parts.queue.post_rotation(item)
        except RekeyError as error:
            log.warning("%s of %s could not be posted: %s", item.action, item.ref, error)


def _refreshes(policy: Policy, outcome: Outcome) -> Iterator[FollowUp]:
    item = outcome.item
    why = Cause(item.cause.trigger, reason="a new version")
    task = FollowUp(item.ref, "refresh", version=item.version, cause=why)
    replicas = (replace(task, ref=ref, version=None) for ref in outcome.replicas)
    return (each for each in (task, *replicas) if refresh.named(policy, each.ref))


def follow_key(ref: SecretRef, *, parked: bool = True) -> WorkItem:
    """Return the audit of a derived secret that follows its key; `parked` if it may be parked."""
    why = Cause("event", "rekey", "its key has changed")
    return WorkItem(ref, "audit", cause=why, hint="follow" if parked else None)
