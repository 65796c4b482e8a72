"""Report outcomes, and mark the secrets that need a person.

What was published or retired stays unreported in the record until its outcome is reported.
"""

from __future__ import annotations

from dataclasses import replace

from engine.deadline import OUT_OF_TIME
from engine.errors import PermanentError, RekeyError
from engine.follow_up import tasks
from engine.parts import Parts
from engine.rotation.context import Rotation
from engine.rotation.derived import Dependents
from engine.rotation.source_lease import LOST
from engine.secret import SecretVersion
from engine.state import tags
from engine.state.decision import Acting, Confirm, Park, Skip, Wait
from engine.state.due import due_at
from engine.state.incident import STILL_ACCEPTED
from engine.state.record import Stale
from engine.state.request import UNMARKED, Outcome, Result, WorkItem


def outcome_of(at: Rotation, secret: SecretVersion) -> Outcome:
    """Return the outcome of this run, which has done something."""
    known = at.progress
    assert known.result  # noqa: S101 - only called after something was done
    record = at.record
    managed, published = known.managed or at.managed_here(secret), record.published
    derived = Dependents(at.parts, managed).served(secret) if managed else []
    # A person may have written a version since, or disabled the secret.
    is_current = known.new_version in (None, secret.version)
    written = published.credential_id if published else None
    return Outcome(
        known.item,
        known.result,
        known.reason,
        rotator=managed.rotator.kind if managed else record.kind,
        source=at.lease.source,
        old_version=_replaced(at),
        new_version=known.new_version,
        credential_id=secret.tags.get("CredentialId") if is_current else written,
        next_due=due_at(secret, managed) if managed and is_current else None,
        retired=record.unreported_ids,
        replicas=managed.replicas if managed else (),
        derived=tuple(ref for ref, _ in derived),
    )


def _replaced(at: Rotation) -> str | None:
    """Return the version that was replaced, also if another worker has done that."""
    published, known = at.record.published, at.progress
    if published and published.version == known.new_version:
        return published.replaces
    return known.old_version


async def report_earlier(at: Rotation) -> None:
    """Report the version that an earlier try published, before it is replaced."""
    if at.record.unreported:
        await report_unreported(at)
        await at.lease.write(at.lease.record)


async def report_unreported(at: Rotation, *, but: Outcome | None = None) -> None:
    """Report what this or an earlier run has published or retired, in an outcome of its own.

    The outcome of the item, which is reported next (`but`), is about something else, or has to
    wait. The report is written to the record when the item ends.
    """
    record, heard = at.record, but.retired if but else ()
    is_told = not record.unreported or (but is not None and at.observed.announces(but))
    if (is_told or not record.published) and not {*record.unreported_ids} - {*heard}:
        return
    if not at.observed.has_read:
        # The secret is deleted, or cannot be read. What was done is reported anyway.
        await tasks.report_from_record(at.parts, record)
        at.lease.learn(replace(at.record, unreported=False, unreported_ids=()))
        return
    at.progress.goes_on(record)
    if record.compromised.versions:
        at.progress.reason += f"; {STILL_ACCEPTED}"
    outcome = outcome_of(at, at.observed.believed)
    outcome = replace(outcome, item=replace(outcome.item, leak=None))
    at.observed.reported(await tasks.conclude(at.parts, outcome))
    # The rest of this run is about something else.
    known = at.progress
    known.result, known.reason, known.new_version = None, "", None


LATER = "nothing else is due, and the next sweep asks again"


async def conclude(
    parts: Parts,
    secret: SecretVersion,
    item: WorkItem,
    decision: Skip | Wait | Park,
    *,
    is_notified: bool = False,
) -> Outcome:
    """Conclude an item that changed nothing. A secret that needs a person is marked.

    `is_notified`: people were notified of the same lately.
    """
    # Where people were notified, rechecks go on.
    result: Result = "skipped" if isinstance(decision, Skip) else "waiting"
    outcome = Outcome(item, result, decision.reason, decision.fix, old_version=secret.version)
    if not isinstance(decision, Park) or (is_notified and tags.STATE in secret.tags):
        return outcome
    # If people were notified, this run has taken the mark off, as the current version works.
    mark = f"{decision.reason}. Fix: {decision.fix}"
    why = await _mark(parts, secret, item, mark, drifted=decision.drifted)
    return outcome if is_notified else replace(outcome, result="parked").unmarked(why)


async def give_up(parts: Parts, item: WorkItem, error: RekeyError) -> Outcome:
    """Conclude an item that was given up, and mark its secret.

    There is no mark if the secret was rotated since, or bears an older reason.
    """
    is_stale = isinstance(error, Stale)
    if error.retry_after and not is_stale and error.where.startswith(str(item.ref)):
        # A mark takes a read of the vault, which is what Azure has asked to wait for.
        if item.action == "audit" and item.cause.trigger == "sweep":
            return Outcome(item, "skipped", f"{error.what}; {LATER}", error.fix)
        return Outcome(item, "parked", f"{error.what}; {UNMARKED}", error.fix)
    return await _given_up(parts, item, error)


async def _given_up(parts: Parts, item: WorkItem, error: RekeyError) -> Outcome:
    outcome = Outcome(item, "parked", error.what, error.fix)
    try:
        secret = await parts.vaults.read(item.ref)
    except PermanentError as second:
        return outcome.unmarked(second.what)
    # A vault lags for seconds, so one that still does shows a restored backup. And whatever was
    # asked for, a lost password needs a person.
    is_serious = isinstance(error, Stale) or LOST in error.what
    if not (is_serious or _is_asked(parts, secret, item)):
        return replace(outcome, result="skipped", reason=f"{error.what}; {LATER}")
    decision, policy = parts.decide(secret, item), parts.policy
    is_single = isinstance(decision, Acting) and decision.managed.is_single
    rests = tags.rests_until(policy.applied(secret), parts.clock.now(), policy.narrowed)
    if rests and not item.cause.is_persons:
        # The first reason tells more than a later one from the queue.
        return outcome
    if error.code == OUT_OF_TIME and is_single:
        error.add(LOST)
    # A person who asked waits for their own mark.
    mark = (rests and secret.tags.get(tags.REASON)) or str(error)
    why = await _mark(parts, secret, item, mark)
    return replace(outcome, reason=error.what).unmarked(why)


def _is_asked(parts: Parts, secret: SecretVersion, item: WorkItem) -> bool:
    """Return whether the work that was given up must still be done.

    For an incident it must, whatever replaced its version: the compromised credential may still
    work. For the audit of a sweep it need not: its failure proves nothing, and the next sweep asks
    again.
    """
    if item.compromised or item.version not in (None, secret.version):
        return item.compromised
    is_asked = item.recheck or item.cause.is_persons
    return is_asked or not isinstance(parts.decide(secret, item), Confirm | Skip | Wait)


async def _mark(
    parts: Parts, secret: SecretVersion, item: WorkItem, reason: str, *, drifted: bool = False
) -> str:
    """Mark the secret as parked; return why that is impossible, for the report.

    A mark needs no lease. It is for people, and changes only two of Rekey's own tags. Nothing is
    revoked or published because of it.
    """
    if not secret.version or parts.policy.is_own(secret.ref):
        return ""
    try:
        fresh = await parts.vaults.read(secret.ref)
        if not fresh.enabled:
            # The vault shows nothing else of a disabled version.
            return ""
        if fresh.version != secret.version:
            # Somebody wrote it meanwhile, or the vault lags.
            return f"the vault shows version {fresh.version}"
        policy, now = parts.policy, parts.clock.now()
        seen = tags.fingerprint(policy.applied(fresh), policy.narrowed)
        marked = tags.parked(
            fresh, reason, now, compromised=item.compromised, drifted=drifted, seen=seen
        )
        await parts.vaults.retag(fresh, marked)
    except PermanentError as error:
        return error.what
    return "" if tags.STATE in marked else "its tags leave no room"
