"""Ask for what is due at the sources by their records: no message is needed to know of it."""

from __future__ import annotations

import logging
from datetime import datetime

from engine.errors import NeedsHuman
from engine.model.listed import Listed
from engine.model.record import EVERY, LOOKING
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.ports import WorkQueue
from engine.secret import SecretRef
from engine.sweep.pace import Pace
from engine.sweep.posting import post

log = logging.getLogger("rekey.sweep")


async def sources(parts: Parts, queue: WorkQueue) -> None:
    """Post an audit of each source that is due to be looked at; takes no lease.

    Of very many the next time asks for the rest. An audit that comes twice finds nothing to do. A
    record that nobody could read, or write, for a week is left to the sweeps.
    """
    now, due = parts.clock.now(), list[tuple[datetime, WorkItem]]()
    async for listed in parts.leases.index():
        at = listed.next_check
        if at and now - LOOKING < at <= now and (item := _audit(parts, listed)):
            due.append((at, item))
    pace = Pace(parts.policy.scopes, EVERY)
    for _, item in sorted(due, key=lambda pair: pair[0]):
        delay = pace.delay(item.source)
        if delay is not None:
            await post(queue, item, delay)
    if due:
        log.info("%d sources are due to be rechecked", len(due))


def _audit(parts: Parts, listed: Listed) -> WorkItem | None:
    """Return the audit of a source; None if no secret in a vault of this deployment owns it."""
    try:
        ref = SecretRef.parse(listed.owner)
    except NeedsHuman:
        return None
    if not parts.policy.manages(ref.vault):
        return None
    return WorkItem(
        ref,
        "audit" if listed.is_open or listed.waiting else "retire",
        trigger="sweep",
        requested_by="rekey",
        reason="its record says that it is due",
        source=listed.source,
        follow_up=True,
    )
