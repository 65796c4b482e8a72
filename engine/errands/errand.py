"""What a rotation brings with it: apps to be refreshed, owners to be told. Each is a work item of its own.

They are posted when the outcome is known and the lease given back; where that fails, the outcome stands all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace

from engine.errands import consumers, notices
from engine.errors import PermanentError, RekeyError
from engine.model.outcome import Errand, Outcome, Result
from engine.model.policy import Policy
from engine.model.workitem import Action, WorkItem
from engine.parts import Parts
from engine.secret import SecretVersion

log = logging.getLogger("rekey.errands")

ERRANDS: Mapping[Action, Callable[[Parts, WorkItem, SecretVersion], Awaitable[Outcome]]] = {
    "refresh": consumers.refresh,
    "remind": notices.remind,
    "tell": notices.tell,
}
GIVEN_UP: Mapping[Action, Errand] = {"refresh": "unrefreshed", "remind": "untold", "tell": "untold"}
TO_REFRESH: frozenset[Result | Errand] = frozenset({"rotated", "healed", "restored", "confirmed"})
"""`confirmed` is a retry that found its rotation done, or the daily audit: what a dead worker did not post comes after all."""
FOUND_DONE: frozenset[Result | Errand] = frozenset({"skipped", "waiting"})
"""What a retry of an item that names no version finds when its rotation was done."""


async def run(parts: Parts, item: WorkItem) -> Outcome:
    """Do one errand, about the secret as it is now; raises TransientError for what may pass."""
    try:
        secret = await _read(parts, item)
        item = item.about(secret.version)
        parts.reporter.about(item.operation, "")
        return await ERRANDS[item.action](parts, item, secret)
    except PermanentError as error:
        return given_up(item, error)


async def _read(parts: Parts, item: WorkItem) -> SecretVersion:
    """Read the secret; whoever is to be told hears also of one that is gone, or that the app may not read any more."""
    try:
        return await parts.vaults.read(item.ref)
    except PermanentError:
        if item.action != "tell":
            raise
        now = parts.clock.now()
        return SecretVersion(item.ref, item.version, None, enabled=False, created=now, expires=None, content_type=None)


def given_up(item: WorkItem, error: RekeyError) -> Outcome:
    """Return how an errand ends that cannot be done. No secret is marked for it: its rotation has succeeded."""
    return Outcome(item, GIVEN_UP[item.action], error.what, error.fix)


async def follow(parts: Parts, outcome: Outcome, *, again: bool = False) -> None:
    """Post what an outcome brings with it; `again` where it is a retry's. Never fails: the outcome stands."""
    for item in _following(parts.policy, outcome, again=again):
        try:
            await parts.queue.post_rotation(item)
        except RekeyError as error:
            log.warning("%s of %s could not be posted: %s", item.action, item.ref, error)


def _following(policy: Policy, outcome: Outcome, *, again: bool) -> Iterator[WorkItem]:
    item = outcome.item
    if outcome.result in TO_REFRESH or (again and outcome.result in FOUND_DONE and not item.is_errand):
        if consumers.named(policy, item.ref):
            yield _refresh(item)
        for ref in outcome.replicas:
            if consumers.named(policy, ref):
                yield replace(_refresh(item), ref=ref, version=None)
    if outcome.result in notices.TITLES and policy.document and policy.document.webhooks:
        yield notices.of(outcome)


def _refresh(item: WorkItem) -> WorkItem:
    return WorkItem(
        item.ref, "refresh", version=item.version, trigger=item.trigger, requested_by="rekey", reason="a new version"
    )
