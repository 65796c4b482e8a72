"""Do what was decided: read again, decide again, issue, verify, announce, publish, confirm, retire.

If the worker dies between two lines, the message comes back and this runs again, from the record
and the vault. Every call that changes something is made while the lease is certain to last, and
can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.contract import LONGEST_CHANGE, Tidy
from engine.decide.decision import (
    Acting,
    Confirm,
    Decision,
    Park,
    Restore,
    Retire,
    Rotate,
    Skip,
    Wait,
    due_at,
)
from engine.errands import consumers, errand
from engine.errors import NeedsHuman, PermanentError, TransientError, UnderWay
from engine.model.outcome import Outcome
from engine.model.record import Record
from engine.model.tags import Malformed, Managed, parse
from engine.model.workitem import INCIDENT_SECONDS, NO_MORE, WorkItem, operation_id
from engine.parts import Parts
from engine.rotate.compromised import Compromised
from engine.rotate.descendants import Descendants
from engine.rotate.gate import Gate, Overtaken
from engine.rotate.lineage import KEY_COMPROMISED, Lineage
from engine.rotate.marking import Marking
from engine.rotate.ownership import other_owner, other_writer
from engine.rotate.progress import Progress
from engine.rotate.publishing import Publishing
from engine.rotate.retiring import Retiring
from engine.rotate.sight import Sight
from engine.rotate.under_lease import CALL_SECONDS, UnderLease
from engine.rotate.undo import LOST
from engine.secret import SecretRef, SecretVersion

MOST_TURNS = 12
"""How many decisions one work item may take, against endless loops. No rotation needs as many."""
ENDLESS_FIX = (
    "see in the resource's activity log what it is at; Rekey looks again a day later, or after "
    "rekey unpark"
)
NUDGES = (1, 3)
"""After so many waits for a compromised key, of a minute each, its own secret is audited."""
RESUME_SECONDS = 60.0
"""How long until a source is looked at again that does not say when."""


@dataclass
class Run:
    """One work item under one lease, and what it has done so far."""

    parts: Parts
    lease: UnderLease
    item: WorkItem
    tries: int = 1
    progress: Progress = field(init=False)
    gate: Gate = field(init=False)
    sight: Sight = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self.item, self.tries)
        self.gate = Gate(self.parts, self.lease)
        self.sight = Sight(self.parts, self.lease, self.item)

    async def go(self) -> Outcome | None:
        """Decide and act until nothing is left to do.

        Returns None if the secret's source is not the one under lease.
        """
        try:
            if (
                self.progress.item.compromised
                and self.progress.item.version
                and self.sight.record.owner
            ):
                # Noted before anything can fail, because only what the record knows is retried.
                await self.sight.note_compromised(self.progress.item.version)
            secret = await self._look()
            self.progress.old_version = secret.version
            if needless := self.sight.needless or self._left_to_a_look(secret):
                return await Marking(self.parts).conclude(
                    secret, self.progress.item, Skip(needless)
                )
            return self._resumed(secret) or await self._advance(secret)
        except UnderWay as error:
            return await self._wait(error)
        except TransientError as error:
            error.is_followed = self.sight.looks_follow()
            raise
        except PermanentError as error:
            what = f"{error.what} ({error.where})" if error.where else error.what
            parked = Park(what, error.fix, drifted=self.progress.drifted)
        # A worker that has lost the lease must not judge what another worker has done since.
        await self.lease.ensure(CALL_SECONDS)
        await self._tell_published()
        try:
            parked = replace(parked, reason=parked.reason + await self._failed())
        except PermanentError as second:
            # Neither the record nor a mark can be written: the report is all that is left.
            second.add(parked.reason)
            raise
        try:
            current = await self.parts.vaults.read(self.progress.item.ref)
        except PermanentError as second:
            # The reason names both what failed and its consequence, which no mark will show.
            reason = f"{parked.reason}; nor could the secret be marked: {second.what}"
            outcome = Outcome(self.progress.item, "parked", reason, parked.fix)
        else:
            outcome = await Marking(self.parts).conclude(current, self._asked(), parked)
        return replace(
            outcome,
            old_version=self.progress.old_version,
            new_version=self.progress.new_version,
            retired=self.progress.retired,
        )

    async def _tell_published(self) -> None:
        """Report a version that was published before the rest failed, which is told after it."""
        if self.progress.has_published:
            if not self._asked().compromised:
                # An incident is not over before what leaked is refused.
                await self.parts.reporter.concluded(self._published())
            await errand.follow(self.parts, self._published())

    def _published(self) -> Outcome:
        return self._report(self.sight.record.believed(self.sight.shown))

    def _left_to_a_look(self, secret: SecretVersion) -> str:
        """Say why a single slot whose password is uncertain is left to the look that follows; empty where it is not.

        Else every duplicate would set the password once more, and post looks of its own. A change
        under way is left to the message that looks for its end, which no look puts off.
        """
        item = self.progress.item
        if (
            self.sight.record.waiting
            or item.compromised
            or item.follow_up
            or item.trigger == "manual"
            or not self.sight.is_promised
        ):
            return ""
        decision = self.parts.decide(secret, item)
        if isinstance(decision, Acting) and self._is_single(decision.managed):
            return "a look at the source follows"
        return ""

    def _resumed(self, secret: SecretVersion) -> Outcome | None:
        """Leave a change under way to the message that looks for its end; None if there is none.

        Else each sweep would add a message that comes back until then. Nor is a credential restored
        that the change is about to revoke.
        """
        decision = self.parts.decide(secret, self.progress.item)
        if isinstance(decision, Restore) and self.sight.record.waiting:
            reason = f"the earlier credential is being revoked, {_since(self.sight.record)}"
            return Outcome(self.progress.item, "waiting", reason, old_version=secret.version)
        if not (self.lease.resumes and isinstance(decision, Rotate | Retire)):
            return None
        reason = f"{_since(self.sight.record)}; a later message looks for its end"
        return Outcome(self.progress.item, "waiting", reason, old_version=secret.version)

    async def _wait(self, error: UnderWay) -> Outcome:
        """End the work for now: whoever looks for the change later finds it done.

        No lease is held meanwhile. A person is told of a change that does not end, and looks go on
        a day later.
        """
        item = self.progress.item
        since = self.lease.record.waiting or self.lease.record.asked or self.parts.clock.now()
        endless = self.parts.clock.now() - since >= LONGEST_CHANGE
        await self.lease.wait(item, error.retry_after or RESUME_SECONDS, error.mark, on=not endless)
        reason = f"{_since(self.lease.record)}: {error.what}"
        if endless:
            parked = Park(f"{reason}, and has not ended", ENDLESS_FIX)
            return await Marking(self.parts).conclude(self.sight.shown, self._asked(), parked)
        if self.progress.has_published:
            self.progress.reason += f"; {reason}"
            if not self._asked().compromised:
                # Told now: the message that looks for the end knows only of the rest.
                return self._published()
            # An incident is not over before what leaked is refused. Apps must not wait for that:
            # what they hold stops working then.
            await errand.follow(self.parts, self._published())
        # A version that an incident has published is announced by whoever sees its end.
        self.sight.untold = False
        return Outcome(item, "waiting", reason, old_version=self.progress.old_version)

    def _is_single(self, managed: Managed) -> bool:
        return self.parts.rotator(managed).single_slot(managed.settings)

    async def _failed(self) -> str:
        """Note after a permanent error that no change is in progress.

        An incident that could not be noted comes back, for a day. Returns what the report must add.
        """
        record, addition = self.sight.record, ""
        if self.progress.item.compromised and self.progress.item.version not in (
            *record.compromised,
            *record.gone,
        ):
            if later := self.progress.item.returning():
                await self.parts.queue.post_rotation(later, INCIDENT_SECONDS)
            else:
                addition = f"; {NO_MORE}"
        if record.owner and record.changing and self.lease.has_begun:
            # The error was definite, so what was sent cannot take effect later.
            self.lease.learn(replace(record, changing=None))
        if record.owner and (record.changing or record.open_until or record.ahead):
            # Only looks find out what is under way at this source, so they go on.
            await self.lease.look_again(self.item)
        return addition

    async def finish(self) -> None:
        """Note that the outcome has been reported."""
        await self.sight.note_reported()

    async def _look(self) -> SecretVersion:
        secret = await self.sight.look()
        if not (self.progress.item.compromised and self.progress.item.since):
            self.progress.item = self.progress.item.about(secret.version)
        if self.sight.untold and self.progress.result is None:
            self.progress.result, self.progress.reason = "rotated", "published by an earlier try"
            published = self.record.published
            self.progress.new_version = published.version if published else None
        return secret

    def _asked(self) -> WorkItem:
        """Return what is asked for: an incident that the record knows of comes before everything else."""
        doomed, item = self.sight.record.compromised, self.progress.item
        if not doomed and item.compromised and item.since and item.version is None:
            return replace(item, action="audit", compromised=False)
        if not doomed:
            return item
        earlier = self.sight.record.pending
        is_restorable = earlier and earlier.version not in doomed
        item = replace(item, compromised=True, version=doomed[0])
        return (
            item if item.action == "restore" and is_restorable else replace(item, action="rotate")
        )

    def _decided(self, secret: SecretVersion) -> tuple[WorkItem, Decision]:
        """Return what is asked for, and the decision.

        A look at a password that nobody may know ends with the current version proven, or says so.
        """
        item = self._asked()
        decision = self.parts.decide(secret, item)
        if isinstance(decision, Acting) or not (item.follow_up and self.sight.record.is_unknown):
            return item, decision
        item = replace(item, action="audit", version=secret.version, compromised=False, force=False)
        decision = self.parts.decide(secret, item)
        if isinstance(decision, Acting):
            return item, decision
        fix = f"{decision.fix or 'set a password at its source'}, then rotate it by hand"
        return item, Park(f"{decision.reason}; {LOST}", fix)

    async def _advance(self, secret: SecretVersion) -> Outcome | None:
        for _ in range(MOST_TURNS):
            await self._note_incident(secret)
            item, decision = self._decided(secret)
            here = isinstance(decision, Acting) and decision.managed.source == self.lease.source
            # A retirement that only a tag claims is refused with a reason, not skipped silently.
            unproven = isinstance(decision, Skip) and item.action == "retire"
            obstacle = await self._obstacle(secret) if here or unproven else None
            if obstacle:
                return await Marking(self.parts).conclude(secret, item, obstacle)
            if left := await self._left_over(secret, decision, here=here):
                secret = left
                continue
            decision = await self._judged(secret, item, decision) if here else decision
            if not isinstance(decision, Acting):
                return await self._end(secret, item, decision)
            if not here:
                return await self._leave(secret)
            if isinstance(decision, Confirm) and secret.version == self.progress.proven:
                self.progress.managed = decision.managed
                return self._report(secret)
            if lagging := await self._hold_back(secret, item, decision):
                if item.action != "audit":
                    return await Marking(self.parts).conclude(secret, item, lagging)
                # The current version is still proven, and the lagging app refreshed for it.
                secret = await self._publishing(decision.managed).confirm(secret, lagging.reason)
                return self._report(secret)
            secret = await self._step(secret, decision)
        raise NeedsHuman(
            "the secret changes faster than it can be rotated",
            where=str(self.progress.item.ref),
            fix="see in the vault who keeps writing versions or tags of it, and stop that",
        )

    async def _judged(self, secret: SecretVersion, item: WorkItem, decision: Decision) -> Decision:
        """Return the decision once the key of a derived secret is known."""
        assert isinstance(decision, Acting)  # noqa: S101 - for the type
        if secret.version == self.progress.proven:
            return decision
        lineage = Lineage.of(self.parts, decision.managed)
        if lineage is None:
            return decision
        try:
            return await lineage.judged(secret, item, decision)
        except TransientError as error:
            if error.code == KEY_COMPROMISED and item.deferred in NUDGES:
                # Whoever replaces it may have died, and its message comes back minutes later. So
                # may whoever was asked to look.
                await lineage.have_audited("it is compromised, and what it made waits for another")
            raise

    async def _hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Acting
    ) -> Wait | None:
        """Return until when a retirement waits for apps, or for what the key has made."""
        lagging = await consumers.hold_back(self.parts, secret, item, decision)
        descendants = self._descendants(decision.managed)
        return lagging or await descendants.hold_back(secret, item, decision)

    def _descendants(self, managed: Managed) -> Descendants:
        # Somebody may have written the same key again since: it is as old as what was published.
        published = self.record.published
        return Descendants(self.parts, managed, published.at if published else None)

    async def _end(self, secret: SecretVersion, item: WorkItem, decision: Decision) -> Outcome:
        assert not isinstance(decision, Acting)  # noqa: S101 - for the type
        if self.progress.result and self.progress.managed:
            return self._report(secret)
        await self._tell_retired(secret)
        if item.follow_up:
            await self._tidy()
        return await Marking(self.parts).conclude(secret, item, decision)

    async def _leave(self, secret: SecretVersion) -> Outcome | None:
        """End the looks at a source that the secret has left; say so if nobody may know its password."""
        await self._tell_retired(secret)
        is_unknown = self.sight.record.is_unknown
        if not (self.item.follow_up and await self.sight.note_left() and is_unknown):
            return None
        reason = f"the secret has left {self.lease.source}, and {LOST}"
        return Outcome(self.progress.item, "parked", reason, "set a password there by hand")

    async def _tell_retired(self, secret: SecretVersion) -> None:
        """Report what was revoked for a secret that has left; what is said of the item is told after it."""
        if self.progress.retired:
            outcome = self._report(secret)
            await self.parts.reporter.concluded(outcome)
            await errand.follow(self.parts, outcome)
            await self.finish()

    async def _tidy(self) -> None:
        """Remove what a rotation made that is not carried on: nobody will publish it."""
        record, ref = self.sight.record, self.item.ref
        rotator, source = self.parts.rotators.get(record.kind), self.lease.source
        is_called_off = record.open_until and record.abandoned and not record.ahead
        is_allowed = self.parts.policy.allows(ref.vault, source)
        if is_called_off and is_allowed and isinstance(rotator, Tidy):
            async with self.lease.changing("tidy"):
                await rotator.tidy(source, operation_id(ref, record.abandoned), keep=None)

    async def _obstacle(self, secret: SecretVersion) -> Park | None:
        """Return what forbids rotating this secret here: another owner, or another deployment."""
        if owned := await other_owner(self.parts, self.lease, secret.ref):
            return owned
        return await other_writer(self.parts, self.sight.record, self.sight.shown)

    async def _note_incident(self, secret: SecretVersion) -> None:
        """Note in the record which versions are compromised, before anything else is done."""
        if self.progress.item.compromised and self.sight.record.owner:
            await self.sight.note_compromised(*self._doomed(secret))

    def _doomed(self, secret: SecretVersion) -> list[str]:
        item, record = self.progress.item, self.sight.record
        since = _moment(item.since)
        old = since is not None and self.sight.made_before(secret, since)
        if item.version:
            # Restored between the order and its item: what is current now is as old as what was
            # reported.
            return [item.version, *([str(secret.version)] if old else [])]
        if since is None or old or not self.sight.wrote(secret):
            return [str(secret.version)]
        # Rekey has replaced it since; what it superseded may still be accepted.
        return [record.pending.version] if record.pending else []

    async def _left_over(
        self, secret: SecretVersion, decision: Decision, *, here: bool
    ) -> SecretVersion | None:
        """Finish what only the record knows of; None if there is nothing.

        That is an incident's credential, or a due retirement at a source that the secret has left.
        """
        record = self.sight.record
        if record.compromised and (not here or isinstance(decision, Confirm | Skip)):
            if here and isinstance(decision, Confirm) and self._must_be_proven(secret, decision):
                return None
            await Compromised(self.parts, self.lease, self.gate, self.sight).settle(
                secret, record.compromised[0], decision
            )
            return await self._look()
        # While a person has disabled the secret nothing is revoked: nobody could tell what it
        # holds.
        due = record.pending and record.pending.at <= self.parts.clock.now()
        if not here and due and secret.enabled and not await self._is_kept(secret):
            return await self._retire(secret, self._retiring(secret))
        return None

    def _retiring(self, secret: SecretVersion) -> Retiring:
        """Return how to retire what is due: with its replicas, unless the secret has left."""
        managed = self._managed_here(secret)
        if managed is None:
            return Retiring.left(self.parts, self.lease, self.gate, self.sight)
        return Retiring.of(self.parts, self.lease, self.gate, self.sight, managed)

    async def _is_kept(self, secret: SecretVersion) -> bool:
        """Return whether what is due to be retired stays, for a secret that has not left its source.

        One that rests, or is left to a person, may still need it as much as any other.
        """
        pending, managed = self.sight.record.pending, self._managed_here(secret)
        # Of one that has left, what its key has made may still be inside an overlap.
        published = managed or self._managed_here(replace(secret, tags=self.sight.record.tags))
        if pending is None or published is None:
            return False
        retire = Retire(published, pending, "its overlap passed")
        if managed is None:
            return (
                await self._descendants(published).hold_back(secret, self._asked(), retire)
                is not None
            )
        waits = await self._hold_back(secret, self._asked(), retire)
        return waits is not None or await self._publishing(managed).is_refused(secret)

    def _managed_here(self, secret: SecretVersion) -> Managed | None:
        """Return what a secret's tags ask for at this source; None if they name another one."""
        shown = self.parts.policy.applied(secret)
        if "ProviderAddress" not in shown.tags:
            return None
        managed = parse(shown.tags, self.parts.policy, self.parts.kinds)
        if isinstance(managed, Malformed) or managed.source != self.lease.source:
            return None
        return managed

    def _must_be_proven(self, secret: SecretVersion, decision: Confirm) -> bool:
        """Return whether an incident cannot be settled before the current version is proven, as decided.

        A single slot that accepts what Rekey published refuses everything else. A late change may
        have made it refuse that version, too.
        """
        is_proven = secret.version == self.progress.proven
        return self._is_single(decision.managed) and self.sight.wrote(secret) and not is_proven

    async def _step(self, secret: SecretVersion, decision: Acting) -> SecretVersion:
        try:
            return await self._act(secret, decision)
        except Overtaken as error:
            # What a person did stands, and is looked at like anything else that they did.
            try:
                await self._publishing(decision.managed).withdraw()
                current = await self._look()
            except PermanentError as second:
                if LOST in error.what:
                    second.add(LOST)
                raise
            if LOST in error.what and not current.enabled:
                raise NeedsHuman(
                    error.what,
                    where=str(secret.ref),
                    fix="enable the secret, then rotate it by hand",
                ) from None
            return current

    async def _act(self, secret: SecretVersion, decision: Acting) -> SecretVersion:
        publishing = self._publishing(decision.managed)
        match decision:
            case Rotate(_, reason, at_once):
                return await publishing.rotate(secret, reason, at_once=at_once)
            case Retire(managed, _, reason):
                if not self._asked().compromised and await publishing.is_refused(secret):
                    # The credential to retire may be the last one that works: heal first.
                    return await publishing.confirm(secret, reason)
                self.progress.managed, self.progress.reason = (
                    managed,
                    self.progress.reason or reason,
                )
                return await self._retire(
                    secret, Retiring.of(self.parts, self.lease, self.gate, self.sight, managed)
                )
            case Restore():
                return await publishing.restore(secret, decision)
            case Confirm(_, reason):
                return await publishing.confirm(secret, reason)

    async def _retire(self, secret: SecretVersion, retiring: Retiring) -> SecretVersion:
        pending = self.sight.record.pending
        assert pending  # noqa: S101 - decided from it
        secret, is_revoked = await retiring.retire(secret, pending)
        if not is_revoked:
            return secret
        self.progress.retired += (pending.credential_id,)
        if self.progress.result in (None, "confirmed"):
            self.progress.result = "retired"
        self.progress.reason = self.progress.reason or "its overlap has passed"
        return secret

    def _derived(self, managed: Managed) -> tuple[SecretRef, ...]:
        """Return the secrets that may hold what is made from this key."""
        refs = (consent.ref(self.item.ref.vault) for consent in managed.may_derive)
        return tuple(ref for ref in refs if self.parts.policy.manages(ref.vault))

    def _publishing(self, managed: Managed) -> Publishing:
        return Publishing(self.parts, self.lease, self.gate, self.sight, self.progress, managed)

    @property
    def record(self) -> Record:
        """What is known of the source."""
        return self.sight.record

    def _report(self, secret: SecretVersion) -> Outcome:
        assert self.progress.result  # noqa: S101 - only called after something was done
        managed, published = self.progress.managed, self.record.published
        # A person may have written, or disabled, a version on top of the one that this is about.
        is_current = self.progress.new_version in (None, secret.version)
        written = published.credential_id if published else None
        return Outcome(
            self.progress.item,
            self.progress.result,
            self.progress.reason,
            rotator=managed.rotator.kind if managed else self.record.kind,
            source=self.lease.source,
            old_version=self.progress.old_version,
            new_version=self.progress.new_version,
            credential_id=secret.tags.get("CredentialId") if is_current else written,
            next_due=due_at(secret, managed) if managed and is_current else None,
            retired=self.progress.retired,
            replicas=managed.replicas if managed else (),
            derived=self._derived(managed) if managed else (),
        )


def _since(record: Record) -> str:
    """Say since when a source has been at a change."""
    return f"under way since {record.waiting:%Y-%m-%d %H:%M}Z" if record.waiting else ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
