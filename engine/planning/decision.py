"""The one decision: what to do about a secret, given its state, the request and the time. Pure.

Events, sweeps, duplicates and operators all end here. So the outcome depends only on the state in
the vault, even if a trigger arrives twice, late, out of order or never. The tags of a secret are
read once for all decisions about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.kinds import Kinds
from engine.secret import Version
from engine.state.decision import Confirm, Decision, Park, Restore, Retire, Rotate, Skip, Wait
from engine.state.due import BY_HAND_FIX, due_at, due_reason, is_manual
from engine.state.index import Listed
from engine.state.policy import NO_DOCUMENT, Policy
from engine.state.record import covers
from engine.state.request import WorkItem, operation_id
from engine.state.tags import (
    DERIVED_FROM,
    MAX_TAGS,
    OPERATION,
    OURS,
    REPLICA_OF,
    RETIRE,
    Malformed,
    Managed,
    Pending,
    has_no_overlap,
    parse,
    rests_until,
    unretired,
)


@dataclass(frozen=True, slots=True)
class Tagged:
    """One version of a secret, without its value, and what its tags ask for under the policy.

    So no decision can depend on a value, or carry one on.
    """

    held: Version
    """The version with its own tags."""
    applied: Version
    """The version with the tags that count under the policy."""
    asks: Managed | Malformed | None
    """None where no tag names a source."""

    @classmethod
    def of(cls, secret: Version, policy: Policy, kinds: Kinds) -> Tagged:
        """Read the tags of a secret."""
        held = secret.bare
        applied = policy.applied(held)
        named = "ProviderAddress" in applied.tags
        return cls(held, applied, parse(applied.tags, policy, kinds) if named else None)

    @property
    def managed(self) -> Managed | None:
        """What the tags ask for, where they can be followed."""
        return self.asks if isinstance(self.asks, Managed) else None

    @classmethod
    def believed(
        cls, secret: Version, records: Sequence[Listed], policy: Policy, kinds: Kinds
    ) -> Tagged:
        """Read the tags, but believe the records where a tag claims a retirement.

        A secret without a record keeps that tag, which the worker judges under the lease.
        """
        if not records:
            return cls.of(secret, policy, kinds)
        read = cls.of(replace(secret, tags=unretired(secret.tags)), policy, kinds)
        pending = next((it.pending for it in records if covers(it.source, read.source)), None)
        if read.managed is None or pending is None:
            return read
        claim = {RETIRE: str(pending)}
        return cls(
            replace(read.held, tags={**read.held.tags, **claim}),
            replace(read.applied, tags={**read.applied.tags, **claim}),
            replace(read.managed, pending=pending),
        )

    @property
    def source(self) -> str | None:
        """The source that the tags name; None where there is none."""
        return self.managed.source if self.managed else None


TAG_DEFAULTS: Mapping[str, str] = {
    "ValidityPeriodDays": "90",
    **dict.fromkeys(("RotateBeforeDays", "OverlapHours", RETIRE), ""),
}
"""What a malformed tag is best set to. An empty text removes it, so the policy's default counts."""


def decided(case: Case) -> Decision:
    """Decide what a work item means for a secret: the first rule decides."""
    decision = next(answer for rule in RULES if (answer := rule(case)))
    return crowded(case.tagged.held) or decision if isinstance(decision, Rotate) else decision


def mended(tagged: Tagged, wrong: Malformed) -> str:
    """Return the command that corrects malformed tags, with a default or VALUE for each.

    A setting of the policy document is corrected there.
    """
    held, applied = tagged.held, tagged.applied
    if any(held.tags.get(tag) != applied.tags.get(tag) for tag in wrong.tags):
        return f"correct {', '.join(wrong.tags)} in the policy document"
    settings = " ".join(f"{tag}={TAG_DEFAULTS.get(tag, 'VALUE')}" for tag in wrong.tags)
    return f"rekey tags set {held.ref.place} {settings}" if settings else "correct the tags"


def crowded(secret: Version, *, in_place: bool = False) -> Park | None:
    """Return why a secret has no room for the tags of a new version; None if it has.

    `in_place`: the new credential supersedes none, so at most an earlier retirement needs a tag.
    """
    kept = {key for key in secret.tags if key not in OURS}
    retires = {RETIRE} if RETIRE in secret.tags or not in_place else set[str]()
    if len(kept | {"CredentialId", OPERATION} | retires) > MAX_TAGS:
        return Park(
            f"{len(kept)} tags leave no room for Rekey's own",
            f"remove tags until CredentialId, {OPERATION} and {RETIRE} fit into {MAX_TAGS}",
        )
    return None


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a rule decides from."""

    tagged: Tagged
    item: WorkItem
    policy: Policy
    now: datetime

    @property
    def secret(self) -> Version:
        """The version with the tags that count under the policy."""
        return self.tagged.applied

    @property
    def managed(self) -> Managed:
        """What the tags ask for, in the rules after those that end all other cases."""
        assert self.tagged.managed  # noqa: S101 - for the type
        return self.tagged.managed

    @property
    def is_replaced(self) -> bool:
        """Whether the item names a version, and another one is current."""
        item, secret = self.item, self.secret
        return bool(item.version and secret.version and item.version != secret.version)

    @property
    def looks_at_key(self) -> bool:
        """Whether a derived secret looks at its key, as one that is left to people does, too."""
        return self.item.follows_key and DERIVED_FROM in self.secret.tags


def _left_alone(case: Case) -> Skip | None:
    secret = case.secret
    if not secret.enabled:
        return Skip("disabled", "enable the current version")
    if case.policy.is_own(secret.ref):
        return Skip("it holds the policy document, which nothing rotates")
    if is_manual(secret.tags) and not case.looks_at_key:
        return Skip("only a person rotates it", BY_HAND_FIX)
    if "ProviderAddress" in secret.tags:
        return None
    if primary := secret.tags.get(REPLICA_OF):
        return Skip(f"a replica: written when {primary} is rotated", "rotate that secret")
    return Skip(
        "not managed: no tag ProviderAddress",
        "set the tag ProviderAddress to what issues the credential: see docs/tags.md",
    )


def _at_rest(case: Case) -> Skip | None:
    """Leave a parked secret alone for a while.

    A recheck always goes on: the source may have changed already, and then nobody would know the
    password for a day. So does the retirement of a compromised credential, which has no overlap. What
    is left to people rests whatever its key does: they were notified.
    """
    secret, item = case.secret, case.item
    rest = rests_until(secret, case.now, case.policy.narrowed)
    is_hinted = item.hint and not is_manual(secret.tags)
    goes_on = item.cause.is_persons or is_hinted or item.compromised or _is_cut_off(case)
    if rest is None or goes_on:
        return None
    reason = secret.tags.get("RekeyReason", "see the log")
    return Skip(f"parked until {rest:%Y-%m-%d %H:%M}Z: {reason}")


def _is_cut_off(case: Case) -> bool:
    """Return whether a leaked credential is to be retired: its owner wants an overlap otherwise."""
    managed = case.tagged.managed
    return has_no_overlap(case.secret) and (managed is None or bool(managed.overlap))


def _malformed(case: Case) -> Park | None:
    tagged = case.tagged
    if isinstance(tagged.asks, Malformed):
        return Park(str(tagged.asks), mended(tagged, tagged.asks))
    return None


def _unbound(case: Case) -> Park | None:
    held, managed, policy = case.tagged.held, case.managed, case.policy
    vault, source = held.ref.vault, managed.source
    in_document = "" if policy.document is NO_DOCUMENT else " and in the policy document"
    bounds = f"REKEY_SCOPES{in_document}"
    if not policy.allows(vault, source):
        pending = managed.pending
        lives = f", so {pending.credential_id} is not revoked there" if pending else ""
        return Park(
            f"vault {vault} is not bound to {source}{lives}",
            f"add the source's scope to this vault in {bounds}, or correct the tag ProviderAddress",
        )
    # A replica that the secret's own tag names may be in any vault, because both owners consent.
    from_document = held.tags.get("Replicas") != managed.settings.get("Replicas")
    if stranger := next(
        (ref for ref in managed.replicas if from_document and not policy.allows(ref.vault, source)),
        None,
    ):
        return Park(
            f"the policy document's replica {stranger} is in a vault not bound to {source}",
            f"add the source's scope to that vault in {bounds}, or set this secret's tag Replicas",
        )
    return None


def _used_again(case: Case) -> Rotate | None:
    """Replace a leaked credential that was to be retired, and that somebody uses again."""
    pending = case.managed.pending
    if pending is None or not _leaked_again(case.managed, pending, case.item):
        return None
    return Rotate(case.managed, "compromised, and taken into use again", at_once=True)


def _leaked_again(managed: Managed, pending: Pending, item: WorkItem) -> bool:
    """Return whether the leaked credential to retire is in use again, as far as ids can tell."""
    is_named = item.version in (None, pending.version)
    return item.compromised and is_named and pending.credential_id == managed.credential_id


def _restored(case: Case) -> Restore | Skip | None:
    """Restore a superseded credential. This comes first, or the credential would be retired."""
    if case.item.action != "restore" or case.is_replaced:
        return None
    if case.managed.pending is None:
        return Skip("no earlier credential still works", "rotate instead")
    return Restore(case.managed, case.managed.pending)


def _overlap_passed(case: Case) -> Retire | None:
    pending = case.managed.pending
    if pending is None or pending.at > case.now:
        return None
    return Retire(case.managed, pending, f"its overlap passed at {pending.at:%Y-%m-%d %H:%M}Z")


def _replaced(case: Case) -> Retire | Confirm | Skip | None:
    """Answer a request about a replaced version. A leaked one is retired without an overlap."""
    secret, managed, item, pending = case.secret, case.managed, case.item, case.managed.pending
    if not (item.version and case.is_replaced):
        return None
    ours = secret.tags.get(OPERATION) == operation_id(secret.ref, item.version)
    if item.compromised and pending and (ours or pending.version == item.version):
        reason = "compromised: no overlap is left to the credential just replaced"
        return Retire(managed, pending, reason)
    # A leaked credential is cut off only if the version in its place works. And a restore is not
    # done because something else has taken the version's place: a restored one is reported as such.
    if item.compromised or (ours and item.action != "restore"):
        return Confirm(managed)
    return Skip("a newer version has replaced the requested one")


def _inside(pending: Pending) -> str:
    return f"inside its overlap until {pending.at:%Y-%m-%d %H:%M}Z"


def _nothing_to_retire(case: Case) -> Skip | None:
    if case.item.action != "retire":
        return None
    fix = "only if the current one has leaked, send compromised with rotate"
    if pending := case.managed.pending:
        return Skip(f"{pending.credential_id} is {_inside(pending)}", fix)
    return Skip("nothing is to be retired", fix)


def _compromised(case: Case) -> Retire | Rotate | None:
    managed, pending = case.managed, case.managed.pending
    if not case.item.compromised:
        return None
    if pending:
        reason = "compromised: no overlap is left to any older credential"
        return Retire(managed, pending, reason)
    return Rotate(managed, "compromised", at_once=True)


AUDITED = "audited: the source accepts the current version"


def _due(case: Case) -> Decision:
    """Rotate what is due. An audit of what is not proves the current version."""
    decision = _rotate_when_due(case)
    keeps = isinstance(decision, Skip | Wait) or is_manual(case.secret.tags)
    if case.item.action == "audit" and keeps:
        return Confirm(case.managed, AUDITED)
    return decision


def _rotate_when_due(case: Case) -> Decision:
    secret, managed, item, now = case.secret, case.managed, case.item, case.now
    due = due_reason(secret, managed, now)
    if due is None and not item.force:
        return Skip(
            f"not due before {due_at(secret, managed):%Y-%m-%d %H:%M}Z",
            "send force to rotate it anyway",
        )
    reason = due or "forced"
    if pending := managed.pending:
        return Wait(
            pending.at,
            f"{reason}, but {pending.credential_id} is {_inside(pending)}",
            "wait; only if it has leaked, send compromised with rotate",
        )
    return _in_its_window(case, reason)


def _in_its_window(case: Case, reason: str) -> Rotate | Wait:
    """Rotate when the window is open, or if the secret expires before that.

    An audit begins nothing: it heals what is refused, whatever the window.
    """
    secret, managed, item, now = case.secret, case.managed, case.item, case.now
    bound = None if item.force else managed.window
    opens = bound.next_open(now) if bound else now
    if opens <= now:
        return Rotate(managed, reason)
    if secret.expires and secret.expires <= opens:
        return Rotate(managed, f"{reason}, which is before its window opens")
    why = f"{reason}, but its window opens {opens:%Y-%m-%d %H:%M}Z"
    return Wait(opens, why, "wait, or send force")


RULES: tuple[Callable[[Case], Decision | None], ...] = (
    _left_alone,
    _at_rest,
    _malformed,
    _unbound,
    _used_again,
    _restored,
    _overlap_passed,
    _replaced,
    _nothing_to_retire,
    _compromised,
    _due,
)
"""In this order: the first that has something to say decides."""
