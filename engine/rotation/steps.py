"""The steps of the plan: each does one thing, and returns what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from engine.errors import MayComeBack, NeedsHuman, PermanentError, RekeyError
from engine.follow_up import refresh, tasks
from engine.planning.plan import Step, Turn
from engine.rotation import leaked, publish, report, retire, verify
from engine.rotation.context import Rotation
from engine.rotation.derived import Dependents, ParentKey
from engine.rotation.ownership import other_owner, other_writer
from engine.rotation.source_lease import FRESH_SECONDS, LOST, UNBOUND_FIX
from engine.rotation.vault_writer import Overtaken
from engine.secret import SecretVersion
from engine.state.decision import Acting, Confirm, Park, Restore, Retire, Rotate, Wait
from engine.state.incident import STILL_ACCEPTED
from engine.state.record import parts_of
from engine.state.request import Outcome, WorkItem
from engine.state.tags import Managed

log = logging.getLogger("rekey")

type After = Outcome | SecretVersion | Turn | None
"""What comes of a step: the end, the secret as it is since, or one more thing that is known.

None if the work ends because the secret's source is not the one under lease.
"""


# Steps that end the work.


async def ask_owner(at: Rotation, _: SecretVersion, turn: Turn, __: Step) -> Outcome | Turn:
    """Send a report on if the source has passed to a secret that holds the leaked credential."""
    later = await leaked.held_by_owner(at.parts, at.lease.record, at.progress.item)
    return await sent_on(at, later) if later else turn


async def sent_on(at: Rotation, later: WorkItem) -> Outcome:
    """End the work here, and send a report on to another secret."""
    await at.parts.accept(later)
    reason = f"its source has passed to {later.ref}, which has what leaked: sent on to that"
    progress = at.progress
    return Outcome(progress.item, "waiting", reason, old_version=progress.old_version)


async def conclude(at: Rotation, secret: SecretVersion, turn: Turn, step: Step) -> Outcome:
    """End the work where nothing is to be done, or a recheck of the source follows."""
    says, item = step.says, turn.work if step.name == "leave to recheck" else turn.item
    assert says  # noqa: S101 - it is planned with its reason
    says = replace(says, reason=at.warned(says.reason)) if isinstance(says, Park) else says
    if at.progress.result is None and (kept := at.progress.reason):
        says = replace(says, reason=f"{kept}; {says.reason}")
    is_notified = at.observed.is_notified(says.reason)
    return await report.conclude(at.parts, secret, item, says, is_notified=is_notified)


async def report_done(at: Rotation, secret: SecretVersion, _: Turn, __: Step) -> Outcome:
    """End the work, and report what was done."""
    return report.outcome_of(at, secret)


async def park_unbound(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Outcome:
    """End the work where a due credential may not be revoked, and report that.

    The secret gets no mark, because a mark would keep its present source waiting.
    """
    assert turn.due  # noqa: S101 - planned from it
    item, credential_id = at.progress.item, turn.due.credential_id
    reason = f"{credential_id} is to be revoked, but {at.lease.unbound(item.ref)}"
    return Outcome(item, "parked", reason, UNBOUND_FIX, old_version=secret.version)


async def verify_and_report(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Outcome:
    """Verify the current version while a retirement waits for apps, and report that."""
    assert turn.lagging  # noqa: S101 - planned from it
    secret = await verify.current(at, secret, turn.lagging.reason)
    return report.outcome_of(at, secret)


# Steps that find something out.


async def claim(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Turn:
    """Claim the source; find out whether another secret owns it, or another deployment writes."""
    is_leak, managed = at.progress.item.compromised, at.here
    if is_leak and not turn.acts_here:
        managed = await _leaked_here(at, secret)
        if managed is None:
            return turn
    names = parts_of(managed.source) if managed else ()
    obstacle: Park | Wait | None = await other_owner(at.lease, secret, names, leaked=is_leak)
    if is_leak and obstacle:
        # No record can note the leak, so the item is tried again.
        raise NeedsHuman(obstacle.reason, where=str(secret.ref), fix=obstacle.fix)
    # Another deployment cannot know of the change that a recheck is about.
    is_ours = at.item.recheck and at.observed.may_have_replaced
    if obstacle is None and not is_ours:
        rotates = isinstance(turn.decision, Rotate) and not at.effective_item().compromised
        shown = at.observed.shown
        obstacle = await other_writer(at.parts, at.record, shown, rotates=rotates)
    return replace(turn, obstacle=obstacle, record=at.record)


async def _leaked_here(at: Rotation, secret: SecretVersion) -> Managed | None:
    """Return what the tags ask for at this source, now or in the version that leaked.

    None if they name another source, or one outside the scopes.
    """
    managed, policy = at.here, at.parts.policy
    if managed is None and (version := at.progress.item.version):
        managed = at.managed_here(await at.observed.read_version(version))
    is_bound = managed is not None and policy.allows(secret.ref.vault, managed.source)
    return managed if is_bound else None


async def ask_key(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Turn:
    """Decide about a derived secret once its key is known."""
    parent_key, at.progress.unmade = ParentKey(at.parts, turn.acting.managed), None
    try:
        decision = await parent_key.judged(secret, turn.item, turn.acting)
    except PermanentError as error:
        return _unmade(at, turn, error)
    if isinstance(decision, Park) and at.record.compromised.versions:
        full = NeedsHuman(decision.reason, where=str(secret.ref), fix=decision.fix)
        return _unmade(at, turn, full)
    if isinstance(decision, Rotate) and at.managed.replicas:
        # What is dead already waits for none of them.
        at.progress.drifted = await at.is_refused(secret)
    return replace(turn, decision=decision)


def _unmade(at: Rotation, turn: Turn, error: PermanentError) -> Turn:
    """Try what has leaked although its key makes nothing: that key may be gone, and the leak dead.

    Raises the error if nothing has.
    """
    if not at.record.compromised.versions:
        raise error
    at.progress.unmade = error
    return replace(turn, decision=Confirm(turn.acting.managed, f"{error.what}: {error.fix}"))


async def clean_up(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Turn:
    """Remove what an abandoned rotation has made, once its write cannot come any more.

    A secret that is disabled may hold what was announced, and goes on once it is enabled. Nothing is
    owed to the replicas of one that is not rotated here.
    """
    if secret.enabled:
        at.lease.learn(at.record.cleared(*(entry for entry in at.record.stale if "/" in entry)))
        if await verify.is_certainly_lost(at, secret):
            at.lease.learn(at.record.overdue())
    await retire.tidy_abandoned(at)
    return replace(turn, record=at.record)


async def try_current(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Turn:
    """Find out whether the source refuses the current version."""
    is_refused = await at.is_refused(secret)
    return replace(turn, is_refused=is_refused)


async def wait_for_apps(at: Rotation, secret: SecretVersion, turn: Turn, _: Step) -> Turn:
    """Find out whether a retirement waits for apps, or for derived secrets of the key.

    In an incident, apps get time to read the new value before the leaked one is cut off.
    """
    decision = turn.decision
    assert isinstance(decision, Retire)  # noqa: S101 - it is planned for nothing else
    if turn.item.compromised:
        refs = Dependents(at.parts, decision.managed).holders(secret)
        await refresh.give(at.parts, turn.item, refs, partial(at.lease.ensure, FRESH_SECONDS))
        known = at.progress
        if known.has_published and known.new_version == known.proven:
            # This run itself has published it.
            await tasks.refresh_first(at.parts, report.outcome_of(at, secret))
    lagging = await retire.hold_back(at, secret, turn.item, decision)
    return replace(turn, lagging=lagging)


# Steps that change something.


async def settle_leaked(
    at: Rotation, secret: SecretVersion, turn: Turn, _: Step
) -> SecretVersion | None:
    """Prove that a leaked credential is refused, or revoke it. One that waits holds up no other."""
    if not turn.is_bound:
        what = f"{at.lease.unbound(secret.ref)}: {STILL_ACCEPTED}"
        raise NeedsHuman(what, where=str(secret.ref), fix=UNBOUND_FIX)
    try:
        await retire.tidy_of_another(at, secret)
    except RekeyError as error:
        if error.retry_after is not None:
            raise
        # A leak does not wait for a leftover to be removed: the source may be gone as well.
        log.warning("%s: what a rotation made may be left: %s", secret.ref, error)
        at.lease.learn(at.record.unremoved())
    version = at.first_compromised
    try:
        await leaked.settle(at, secret, version, turn.decision)
    except (PermanentError, MayComeBack) as error:
        # Only a report goes on there. A recheck is no report, and tells people.
        is_report = at.progress.item.compromised
        if is_report and await leaked.works_at_its_new_address(at, secret, version):
            return None
        at.leave_unsettled(version, error)
    return await at.observe()


async def retire_elsewhere(
    at: Rotation, secret: SecretVersion, turn: Turn, _: Step
) -> SecretVersion | Turn:
    """Retire at a source that the secret has left."""
    if await retire.is_kept(at, secret):
        return turn
    return await retire.superseded(at, secret)


async def act(at: Rotation, secret: SecretVersion, turn: Turn, step: Step) -> After:
    """Verify, rotate, retire or restore. If a person wrote a version meanwhile, read that."""
    try:
        return await _acted(at, secret, turn.acting, step)
    except Overtaken as error:
        if error.retry_after:
            # Azure has named a time, and another read would come sooner.
            raise
        await retire.tidy_abandoned(at)
        current = await at.observe()
        if LOST in error.what and not current.enabled:
            raise NeedsHuman(
                error.what, where=str(secret.ref), fix="enable the secret, then rotate it by hand"
            ) from None
        return current
    except PermanentError as error:
        if not (step.name == "rotate" and turn.acting.managed.derived_from):
            raise
        return _unmade(at, turn, error)


async def _acted(at: Rotation, secret: SecretVersion, decision: Acting, step: Step) -> After:
    if step.name == "verify":
        return await verify.current(at, secret, decision.reason)
    match decision:
        case Rotate(_, reason, at_once):
            return await publish.rotate(at, secret, reason, at_once=at_once)
        case Restore():
            return await publish.restore(at, secret, decision)
        case Retire(_, _, reason):
            return await retire.superseded(at, secret, reason)
    raise AssertionError(decision)


STEPS: Mapping[str, Callable[[Rotation, SecretVersion, Turn, Step], Awaitable[After]]] = {
    "ask owner": ask_owner,
    "leave to recheck": conclude,
    "claim": claim,
    "read": lambda at, *_: at.observe(),
    "revoke": settle_leaked,
    "retire elsewhere": retire_elsewhere,
    "ask key": ask_key,
    "clean up": clean_up,
    "park unbound": park_unbound,
    "conclude": conclude,
    "leave source": lambda at, secret, *_: retire.leave_source(at, secret),
    "report": report_done,
    "try current": try_current,
    "wait for apps": wait_for_apps,
    "verify and report": verify_and_report,
    **dict.fromkeys(("verify", "rotate", "retire", "restore"), act),
}
