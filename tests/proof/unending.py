"""A change that its source goes on with: somebody is told if it does not end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.secret import SecretRef
from engine.state.due import is_manual
from engine.state.tags import STATE
from tests.proof.excuses import Excuse

if TYPE_CHECKING:
    from engine.state.record import Record
    from tests.proof.watch import Watch

TOLD_SECONDS = 26 * 3600.0
"""Within what time somebody is told of a change that does not end: a day, and a look after it."""


def untold(watch: Watch) -> str:
    """Return what nobody was told of for too long; empty if there is nothing."""
    now = watch.world.kernel.now()
    if watch.is_mended:
        # Whoever mended it looks after it; the hours in which nothing falls due are left out.
        return ""
    for claim in watch.world.claims.values():
        since = claim.record.change.in_progress_since
        late = since is not None and (now - since).total_seconds() > TOLD_SECONDS
        # Who has the lease may just have taken it over; what comes of that is judged afterwards.
        if claim.until > watch.world.kernel.time():
            continue
        if late and not _is_told(watch, claim.record) and not _was_disabled(watch, claim.record):
            return f"P8: {claim.record.source} is at a change since {since}, and nobody was told"
    return ""


def _is_told(watch: Watch, record: Record) -> bool:
    ref, source = SecretRef.parse(record.owner), record.source
    if ref not in watch.world.vault:
        # Who has deleted it looks after it.
        return True
    current = watch.world.vault[ref][-1]
    reported = any(
        outcome.result == "parked" and (outcome.item.ref == ref or outcome.item.source == source)
        for outcome in watch.outcomes
    )
    # Who hands it over in the middle of a change has it looked at once a day.
    reported |= source in watch.handed_over and record.change.recheck_at is None
    # Who has disabled it, or taken it out, looks after it.
    theirs = not current.enabled or "ProviderAddress" not in current.tags
    theirs |= is_manual(watch.world.policy().applied(current).tags)
    return reported or theirs or STATE in current.tags


def _was_disabled(watch: Watch, record: Record) -> bool:
    """Return whether somebody has enabled it again, or broken it, less than a day ago.

    Or the record went back to a time when it was at that change.
    """
    now, known = watch.world.kernel.time(), (Excuse.BROKEN, Excuse.STORE)
    return any(watch.excuses.cover(excuse, record.source, now) for excuse in known)
