"""The plan of a work item under its lease: one table, of which the first row that holds counts. Pure.

The worker under the lease observes, plans, takes the step and plans again, until a step ends the
work. So each step follows from the record, the secret and the request alone. It does not matter
which workers were here before, and where they died.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.secret import Version
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
from engine.state.record import Record
from engine.state.request import WorkItem
from engine.state.tags import Managed, Pending

type Ending = Skip | Wait | Park


@dataclass(frozen=True, slots=True)
class Turn:
    """What is known when the next step is planned."""

    work: WorkItem
    """The work item."""
    item: WorkItem
    """What is done first: an incident that the record knows of comes before the work item."""
    secret: Version
    """The current version, with the record's facts in place of what its tags claim."""
    here: Managed | None
    """What its tags ask for at the source under lease; None if they name another one, or none."""
    record: Record
    """What is known of the source; blank where another secret owns it."""
    decision: Decision
    """What its tags, the request, the policy and the time ask for."""
    now: datetime
    is_bound: bool
    """The secret's vault is bound to the source by the scopes as they are now."""
    has_value: bool
    """The value is in hand. It is dropped once it is published."""
    is_accepted: bool
    """The source has accepted the current version in this run."""
    has_done: bool
    """This run has done something that is not reported yet."""
    needless: str
    """Why a recheck has nothing to do; empty if it has, or if this is no recheck."""
    recheck_follows: bool
    """A recheck follows, of a change that may take effect late."""
    resumes: bool
    """A change is in progress, and a later recheck asks whether it has ended."""
    carries_on: bool
    """It is the recheck of a change that a rotation of this version has requested."""
    was_owner: bool
    """The secret owned the source when the turn began."""
    taken: frozenset[str] = frozenset()
    """The steps that were taken in this turn; in a later turn, the steps of AT_FIRST, too."""
    obstacle: Park | Wait | None = None
    """Found out: why the source is not this secret's, or not to be changed yet."""
    is_refused: bool = False
    """Found out: the source refuses the current version."""
    lagging: Wait | None = None
    """Found out: what a retirement waits for."""

    @property
    def acting(self) -> Acting:
        """The decision, in the rows after the one that ends all work without an action."""
        assert isinstance(self.decision, Acting)  # noqa: S101 - for the type
        return self.decision

    @property
    def acts_here(self) -> bool:
        """Whether the decision acts, and at this source."""
        return isinstance(self.decision, Acting) and self.here is not None

    @property
    def is_proven(self) -> bool:
        """Whether only a proof is decided, and this run has it."""
        return isinstance(self.decision, Confirm) and self.is_accepted

    @property
    def due(self) -> Pending | None:
        """The superseded credential whose overlap has passed."""
        pending = self.record.retirement
        return pending if pending and pending.at <= self.now else None


@dataclass(frozen=True, slots=True)
class Step:
    """What is done next."""

    name: str
    says: Ending | None = None
    """Why the work ends here, and the fix."""


def plan(turn: Turn) -> Step:
    """Return the next step."""
    for name, rule in TABLE:
        if name not in turn.taken and (answer := rule(turn)):
            return Step(name, answer if isinstance(answer, Skip | Wait | Park) else None)
    raise AssertionError(turn.decision)


def _left_to_a_recheck(turn: Turn) -> Skip | None:
    """Leave a single slot whose password is uncertain to the recheck that follows.

    Otherwise every duplicate message would set the password once more.
    """
    work, is_waited_for = turn.work, turn.record.change.in_progress_since
    overruled = work.compromised or work.recheck or work.cause.is_persons or is_waited_for
    is_single = isinstance(turn.decision, Acting) and turn.decision.managed.is_single
    is_left = is_single and turn.recheck_follows and not overruled
    return Skip("a recheck of the source follows") if is_left else None


def _in_progress(turn: Turn) -> Wait | None:
    """Leave a change in progress to the recheck that asks whether it has ended."""
    is_about_it = isinstance(turn.decision, Rotate | Retire) or turn.record.compromised.versions
    if turn.resumes and turn.was_owner and is_about_it:
        since = under_way_since(turn.record) or "a change is in progress"
        return Wait(turn.now, f"{since}; a recheck asks later whether it has ended")
    return None


def _is_being_revoked(turn: Turn) -> Wait | None:
    """Restore no credential that a change may still revoke.

    A revocation whose end was not noted may still take effect. A request that was sent because of a
    leak is about another credential.
    """
    if not isinstance(turn.decision, Restore):
        return None
    if since := under_way_since(turn.record):
        return Wait(turn.now, f"the earlier credential is being revoked, {since}")
    change, leaks = turn.record.change, turn.record.compromised.versions
    is_retirement = change.version == turn.secret.version and not (change.requested_at or leaks)
    until = change.uncertain_until
    if is_retirement and until and until > turn.now:
        ends = f"until {until:%Y-%m-%d %H:%M}Z"
        return Wait(until, f"the earlier credential may still be revoked by what was sent, {ends}")
    return None


def under_way_since(record: Record) -> str:
    """Say since when a source has been at a change; empty if it is at none."""
    since = record.change.in_progress_since
    return f"under way since {since:%Y-%m-%d %H:%M}Z" if since else ""


def _needs_an_owner(turn: Turn) -> bool:
    """Claim the source for a secret that is acted on, or whose incident no record can note yet.

    A retirement that only a tag claims is refused with a reason, not skipped silently.
    """
    is_unproven = isinstance(turn.decision, Skip) and turn.item.action == "retire"
    is_unnoted = turn.work.compromised and not turn.record.owner
    return turn.acts_here or is_unproven or is_unnoted


def _knows_too_little(turn: Turn) -> bool:
    """Read again where the decision was made from too little.

    A source that has just passed on may owe something, and its record can note an incident now. A
    value that was dropped is needed again if anything is left to do.
    """
    is_new = bool(turn.record.owner) and not turn.was_owner
    has_passed_on = is_new and (turn.work.compromised or not turn.record.is_blank)
    goes_on = isinstance(turn.decision, Acting) and not turn.is_proven
    is_left = bool(turn.record.compromised.versions or turn.due or goes_on)
    return has_passed_on or (turn.secret.enabled and not turn.has_value and is_left)


def _has_leaked(turn: Turn) -> bool:
    """Revoke a leaked credential once nothing else is to be done with the current version.

    The current version is verified first where that tells more. A single slot that accepts it
    refuses everything else. A late change may have made the source refuse what Rekey published:
    that is repaired first, because nothing is revoked in a list that lacks the credential in use.
    """
    if not turn.record.compromised.versions:
        return False
    if not turn.acts_here:
        return True
    if not isinstance(turn.decision, Confirm):
        return False
    record, is_single = turn.record, turn.decision.managed.is_single
    tells_more = is_single and (record.wrote(turn.secret) or record.accepted_a_leak)
    return turn.is_accepted or not (tells_more or record.may_be_hit(turn.secret))


def _is_due_elsewhere(turn: Turn) -> bool:
    """Retire although nothing else is done here: the secret rests, or has left this source.

    Nothing is revoked while the secret is disabled, because nobody can tell what it holds. What an
    incident has revoked is only taken off the list.
    """
    going, revoked = turn.record.retirement, turn.record.compromised.revoked
    is_due = turn.due is not None or bool(going and going.version in revoked)
    return is_due and not turn.acts_here and turn.secret.enabled


def _follows_a_key(turn: Turn) -> bool:
    is_derived = turn.acts_here and turn.acting.managed.derived_from
    return bool(is_derived) and not turn.is_proven


def _is_done(turn: Turn) -> bool:
    """Report what was done. That includes a revocation at a source that the secret has left."""
    is_acting = isinstance(turn.decision, Acting)
    return (turn.acts_here and turn.is_proven) if is_acting else turn.has_done


def _is_unbound(turn: Turn) -> bool:
    """Return whether a due credential may not be revoked: its source is outside the scopes now."""
    is_asked = turn.due is not None and turn.work.action == "retire"
    return is_asked and not (turn.is_bound or turn.here)


def _may_have_left_something(turn: Turn) -> bool:
    record = turn.record
    may_come = record.change.uncertain_until or record.pending_write
    is_owed = may_come or any("/" in entry for entry in record.stale)
    return bool(turn.item.recheck and is_owed) and not turn.acts_here


def _nothing_to_do(turn: Turn) -> Ending | None:
    """End the work, but not for an incident that no record notes: that is tried again."""
    is_unnoted = turn.work.compromised and not turn.record.owner
    return None if isinstance(turn.decision, Acting) or is_unnoted else turn.decision


def _may_be_hit(turn: Turn) -> bool:
    """Try the current version first where the source may refuse it. Then it is repaired first.

    The credential to retire may be the last one that works. And a late change may have replaced the
    credential in use: only a repair reads what the source holds in its place.
    """
    decision = turn.decision
    if not isinstance(decision, Retire | Rotate):
        return False
    is_last = isinstance(decision, Retire) and not turn.item.compromised
    is_late = turn.record.may_be_hit(turn.secret)
    # The change in progress may have replaced the current version's credential by now.
    return is_last or is_late or turn.carries_on


type When = Callable[[Turn], Ending | bool | None]

AT_FIRST = frozenset({"ask owner", "leave to recheck"})
"""The steps that are taken at most once, before anything is done."""
TABLE: tuple[tuple[str, When], ...] = (
    ("ask owner", lambda turn: turn.work.compromised and turn.here is None),
    ("leave to recheck", lambda turn: Skip(turn.needless) if turn.needless else None),
    ("leave to recheck", _left_to_a_recheck),
    ("leave to recheck", _in_progress),
    ("conclude", _is_being_revoked),
    ("claim", _needs_an_owner),
    ("read", _knows_too_little),
    ("conclude", lambda turn: turn.obstacle),
    # What a key has made follows it, also while what it held before is to be revoked.
    ("ask key", _follows_a_key),
    ("revoke", _has_leaked),
    ("retire elsewhere", _is_due_elsewhere),
    ("report", _is_done),
    ("park unbound", _is_unbound),
    ("clean up", _may_have_left_something),
    ("conclude", _nothing_to_do),
    ("leave source", lambda turn: not turn.acts_here),
    ("try current", _may_be_hit),
    ("verify", lambda turn: turn.is_refused),
    ("wait for apps", lambda turn: isinstance(turn.decision, Retire)),
    # An audit does not wait: the current version is still proven.
    ("verify and report", lambda turn: turn.lagging and turn.item.action == "audit"),
    ("conclude", lambda turn: turn.lagging),
    ("rotate", lambda turn: isinstance(turn.decision, Rotate)),
    ("retire", lambda turn: isinstance(turn.decision, Retire)),
    ("restore", lambda turn: isinstance(turn.decision, Restore)),
    ("verify", lambda turn: isinstance(turn.decision, Confirm)),
)
"""In this order. A step that finds something out is taken once a turn.

`rotate`, `restore` and `retire` are several of the formal model, docs/spec/README.md.
"""
