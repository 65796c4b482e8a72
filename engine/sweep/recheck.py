"""Ask for what people asked for, and for what is due at the sources: no message is needed to know of it."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from engine.errors import NeedsHuman, PermanentError
from engine.parts import Parts
from engine.secret import SecretRef
from engine.state.index import Listed
from engine.state.record import LOOKING, RECHECK_EVERY
from engine.state.request import WorkItem
from engine.state.sweep_order import SweepOrder
from engine.sweep.pace import Pace, post

log = logging.getLogger("rekey.sweep")

APART_SECONDS = 10.0
"""How far apart messages about one secret are posted, so that none waits for another's lease."""
GIVEN_UP_AFTER = timedelta(days=1)
"""How long after its last try what never came to an end is given up."""
MOST_REQUESTS = 200
"""How many requests are asked for at a time."""


async def sources(parts: Parts, posted: Counter[str]) -> None:
    """Post an audit of each source that is due to be looked at; takes no lease.

    `posted`: how many messages about a secret, or a vault, have just been posted.
    Of very many the next time asks for the rest. An audit that comes twice finds nothing to do. A
    record that nobody could read, or write, for a week is left to the sweeps.
    """
    now, due = parts.clock.now(), list[tuple[datetime, WorkItem]]()
    async for listed in parts.leases.index():
        at = listed.next_check
        if at and now - LOOKING < at <= now and (item := _audit(parts, listed)):
            due.append((at, item))
    pace = Pace(parts.policy.scopes, RECHECK_EVERY)
    for _, item in sorted(due, key=lambda pair: pair[0]):
        delay = pace.delay(item.source)
        if delay is not None:
            await post(parts, item, max(delay, APART_SECONDS * posted[str(item.ref)]))
    if due:
        log.info("%d sources are due to be rechecked", len(due))


async def requests(parts: Parts, posted: Counter[str]) -> None:
    """Post once more what people asked for and nobody has ended; what is lost again comes again.

    Counts in `posted` the messages about each secret, or vault.
    Of very many the next time asks for the rest.
    """
    now = parts.clock.now()
    due = await parts.requests.due(now)
    for request in due[:MOST_REQUESTS]:
        text = await parts.requests.read(request)
        if text is None:
            continue
        work = _open(request, text, now)
        if work:
            place = str(work.ref) if isinstance(work, WorkItem) else work.vault
            await parts.accept(work, APART_SECONDS * posted[place])
            posted[place] += 1
        else:
            parts.reporter.given_up("rotations")
        if work is None or work.request != request:
            # Nobody can carry it out, or an earlier version named it otherwise.
            await parts.requests.close(request)
    if due:
        log.info("%d requests are due and not done", len(due))


def _open(request: str, text: str, now: datetime) -> WorkItem | SweepOrder | None:
    """Read what somebody asked for; None where nobody can carry it out, which is logged."""
    try:
        order = SweepOrder.from_json(text, now)
        item = None if order.incident else WorkItem.from_json(text)
    except PermanentError as error:
        log.error("the request %s is given up: %s", request, error)
        return None
    if item is None or item.is_tried_on(now - GIVEN_UP_AFTER):
        return item or order
    log.error("the request for %s (%s) is given up: it was tried in vain", item.ref, item.cause)
    return None


def _audit(parts: Parts, listed: Listed) -> WorkItem | None:
    """Return the audit of a source; None if no secret in a vault of this deployment owns it."""
    try:
        ref = SecretRef.parse(listed.owner)
    except NeedsHuman:
        return None
    if not parts.policy.manages(ref.vault):
        return None
    item = WorkItem(ref, "audit" if listed.is_open or listed.waiting else "retire", trigger="sweep")
    reason = "its record says that it is due"
    return replace(item, requested_by="rekey", reason=reason, source=listed.source, recheck=True)
