"""What listings alone tell of every secret: how it stands, and what will happen to it. Pure.

No call per secret, and no value. Also what one request leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.kinds import Kinds
from engine.planning.decision import Case, Tagged, decided, mended
from engine.secret import SecretRef, Version
from engine.state.decision import Decision, Park, Retire, Rotate, Skip, Wait
from engine.state.due import BY_HAND_FIX, due_at, due_by_hand, is_manual, why_due
from engine.state.entry import NEEDS_A_PERSON, Entry, Scheduled, State
from engine.state.incident import ENABLE, STILL_ACCEPTED, TO_AGREE, UNWRITTEN
from engine.state.index import Listed, StateIndex
from engine.state.policy import Policy
from engine.state.record import RECHECKED_FOR, covers, owners_tags, parts_of
from engine.state.request import Cause, WorkItem
from engine.state.tags import (
    OPERATION,
    REASON,
    REPLICA_OF,
    RETIRE,
    STATE,
    Malformed,
    Managed,
    Pending,
    marked_since,
    named,
    unretired,
)

OR_BY_HAND = "or revoke that at its source and move its record aside: see the runbook"
"""What else to do about a secret out of reach that had something to retire."""
HAS_LEFT = "the secret has left its source", "see in the log why it is not revoked there"
OVERDUE_FIX = "see that sweeps run, then rotate it by hand: the answer says what holds it up"
UNREAD = "see in the log of the sweeps why, and correct its tags"
IS_DISABLED = "the current version is disabled"
GRACE = timedelta(days=1)
"""How long a secret may be due, although nothing holds it up, before it counts as overdue."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Secrets as a listing or a read shows them, under one policy and at one time."""

    policy: Policy
    kinds: Kinds
    now: datetime

    def case(
        self, secret: Version, records: Sequence[Listed] = (), item: WorkItem | None = None
    ) -> Case:
        """Return what is decided from where a sweep, or `item`, asks for a secret."""
        tagged = Tagged.believed(secret, records, self.policy, self.kinds)
        return Case(tagged, item or sweep_of(secret.ref), self.policy, self.now)

    def entry(self, secret: Version, records: Sequence[Listed] = ()) -> Entry:
        """Return the state of one secret; `records`: what Rekey's own records say of it."""
        try:
            case = self.case(secret, records)
            return standing(case, decided(case), records)
        except Exception as error:  # noqa: BLE001 - no secret hides the others
            return Entry(
                secret.bare, "parked", f"it cannot be judged: {type(error).__name__}", UNREAD
            )

    def steps(self, secret: Version, item: WorkItem, first: Decision) -> list[Decision]:
        """Return all that one request leads to, beginning with its first decision.

        A retirement makes room for the rotation that was waiting for it. A compromised credential
        gets no overlap, so its retirement follows its replacement. A source with a single slot needs
        no retirement: it has already forgotten the old credential.
        """
        follow: list[Decision] = [first]
        if isinstance(first, Retire):
            retired = replace(secret, tags=unretired(secret.tags))
            following = decided(self.case(retired, item=item))
            if isinstance(following, Rotate):
                follow.append(following)
        last = follow[-1]
        if isinstance(last, Rotate) and last.at_once and not last.managed.is_single:
            credential = last.managed.credential_id or "the credential held now"
            held = Pending(self.now, secret.version or "", credential)
            follow.append(Retire(last.managed, held, "compromised: it gets no overlap"))
        return follow

    def plan(
        self, secrets: Iterable[Version], until: datetime, index: StateIndex
    ) -> list[Scheduled]:
        """Return what will happen to all secrets if nothing goes wrong, in order of time."""
        believed = [self.case(it, index.of(it.ref)).tagged.held for it in secrets]
        scheduled = [event for it in believed for event in self.forecast(it, until)]
        rotated: dict[str, datetime] = {}
        for event in scheduled:
            if event.what == "rotate":
                rotated.setdefault(str(event.secret.ref).lower(), event.at)
        return sorted(
            (event for event in scheduled if not _followed(event, rotated)),
            key=lambda event: event.at,
        )

    def forecast(self, secret: Version, until: datetime) -> Iterator[Scheduled]:
        """Yield what will happen to one secret, given its current version as a listing shows it."""
        current = self.entry(secret)
        if self.policy.is_own(secret.ref):
            return
        if is_manual(current.secret.tags):
            if current.due and current.due <= until:
                yield Scheduled(current.due, "remind", secret, current.reason, BY_HAND_FIX)
        elif current.managed and current.state in ("ok", "due", "overdue"):
            yield from self._ahead(secret, current.managed, until)
            return
        if secret.expires and secret.expires <= until:
            yield Scheduled(
                secret.expires,
                "expire",
                secret,
                current.reason or "nothing rotates it",
                current.fix,
            )

    def _ahead(self, secret: Version, managed: Managed, until: datetime) -> Iterator[Scheduled]:
        """Play the sweeps to come, replacing the version by each one that will be published."""
        moment = self.now
        while moment <= until:
            case = (then := replace(self, now=moment)).case(secret)
            match decided(case):
                case Rotate(_, reason):
                    yield Scheduled(moment, "rotate", secret, reason)
                    secret = _rotated(secret, managed, moment)
                case Retire(_, pending, reason):
                    ahead = f"its overlap passes at {pending.at:%Y-%m-%d %H:%M}Z"
                    yield Scheduled(
                        moment, "retire", secret, ahead if pending.at > self.now else reason
                    )
                    secret = replace(secret, tags=unretired(secret.tags))
                case Wait(until_then, reason, fix):
                    if secret.expires and moment < secret.expires <= min(until_then, until):
                        yield Scheduled(secret.expires, "expire", secret, reason, fix)
                    moment = until_then
                case Skip() if is_manual(case.secret.tags):
                    yield from then.forecast(secret, until)
                    return
                case Skip() if later := _next(secret, managed, moment):
                    moment = later
                case _:
                    return


def sweep_of(ref: SecretRef) -> WorkItem:
    """Return what a sweep asks of each secret."""
    return WorkItem(ref, cause=Cause("sweep", "sweep"))


def standing(case: Case, decision: Decision, records: Sequence[Listed]) -> Entry:
    """Return the state of a secret of which it has been decided what a sweep does."""
    stands = _owing(case, _judged(case, decision, records), records)
    source = stands.managed.source if stands.managed else ""
    since = next((listed.waiting for listed in records if covers(listed.source, source)), None)
    if since is None:
        return stands
    under_way = f"under way since {since:%Y-%m-%d %H:%M}Z"
    reason = "; ".join(filter(None, (stands.reason, under_way)))
    return replace(stands, reason=reason, under_way_since=since)


def _owing(case: Case, stands: Entry, records: Sequence[Listed]) -> Entry:
    """Return the entry of a secret with what its records say that nobody should miss."""
    for _, reason, fix in left_behind(case, records):
        stands = _needing(stands, "parked", reason, fix)
    if any(listed.is_leaked for listed in records):
        fix = OVERDUE_FIX if case.secret.enabled else ENABLE
        stands = replace(_needing(stands, "overdue", STILL_ACCEPTED, fix), is_leaked=True)
    return stands


def left_behind(case: Case, records: Sequence[Listed]) -> Iterator[tuple[str, str, str]]:
    """Yield each source at which nothing revokes what was superseded, with why and the way out.

    That is so where a secret has left its source, and where it is disabled: once people were told
    of it, or a week of rechecks was in vain.
    """
    why, way = _why_left(case.tagged)
    for listed in records:
        since = case.now if listed.notified else case.now - RECHECKED_FOR
        is_due = listed.pending and listed.pending.at <= since
        if is_due and not (case.secret.enabled and covers(listed.source, case.tagged.source)):
            yield listed.source, f"{why}, and {listed.left(since)}", f"{way}, {OR_BY_HAND}"


def owed_elsewhere(case: Case, records: Sequence[Listed]) -> str:
    """Say what is owed at a source that the secret has left for another one; empty if nothing is."""
    here, owed = case.tagged.source, list[str]()
    for listed in records if here else ():
        until = listed.pending.at if listed.pending else case.now
        goes_on = f"a change at {listed.source} is under way" if listed.waiting else ""
        if parts_of(listed.source)[0] != parts_of(str(here))[0]:
            owed += filter(None, [listed.left(until) or goes_on])
    return ", and ".join([HAS_LEFT[0], *owed]) if owed else ""


def _why_left(tagged: Tagged) -> tuple[str, str]:
    if not tagged.held.enabled:
        return IS_DISABLED, "enable the current version"
    if isinstance(tagged.asks, Malformed):
        return "its tags cannot be followed", mended(tagged, tagged.asks)
    return HAS_LEFT


def _needing(stands: Entry, state: State, reason: str, fix: str) -> Entry:
    """Return an entry that needs a person for one more reason."""
    if stands.state in NEEDS_A_PERSON:
        return replace(stands, reason=f"{stands.reason}; {reason}")
    return replace(stands, state=state, reason=reason, fix=fix)


def _judged(case: Case, decision: Decision, records: Sequence[Listed]) -> Entry:
    tagged, secret, policy, now = case.tagged, case.secret, case.policy, case.now
    if not secret.enabled:
        return Entry(secret, "disabled", IS_DISABLED, "enable it, or delete the secret")
    if policy.is_own(secret.ref):
        return Entry(secret, "unmanaged", "it holds the policy document")
    if is_manual(secret.tags):
        return _by_hand(secret, due_by_hand(tagged.held, policy), now)
    if tagged.asks is None:
        return _without_source(case, records)
    known = tagged.managed
    due = due_at(secret, known) if known else None
    since = marked_since(secret, now, policy.narrowed)
    told = _told(tagged) if since else _as_decided(case, decision)
    return Entry(secret, *told, known, due, since)


def _as_decided(case: Case, decision: Decision) -> tuple[State, str, str]:
    """Return in which state a secret is by what a sweep does, why, and its way out."""
    secret, now = case.secret, case.now
    expired = _has_expired(secret, now)
    match decision:
        case Park(reason, fix):
            return "parked", reason, fix
        case Wait(_, reason, fix):
            return "overdue" if expired else "due", reason, fix
        case Rotate(managed, reason):
            since, reason = due_at(secret, managed), reason if expired else why_due(secret, managed)
        case Retire(_, pending, reason):
            since = pending.at
        case _:
            return "ok", "", ""
    if expired or since + GRACE <= now:
        return "overdue", reason, OVERDUE_FIX
    return "due", reason, ""


def _has_expired(secret: Version, now: datetime) -> bool:
    return secret.expires is not None and secret.expires <= now


def _told(tagged: Tagged) -> tuple[State, str, str]:
    """Return as what a secret is marked, why, and its way out.

    A mark holds its own fix behind its reason.
    """
    secret = tagged.applied
    state: State = "drifted" if secret.tags[STATE].startswith("drifted ") else "parked"
    reason, _, fix = secret.tags.get(REASON, "see the log").partition(". Fix: ")
    if isinstance(tagged.asks, Malformed):
        return state, reason, mended(tagged, tagged.asks)
    way_out = fix or "fix what the reason names"
    return state, reason, f"{way_out}, then rekey unpark {secret.ref.place} --wait"


def _by_hand(secret: Version, due: datetime | None, now: datetime) -> Entry:
    """Return how a secret stands that only a person rotates.

    It is overdue as soon as it is due: no sweep will do what the person has not done.
    """
    reason = "only a person rotates it"
    if due is None or due > now:
        return Entry(secret, "ok", reason, due=due)
    reason += f", due since {due:%Y-%m-%d %H:%M}Z"
    if secret.expires:
        tense = "expired" if _has_expired(secret, now) else "expires"
        reason += f", it {tense} {secret.expires:%Y-%m-%d %H:%M}Z"
    return Entry(secret, "overdue", reason, BY_HAND_FIX, due=due)


def _without_source(case: Case, known: Sequence[Listed]) -> Entry:
    secret = case.secret
    if primary := secret.tags.get(REPLICA_OF):
        ref = named(primary)
        if ref is None or not case.policy.manages(ref.vault):
            return Entry(secret, "parked", UNWRITTEN, TO_AGREE)
        late = _has_expired(secret, case.now)
        reason = f"a replica, written when {primary} is rotated"
        return Entry(
            secret, "overdue" if late else "ok", reason, "rotate the primary" if late else ""
        )
    if any(listed.created and secret.created > listed.created for listed in known):
        # Key Vault copies no tags onto a new version. An owner who meant to unmanage the secret
        # would have removed the tag from the version itself.
        reason = (
            "a new version without tags took it out of management: its credentials are not rotated"
        )
        return Entry(
            secret, "dropped", reason, f"give its tags back: rekey adopt {secret.ref.place}"
        )
    if secret.ref.holds_key_pairs:
        return Entry(secret, "unmanaged", "it holds key pairs that Rekey has the vault make")
    return Entry(
        secret,
        "unmanaged",
        "no tag ProviderAddress",
        "tag the secret with what issues its credential",
    )


def _rotated(secret: Version, managed: Managed, at: datetime) -> Version:
    """Return the version that a rotation will write, as far as it is known in advance."""
    tags = owners_tags(secret) | {OPERATION: "to come"}
    if not managed.is_single:
        tags[RETIRE] = str(Pending(at + managed.overlap, "0", "this one"))
    return replace(secret, created=at, expires=at + managed.validity, tags=tags)


def _next(secret: Version, managed: Managed, moment: datetime) -> datetime | None:
    times = [
        due_at(secret, managed),
        *([Pending.parse(secret.tags[RETIRE]).at] if RETIRE in secret.tags else []),
    ]
    return min((time for time in times if time > moment), default=None)


def _followed(scheduled: Scheduled, rotated: dict[str, datetime]) -> bool:
    """Return whether this is a replica's expiry that its primary's rotation prevents."""
    primary = scheduled.secret.tags.get(REPLICA_OF, "").strip().rstrip("/").lower()
    return scheduled.what == "expire" and primary in rotated and rotated[primary] <= scheduled.at
