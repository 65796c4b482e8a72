"""What comes before the next step of a rotation: named checks, each asked in this order.

A check that has nothing to say returns None. Otherwise it ends the work, returns the secret as it
is once something else was done, so that everything is decided anew, or names the step to take first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.errors import TransientError
from engine.follow_up import refresh, tasks
from engine.rotation.clean_up import PendingCleanUp
from engine.rotation.confirming import Confirming
from engine.rotation.ending import under_way_since
from engine.rotation.heir import held_by_heir
from engine.rotation.marking import Marking
from engine.rotation.ownership import other_owner, other_writer
from engine.rotation.parent_key import KEY_COMPROMISED, ParentKey
from engine.rotation.reporting import Reporting
from engine.rotation.rotation import Rotation
from engine.rotation.subject import Subject
from engine.secret import SecretVersion
from engine.state.decision import (
    Acting,
    Confirm,
    Decision,
    Park,
    Restore,
    Retire,
    Rotate,
    Skip,
    Wait,
)
from engine.state.request import Outcome, WorkItem

REAUDITS = (1, 3)
"""After so many waits for a compromised key, of a minute each, its own secret is audited."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The work is over at this source."""

    outcome: Outcome | None
    """None if the secret's source is not the one under lease."""


@dataclass(slots=True)
class Turn:
    """What was decided about a secret, as it was read last."""

    secret: SecretVersion
    item: WorkItem
    """What is asked for."""
    decision: Decision
    was_owner: bool = True
    """The secret owned the source before this turn."""

    @property
    def acting(self) -> Acting:
        """The decision, once it is known that something is to be done."""
        assert isinstance(self.decision, Acting)  # noqa: S101 - a check before has ended the rest
        return self.decision

    def is_at(self, source: str) -> bool:
        """Return whether something is to be done at a source."""
        return isinstance(self.decision, Acting) and self.decision.managed.source == source


type Found = Ended | SecretVersion | Confirm | None
type Check = Callable[[Rotation, Turn], Awaitable[Found]]


async def passed_to_an_heir(at: Rotation, turn: Turn) -> Ended | None:
    """Send a report on to the secret to which its source has passed."""
    if at.managed_here(turn.secret):
        return None
    held = await held_by_heir(at.parts, at.lease.record, at.progress.item)
    return await sent_on(at, held) if held else None


async def sent_on(at: Rotation, later: WorkItem) -> Ended:
    """End the work here, and send a report on."""
    await at.parts.accept(later)
    reason = f"its source has passed to {later.ref}, which has what leaked: sent on to that"
    item = at.progress.item
    return Ended(Outcome(item, "waiting", reason, old_version=at.progress.old_version))


async def needless(at: Rotation, turn: Turn) -> Ended | None:
    """End a look that has nothing left to look at."""
    if reason := at.observed.needless:
        return await _concluded(at, turn, Skip(reason))
    return None


async def left_to_a_look(at: Rotation, turn: Turn) -> Ended | None:
    """Leave a single slot whose password is uncertain to the look that follows.

    Else every duplicate would set the password once more, and post looks of its own. A change
    under way is left to the message that looks for its end, which no look puts off.
    """
    item, decision = turn.item, turn.decision
    if (
        at.record.change.in_progress_since
        or item.compromised
        or item.recheck
        or item.trigger == "manual"
        or not at.observed.is_promised
    ):
        return None
    if isinstance(decision, Acting) and at.is_single(decision.managed):
        return await _concluded(at, turn, Skip("a look at the source follows"))
    return None


async def in_progress(at: Rotation, turn: Turn) -> Ended | None:
    """Leave a change in progress to the recheck that looks for its end.

    Nor is a credential restored that the change is about to revoke.
    """
    decision, since = turn.decision, under_way_since(at.record)
    if at.carries_on:
        decision = at.parts.decide(turn.secret, at.asked())
    if isinstance(decision, Restore) and at.record.change.in_progress_since:
        reason = f"the earlier credential is being revoked, {since}"
    elif at.lease.resumes and isinstance(decision, Rotate | Retire):
        reason = f"{since}; its end is looked for later"
    else:
        return None
    return Ended(Outcome(turn.item, "waiting", reason, old_version=turn.secret.version))


async def kept_by_another(at: Rotation, turn: Turn) -> Ended | None:
    """Refuse a source that another secret owns, or a version that another deployment wrote.

    A retirement that only a tag claims is refused with a reason, not skipped silently.
    """
    unproven = isinstance(turn.decision, Skip) and turn.item.action == "retire"
    if not (turn.is_at(at.lease.source) or unproven):
        return None
    leaked = at.progress.item.compromised
    obstacle = await other_owner(at.parts, at.lease, turn.secret, leaked=leaked)
    # Whoever wrote it cannot know of the change that a look is about.
    is_ours = at.observed.item.recheck and at.observed.may_have_cut_off
    if obstacle is None and not is_ours:
        obstacle = await other_writer(at.parts, at.record, at.observed.shown)
    return await _concluded(at, turn, at.warned(obstacle)) if obstacle else None


async def read_again(at: Rotation, turn: Turn) -> SecretVersion | None:
    """Read the secret again where more is known than was decided from.

    With a source that has just passed on goes what is owed there. A value that was let go of is
    needed for whatever is left to do.
    """
    has_passed_on = not (turn.was_owner or at.record.is_blank)
    return await at.look() if has_passed_on or _lacks_value(at, turn) else None


def _lacks_value(at: Rotation, turn: Turn) -> bool:
    """Return whether more is to be done than to end, once the value has been let go of."""
    secret, decision = turn.secret, turn.decision
    if not secret.enabled or secret.value is not None:
        return False
    due = at.record.retirement and at.record.retirement.at <= at.parts.clock.now()
    goes_on = isinstance(decision, Acting) and not _is_proven(at, turn)
    return bool(at.record.compromised.versions or due or goes_on)


async def owed_first(at: Rotation, turn: Turn) -> SecretVersion | None:
    """Finish what only the record knows of: what leaked, or a retirement where the secret was."""
    here = turn.is_at(at.lease.source)
    return await PendingCleanUp(at).finish(turn.secret, turn.decision, here=here)


async def key_first(at: Rotation, turn: Turn) -> None:
    """Decide about a derived secret once its key is known."""
    secret, item = turn.secret, turn.item
    if not turn.is_at(at.lease.source) or secret.version == at.progress.proven:
        return
    parent_key = ParentKey.of(at.parts, turn.acting.managed)
    if parent_key is None:
        return
    try:
        turn.decision = await parent_key.judged(secret, item, turn.acting)
    except TransientError as error:
        if error.code == KEY_COMPROMISED and item.deferred in REAUDITS:
            # Whoever replaces it may have died, and its message comes back minutes later. So
            # may whoever was asked to look.
            reason = "it is compromised, and what it made waits for another"
            await parent_key.have_audited(reason, follows=True)
        raise


async def nothing_to_do(at: Rotation, turn: Turn) -> Ended | None:
    """End the work where nothing is to be done, and report what was."""
    secret, decision = turn.secret, turn.decision
    if isinstance(decision, Acting):
        return None
    # What was revoked at a source that the secret has left is reported as well.
    if at.progress.result and (at.progress.managed or at.progress.retired):
        return Ended(Reporting(at).outcome(secret))
    clean_up = PendingCleanUp(at)
    if unbound := clean_up.unbound(secret):
        return Ended(unbound)
    if turn.item.recheck and at.record.change.uncertain_until:
        await clean_up.tidy()
    return await _concluded(
        at, turn, at.warned(decision) if isinstance(decision, Park) else decision
    )


async def has_left(at: Rotation, turn: Turn) -> Ended | None:
    """End the work at a source that the secret has left."""
    if turn.is_at(at.lease.source):
        return None
    return Ended(await PendingCleanUp(at).leave(turn.secret))


async def proven_already(at: Rotation, turn: Turn) -> Ended | None:
    """End the work once the version in use has been proven in this very run."""
    if not _is_proven(at, turn):
        return None
    at.progress.managed = turn.acting.managed
    return Ended(Reporting(at).outcome(turn.secret))


def _is_proven(at: Rotation, turn: Turn) -> bool:
    return isinstance(turn.decision, Confirm) and turn.secret.version == at.progress.proven


async def repair_first(at: Rotation, turn: Turn) -> Confirm | None:
    """Heal what is in use first, where the source refuses it.

    The credential to retire may be the last one that works. And a late change of Rekey's own
    may have hit what it published, or brought it over another version: what the source holds
    in its place is known to healing alone.
    """
    decision = turn.acting
    if not isinstance(decision, Retire | Rotate):
        return None
    is_last = isinstance(decision, Retire) and not at.asked().compromised
    may_be_hit = is_last or (at.observed.may_be_late and at.observed.wrote(turn.secret))
    # What was asked for may be in place of the current version, which has gone by now.
    may_be_hit |= at.carries_on
    if may_be_hit and await Subject(at, decision.managed).is_refused(turn.secret):
        return Confirm(decision.managed, decision.reason)
    return None


async def others_first(at: Rotation, turn: Turn) -> Ended | None:
    """Let a retirement wait for apps, and for what the key has made.

    Apps read a new value before what leaked is cut off. An audit does not wait: the current version
    is still proven, and the lagging app refreshed for it.
    """
    secret, item, decision = turn.secret, turn.item, turn.acting
    if isinstance(decision, Retire) and item.compromised:
        refs = (secret.ref, *decision.managed.replicas)
        await refresh.give(at.parts, item, refs, at.lease.last)
        if at.progress.published_now:
            await tasks.refresh_first(at.parts, Reporting(at).outcome(secret))
    lagging = await PendingCleanUp(at).hold_back(secret, item, decision)
    if lagging is None:
        return None
    if item.action != "audit":
        return await _concluded(at, turn, lagging)
    secret = await Confirming(Subject(at, decision.managed)).confirm(secret, lagging.reason)
    return Ended(Reporting(at).outcome(secret))


async def _concluded(at: Rotation, turn: Turn, decision: Skip | Wait | Park) -> Ended:
    return Ended(await Marking(at.parts).conclude(turn.secret, turn.item, decision))


AT_FIRST: tuple[Check, ...] = (passed_to_an_heir, needless, left_to_a_look, in_progress)
"""Asked once, before the first turn."""
EACH_TURN: tuple[Check, ...] = (
    kept_by_another,
    read_again,
    owed_first,
    key_first,
    nothing_to_do,
    has_left,
    proven_already,
    repair_first,
    others_first,
)
"""Asked in every turn, before its step."""
