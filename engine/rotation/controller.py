"""Observe, plan, take the step, and again, until a step ends the work: one item under its lease.

If the worker dies between two lines, the message comes back and this runs again, from the record
and the vault. Every call that changes something is made while the lease is certain to last, and
can be repeated. Work that cannot go on waits for its source, or a person is notified.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from engine.contract import LATE, LONGEST_CHANGE, WAY_BACK
from engine.errors import (
    AccessDenied,
    MayComeBack,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
    UnderWay,
)
from engine.follow_up import tasks
from engine.planning.decision import Tagged, crowded
from engine.planning.plan import AT_FIRST, Turn, plan, under_way_since
from engine.rotation import leaked, report, retire
from engine.rotation.context import Rotation
from engine.rotation.leaked import owed_by_owner
from engine.rotation.observe import ANOTHER
from engine.rotation.source_lease import CALL_SECONDS, LOST
from engine.rotation.steps import STEPS, After, sent_on
from engine.secret import SecretVersion, Version
from engine.state.decision import Acting, Confirm, Decision, Park, Rotate, Wait
from engine.state.due import by_hand
from engine.state.record import RECHECK
from engine.state.request import Outcome, WorkItem

MOST_TURNS = 12
"""How many turns one work item may take, against endless loops. No rotation needs as many. Turns
that revoke a leaked version are not counted."""
ENDLESS_FIX = (
    "see in the resource's activity log what it is at; Rekey checks again a day later, or after "
    "rekey unpark"
)
UNKNOWN = timedelta(minutes=2)
"""A person is notified once nobody has known the password of a single slot for so long."""
UNKNOWN_FIX = "see how its server answers, or set a password there and in the vault by hand"
ACCEPTED = "the source accepts the current version"
LEFT = "the secret has left that source"
RESUME_SECONDS = 60.0
"""How long until the recheck of a source that does not say when."""


async def work(at: Rotation, *, again: bool) -> Outcome | None:
    """Take steps until nothing is left to do, and report what came of it; `again` if it was retried.

    Returns None if the secret's source is not the one under lease.
    """
    try:
        outcome = await _lost(at, await _run(at))
    except TransientError as error:
        if not (at.item.recheck and await _comes_later(at, error)):
            raise
        # Nothing more is sent: Azure may have named a time.
        later = Outcome(at.progress.item, "skipped", f"{error.what}; {ANOTHER}")
        return await tasks.conclude(at.parts, later)
    except PermanentError as error:
        # Not even the end could be noted, so only its report tells of the password.
        error.what = at.warned(error.what)
        raise
    if outcome and outcome.result not in ("parked", "waiting") and at.may_work_elsewhere():
        # The incident has not ended.
        outcome = None
    # A new version is reported whatever else has to wait, an incident too.
    await report.report_unreported(at, but=outcome)
    if outcome is None:
        # The item goes on at another source, or comes back where this cannot be noted.
        await at.lease.write(at.lease.record.scheduled(at.now))
        return None
    # It is reported under the lease and noted afterwards. If the worker dies in between, it is
    # reported twice, but never lost.
    outcome = await tasks.conclude(at.parts, at.observed.unrepeated(outcome), again=again)
    at.observed.reported(outcome)
    await at.observed.note_reported()
    return outcome


async def _lost(at: Rotation, outcome: Outcome | None) -> Outcome | None:
    """Return the outcome as one that people hear of, where this run has lost an only password."""
    if not at.leaves_unknown or (outcome and outcome.result == "parked"):
        return outcome
    ended = outcome or Outcome(at.progress.item, "parked", "the secret has another source")
    parked = Park(at.warned(ended.reason), retire.LOST_FIX)
    if at.has_left:
        return replace(ended, result="parked", reason=f"{parked.reason}; {LEFT}", fix=parked.fix)
    marked = await _marked(at, parked)
    return replace(ended, result=marked.result, reason=marked.reason, fix=marked.fix)


async def _comes_later(at: Rotation, error: TransientError) -> bool:
    """Note the next recheck after one that has failed; return whether one is noted.

    Otherwise all workers that wait for the lease would try the same again, one by one.
    """
    lease = at.lease
    if lease.is_later(lease.leases[0].record, than=error.retry_after or 0.0):
        return True
    wait = error.retry_after or (RESUME_SECONDS if isinstance(error, Throttled) else 0.0)
    with suppress(RekeyError):
        await lease.put_off(wait or RECHECK.total_seconds())
        return lease.record.change.recheck_at is not None
    return False


async def _run(at: Rotation) -> Outcome | None:
    try:
        item = at.progress.item
        is_named = item.compromised and item.version and at.record.owner
        if is_named and not at.observed.may_be_under(item):
            # Noted before anything can fail, because only what the record knows is retried.
            await at.observed.note_compromised(str(item.version))
        if owed := owed_by_owner(at.parts, at.lease.record, item):
            return await sent_on(at, owed)
        return await _advance(at)
    except UnderWay as error:
        return await _wait(at, error)
    except MayComeBack as error:
        # Rechecks go on until the leaked credential cannot come back any more. Only then the
        # incident is over. What else a person has asked for is done after that.
        item, old = at.progress.item, at.progress.old_version
        is_asked = item.compromised or item.cause.is_persons
        return Outcome(item, "waiting", error.what, old_version=old, comes_back=is_asked)
    except TransientError as error:
        await _warn(at, error)
        raise
    except PermanentError as error:
        return await _fail(at, error)


async def _advance(at: Rotation) -> Outcome | None:
    secret = await at.observe()
    at.progress.old_version = secret.version
    revoked, turns = set[str | None](), 0
    while turns - len(revoked) < MOST_TURNS:
        was_owner = bool(at.record.owner)
        secret = await _leaks_noted(at, secret)
        after: After = _opened(at, secret, is_first=turns == 0, was_owner=was_owner)
        while isinstance(after, Turn):
            step = plan(after)
            at.parts.reporter.planned(step.name)
            turn, after = after, await STEPS[step.name](at, secret, after, step)
            if isinstance(after, Turn):
                after = replace(after, taken=turn.taken | {step.name})
        if not isinstance(after, SecretVersion):
            return after
        secret, turns = after, turns + 1
        if step.name == "revoke":
            revoked.add(turn.item.version)
    raise NeedsHuman(
        "the secret changes faster than it can be rotated",
        where=str(at.progress.item.ref),
        fix="see in the vault who keeps writing versions or tags of it, and stop that",
    )


async def _leaks_noted(at: Rotation, secret: SecretVersion) -> SecretVersion:
    """Note what has leaked before anything is decided; return the secret as the record has it."""
    if not (at.progress.item.compromised and at.record.owner):
        return secret
    await at.observed.note_compromised(*await leaked.compromised_versions(at, secret))
    return at.observed.believed


def _opened(at: Rotation, secret: SecretVersion, *, is_first: bool, was_owner: bool) -> Turn:
    """Return what is known as a turn begins."""
    tagged = at.parts.tagged_as_read(secret, at.record)
    at.here = tagged.managed if at.lease.covers(tagged.source) else None
    item, decision = _decided(at, tagged)
    return Turn(
        work=at.progress.item,
        item=item,
        secret=tagged.held,
        here=at.here,
        record=at.record,
        decision=decision,
        now=at.now,
        is_bound=at.is_bound,
        has_value=secret.value is not None,
        is_accepted=secret.version == at.progress.proven,
        has_done=at.has_done,
        needless=at.observed.needless,
        recheck_follows=at.observed.recheck_follows,
        resumes=at.lease.resumes,
        carries_on=at.carries_on,
        was_owner=was_owner,
        taken=frozenset() if is_first else AT_FIRST,
    )


def _decided(at: Rotation, tagged: Tagged) -> tuple[WorkItem, Decision]:
    """Return what is done first, and the decision."""
    item = at.effective_item()
    if wait := _for_a_way_back(at):
        return item, wait
    decision = _judged(at, tagged, item)
    announced = item.recheck and at.observed.is_announced(tagged.held)
    if announced and isinstance(decision, Confirm):
        # It was forced, or its window has closed since: a rotation that was begun is finished.
        forced = replace(item, action="rotate", force=True)
        if isinstance(rotate := _judged(at, tagged, forced), Rotate):
            return forced, rotate
    if isinstance(decision, Acting):
        return item, decision
    return _rechecked(at, tagged, item, decision)


def _for_a_way_back(at: Rotation) -> Wait | None:
    """Return until when a recheck waits for the password that was set back, if it does."""
    late = at.record.change.uncertain_until
    until = late and late - LATE + WAY_BACK
    if until and at.now < until and at.only_proves:
        return Wait(until, "what the vault holds was set back, and may still come")
    return None


def _judged(at: Rotation, tagged: Tagged, item: WorkItem) -> Decision:
    """Return the decision. A recheck of what was set back proves it, and does not rotate again."""
    decision = at.parts.decided(tagged, item)
    if isinstance(decision, Rotate) and at.only_proves:
        return Confirm(decision.managed, ACCEPTED)
    return decision


def _rechecked(
    at: Rotation, tagged: Tagged, item: WorkItem, decision: Decision
) -> tuple[WorkItem, Decision]:
    """Return what is done where nothing is to be changed.

    What may be refused is still proven. Where that is not possible, a recheck says so.
    """
    secret, is_unknown = tagged.held, at.record.is_unknown
    if not _may_be_refused(at, secret, item):
        return item, decision
    recheck = replace(item, action="audit", version=secret.version, leak=None, force=False)
    audit = at.parts.decided(tagged, recheck)
    if isinstance(audit, Acting):
        return recheck, audit
    is_left = not is_unknown and at.is_bound and by_hand(tagged.applied.tags)
    if at.here and (audit == crowded(secret) or is_left):
        # A proof needs no room for tags, and may be made of a secret that is left to people.
        return recheck, Confirm(at.here, ACCEPTED)
    if not is_unknown:
        return item, decision
    fix = f"{audit.fix or 'set a password at its source'}, then rotate it by hand"
    return recheck, Park(audit.reason, fix)


def _may_be_refused(at: Rotation, secret: Version, item: WorkItem) -> bool:
    """Return whether the source may refuse the current version, as far as a record knows.

    A recheck knows it in three cases: nobody may know the password, a late change may have replaced
    it or what Rekey published, or the record has lost the change. And an incident may have cut it
    off.
    """
    if item.action == "audit" and at.record.compromised.is_refused(secret.version):
        return True
    is_hit = at.record.may_be_hit(secret) or at.may_come_after_all
    return item.recheck and (at.record.is_unknown or is_hit or at.observed.is_forgotten)


async def _fail(at: Rotation, error: PermanentError) -> Outcome:
    """End the work for good, and notify a person; raises if nothing of that can be noted."""
    error = leaked.named_as_deleted(error, at.progress.item, at.lease.source)
    what = f"{error.what} ({error.where})" if error.where else error.what
    parked = Park(at.warned(what), error.fix, drifted=at.progress.drifted)
    # A worker that has lost the lease must not judge what another worker has done since.
    await at.lease.ensure(CALL_SECONDS)
    # The secret may never be rotated again. A leftover that cannot be removed keeps the change
    # open.
    with suppress(RekeyError):
        if at.lease.has_begun and at.record.change.requested_at:
            at.lease.learn(at.record.reopened(at.now))
            await retire.tidy_abandoned(at)
        _close_change(at)
    outcome = Outcome(at.progress.item, "parked", parked.reason, parked.fix)
    if outcome.item.compromised and not at.observed.is_leak_noted:
        # No record notes this incident, so its item comes back by itself.
        outcome = outcome.unfinished(at.now)
        if outcome.result == "waiting" and not at.observed.is_unmarked:
            return outcome
    _leave_to_the_next_recheck(at, error)
    return replace(
        await _marked(at, replace(parked, reason=outcome.reason)),
        comes_back=outcome.comes_back,
        old_version=at.progress.old_version,
        new_version=at.progress.new_version,
    )


async def _marked(at: Rotation, parked: Park) -> Outcome:
    item = at.progress.item
    outcome = Outcome(item, "parked", parked.reason, parked.fix)
    if at.has_left and not at.effective_item().compromised:
        # A mark would keep its present source waiting.
        return replace(outcome, reason=f"{parked.reason}; {LEFT}")
    try:
        current = await at.parts.vaults.read(item.ref)
    except NotFound:
        # The sweeps report a deleted secret once a day, but not that its password is lost.
        is_known = item.recheck and LOST not in parked.reason
        return replace(outcome, result="skipped") if is_known else outcome
    except PermanentError as error:
        # No mark will show the reason, so it names what failed and also its consequence.
        return outcome.unmarked(error.what)
    is_notified = at.observed.is_notified(parked.reason)
    return await report.conclude(
        at.parts, current, at.effective_item(), parked, is_notified=is_notified
    )


async def _warn(at: Rotation, error: TransientError) -> None:
    """Notify a person, once, that one change after the other could not be proven.

    A mark needs a read of the vault, and Azure may have asked to wait with that.
    """
    if error.retry_after:
        return
    if not at.observed.is_unmarked or at.record.unknown_for(at.now) < UNKNOWN:
        return
    what = error.what.removesuffix(f"; {LOST}")
    parked = Park(f"{what}; {LOST}, and Rekey goes on trying", UNKNOWN_FIX)
    try:
        outcome = await report.conclude(at.parts, at.observed.shown, at.effective_item(), parked)
        at.observed.reported(await tasks.conclude(at.parts, at.observed.unrepeated(outcome)))
        await at.lease.write(at.lease.record)
    except RekeyError as second:
        # It does not end the run, which is tried again, but no sooner than Azure has asked for.
        error.retry_after = second.retry_after


async def _wait(at: Rotation, error: UnderWay) -> Outcome:
    """End the work while a change is in progress. A later recheck finds it done.

    No lease is held meanwhile. A person is notified of a change that does not end. It is rechecked
    a day later.
    """
    item = at.progress.item
    is_endless = await at.lease.wait(error.retry_after or RESUME_SECONDS, error.mark)
    reason = f"{under_way_since(at.lease.record)}: {error.what}"
    if is_endless:
        parked = Park(f"{reason}, and has not ended", ENDLESS_FIX)
        shown, is_notified = at.observed.shown, at.observed.is_notified(parked.reason)
        return await report.conclude(
            at.parts, shown, at.effective_item(), parked, is_notified=is_notified
        )
    if at.progress.has_published and not at.effective_item().compromised:
        # The recheck that finds the end will report only the rest.
        at.progress.reason += f"; {reason}"
        return report.outcome_of(at, at.observed.believed)
    return Outcome(item, "waiting", reason, old_version=at.progress.old_version)


def _close_change(at: Rotation) -> None:
    """Note that no request of this run can take effect later: the error was definite."""
    record = at.record
    if at.lease.has_begun and not at.lease.is_lost:
        at.lease.learn(replace(record, change=replace(record.change, open_since=None)))


def _leave_to_the_next_recheck(at: Rotation, error: PermanentError) -> None:
    """Recheck soon where nobody may know the password, or a missing right hides a late change.

    This run settles nothing then. What has lasted for a day is left to a person, and to the audits.
    """
    is_blind = isinstance(error, AccessDenied) and at.record.is_uncertain
    if (at.record.is_unknown or is_blind) and not at.observed.audited:
        since = at.record.change.started_at or at.now
        at.observed.settles_nothing |= at.now - since < LONGEST_CHANGE
