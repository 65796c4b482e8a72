"""Do what was decided: read again, decide again, issue, verify, announce, publish, confirm, retire.

If the worker dies between two lines, the message comes back and this runs again, from the record
and the vault. Every call that changes something is made while the lease is certain to last, and
can be repeated.
"""

from __future__ import annotations

from dataclasses import replace

from engine.decide.decision import crowded
from engine.errands import errand, grace
from engine.errors import NeedsHuman, PermanentError, TransientError, UnderWay
from engine.model.decision import (
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
from engine.model.outcome import Outcome
from engine.model.workitem import WorkItem
from engine.rotate.clean_up import PendingCleanUp
from engine.rotate.compromised_versions import CompromisedVersions
from engine.rotate.confirming import Confirming
from engine.rotate.ending import Ending, under_way_since
from engine.rotate.heir import item_for_heir
from engine.rotate.marking import Marking
from engine.rotate.ownership import other_owner, other_writer
from engine.rotate.parent_key import KEY_COMPROMISED, ParentKey
from engine.rotate.publishing import Publishing
from engine.rotate.reporting import Reporting
from engine.rotate.restoring import Restoring
from engine.rotate.retiring import Retiring
from engine.rotate.rotation import Rotation
from engine.rotate.source_lease import LOST
from engine.rotate.subject import Subject
from engine.rotate.vault_writer import Overtaken
from engine.secret import SecretVersion

MOST_TURNS = 12
"""How many decisions one work item may take, against endless loops. No rotation needs as many."""
NUDGES = (1, 3)
"""After so many waits for a compromised key, of a minute each, its own secret is audited."""


class Run(Rotation):
    """Decides and acts, turn by turn, until nothing is left to do."""

    async def go(self) -> Outcome | None:
        """Decide and act until nothing is left to do.

        Returns None if the secret's source is not the one under lease.
        """
        outcome = await self._go()
        is_told = outcome is not None and self.observed.is_news(outcome)
        # An incident is not over before what leaked is refused.
        if self.observed.has_read and not (is_told or self.record.compromised.versions):
            await Reporting(self).untold()
        if outcome is None:
            # The item goes on at another source, or comes back where this cannot be noted.
            await self.lease.write(self.lease.record)
        return outcome

    async def _go(self) -> Outcome | None:
        try:
            item = self.progress.item
            is_named = item.compromised and item.version and self.record.owner
            if is_named and not self.observed.may_be_under(item):
                # Noted before anything can fail, because only what the record knows is retried.
                await self.observed.note_compromised(str(item.version))
            secret = await self.look()
            self.progress.old_version = secret.version
            if sent_on := await self._sent_on(secret):
                return sent_on
            if needless := self.observed.needless or self._left_to_a_look(secret):
                return await Marking(self.parts).conclude(
                    secret, self.progress.item, Skip(needless)
                )
            return self._resumed(secret) or await self._advance(secret)
        except UnderWay as error:
            return await Ending(self).wait(error)
        except TransientError as error:
            error.is_followed |= self.observed.looks_follow()
            await Ending(self).warn(error)
            raise
        except PermanentError as error:
            return await Ending(self).fail(error)

    async def _sent_on(self, secret: SecretVersion) -> Outcome | None:
        """Send a report on to the secret to which its source has passed; None if it has not."""
        item = self.progress.item
        if not item.compromised or self.managed_here(secret):
            return None
        later = await item_for_heir(self.parts, self.lease.record, item)
        if later is None:
            return None
        await self.parts.queue.post_rotation(later)
        reason = f"its source has passed to {later.ref}, which holds what leaked: sent on to that"
        return Outcome(item, "waiting", reason, old_version=self.progress.old_version)

    def _left_to_a_look(self, secret: SecretVersion) -> str:
        """Say why a single slot whose password is uncertain is left to the look that follows; empty where it is not.

        Else every duplicate would set the password once more, and post looks of its own. A change
        under way is left to the message that looks for its end, which no look puts off.
        """
        item = self.progress.item
        if (
            self.record.change.in_progress_since
            or item.compromised
            or item.follow_up
            or item.trigger == "manual"
            or not self.observed.is_promised
        ):
            return ""
        decision = self.parts.decide(secret, item)
        if isinstance(decision, Acting) and self.is_single(decision.managed):
            return "a look at the source follows"
        return ""

    def _resumed(self, secret: SecretVersion) -> Outcome | None:
        """Leave a change under way to the message that looks for its end; None if there is none.

        Else each sweep would add a message that comes back until then. Nor is a credential restored
        that the change is about to revoke.
        """
        decision = self.parts.decide(secret, self.progress.item)
        if isinstance(decision, Restore) and self.record.change.in_progress_since:
            reason = f"the earlier credential is being revoked, {under_way_since(self.record)}"
            return Outcome(self.progress.item, "waiting", reason, old_version=secret.version)
        if not (self.lease.resumes and isinstance(decision, Rotate | Retire)):
            return None
        reason = f"{under_way_since(self.record)}; a later message looks for its end"
        return Outcome(self.progress.item, "waiting", reason, old_version=secret.version)

    async def finish(self, outcome: Outcome) -> None:
        """Note that the outcome has been reported."""
        self.observed.told(outcome)
        await self.observed.note_reported()

    def _decided(self, secret: SecretVersion) -> tuple[WorkItem, Decision]:
        """Return what is asked for, and the decision."""
        item = self.asked()
        decision = self.parts.decide(secret, item)
        if isinstance(decision, Acting) or not item.follow_up:
            return item, decision
        return self._looked_at(secret, item, decision)

    def _looked_at(
        self, secret: SecretVersion, item: WorkItem, decision: Decision
    ) -> tuple[WorkItem, Decision]:
        """Return how a look ends that has nothing else to do.

        Where nobody may know the password it proves the current version, or says so. It does that,
        too, where the record has lost the change that the look is about.
        """
        is_unknown = self.record.is_unknown
        if not (is_unknown or self.observed.is_forgotten):
            return item, decision
        look = replace(item, action="audit", version=secret.version, compromised=False, force=False)
        audit = self.parts.decide(secret, look)
        if isinstance(audit, Acting):
            return look, audit
        if not is_unknown:
            return item, decision
        managed = self.managed_here(secret)
        if managed and secret.enabled and audit == crowded(secret):
            # There is no room to publish, but a proof needs none.
            return look, Confirm(managed, "the source accepts the current version")
        fix = f"{audit.fix or 'set a password at its source'}, then rotate it by hand"
        return look, Park(f"{audit.reason}; {LOST}", fix)

    async def _advance(self, secret: SecretVersion) -> Outcome | None:
        clean_up = PendingCleanUp(self)
        for _ in range(MOST_TURNS):
            was_owner = bool(self.record.owner)
            await self._note_incident(secret)
            item, decision = self._decided(secret)
            here = isinstance(decision, Acting) and decision.managed.source == self.lease.source
            # A retirement that only a tag claims is refused with a reason, not skipped silently.
            unproven = isinstance(decision, Skip) and item.action == "retire"
            obstacle = await self._obstacle(secret) if here or unproven else None
            if obstacle:
                return await Marking(self.parts).conclude(secret, item, self.warned(obstacle))
            has_passed_on = not (was_owner or self.record.is_blank)
            if has_passed_on or self._lacks_value(secret, decision):
                # With the source goes what is owed there: that is decided from.
                secret = await self.look()
                continue
            if left := await clean_up.finish(secret, decision, here=here):
                secret = left
                continue
            decision = await self._judged(secret, item, decision) if here else decision
            if not isinstance(decision, Acting):
                return await self._end(secret, item, decision)
            if not here:
                return await clean_up.leave(secret)
            if isinstance(decision, Confirm) and secret.version == self.progress.proven:
                self.progress.managed = decision.managed
                return Reporting(self).outcome(secret)
            if await self._is_hit(secret, decision):
                secret = await self._step(secret, Confirm(decision.managed, decision.reason))
                continue
            if lagging := await self._hold_back(secret, item, decision):
                return await self._lag(secret, item, decision, lagging)
            secret = await self._step(secret, decision)
        raise NeedsHuman(
            "the secret changes faster than it can be rotated",
            where=str(self.progress.item.ref),
            fix="see in the vault who keeps writing versions or tags of it, and stop that",
        )

    def _lacks_value(self, secret: SecretVersion, decision: Decision) -> bool:
        """Return whether more is to be done than to end, once the value has been let go of."""
        if not secret.enabled or secret.value is not None:
            return False
        due = self.record.retirement and self.record.retirement.at <= self.parts.clock.now()
        ends = isinstance(decision, Confirm) and secret.version == self.progress.proven
        goes_on = isinstance(decision, Acting) and not ends
        return bool(self.record.compromised.versions or due or goes_on)

    async def _hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Acting
    ) -> Wait | None:
        """Return until when a retirement waits; apps read a new value before what leaked is cut off."""
        if isinstance(decision, Retire) and item.compromised:
            refs = (secret.ref, *decision.managed.replicas)
            await grace.give(self.parts, item, refs, self.lease.last)
            if self.progress.published_now:
                await errand.hurry(self.parts, Reporting(self).outcome(secret))
        return await PendingCleanUp(self).hold_back(secret, item, decision)

    async def _lag(
        self, secret: SecretVersion, item: WorkItem, decision: Acting, lagging: Wait
    ) -> Outcome:
        """End an item that waits for apps, or for what the key has made."""
        if item.action != "audit":
            return await Marking(self.parts).conclude(secret, item, lagging)
        # The current version is still proven, and the lagging app refreshed for it.
        secret = await Confirming(Subject(self, decision.managed)).confirm(secret, lagging.reason)
        return Reporting(self).outcome(secret)

    async def _judged(self, secret: SecretVersion, item: WorkItem, decision: Decision) -> Decision:
        """Return the decision once the key of a derived secret is known."""
        assert isinstance(decision, Acting)  # noqa: S101 - for the type
        if secret.version == self.progress.proven:
            return decision
        parent_key = ParentKey.of(self.parts, decision.managed)
        if parent_key is None:
            return decision
        try:
            return await parent_key.judged(secret, item, decision)
        except TransientError as error:
            if error.code == KEY_COMPROMISED and item.deferred in NUDGES:
                # Whoever replaces it may have died, and its message comes back minutes later. So
                # may whoever was asked to look.
                reason = "it is compromised, and what it made waits for another"
                await parent_key.have_audited(reason, follows=True)
            raise

    async def _end(self, secret: SecretVersion, item: WorkItem, decision: Decision) -> Outcome:
        assert not isinstance(decision, Acting)  # noqa: S101 - for the type
        # What was revoked at a source that the secret has left is reported as well.
        if self.progress.result and (self.progress.managed or self.progress.retired):
            return Reporting(self).outcome(secret)
        clean_up = PendingCleanUp(self)
        if unbound := clean_up.unbound(secret):
            return unbound
        if item.follow_up and self.record.change.uncertain_until:
            await clean_up.tidy()
        if isinstance(decision, Park):
            decision = self.warned(decision)
        return await Marking(self.parts).conclude(secret, item, decision)

    async def _obstacle(self, secret: SecretVersion) -> Park | None:
        """Return what forbids rotating this secret here: another owner, or another deployment."""
        leaked = self.progress.item.compromised
        if owned := await other_owner(self.parts, self.lease, secret, leaked=leaked):
            return owned
        if self.observed.item.follow_up and self.observed.may_have_cut_off:
            # Whoever wrote it cannot know of the change that this look is about.
            return None
        return await other_writer(self.parts, self.record, self.observed.shown)

    async def _note_incident(self, secret: SecretVersion) -> None:
        """Note in the record which versions are compromised, before anything else is done."""
        if not self.progress.item.compromised:
            return
        if not self.record.owner:
            await self._claim(secret)
        if self.record.owner:
            doomed = CompromisedVersions(self)
            await self.observed.note_compromised(*await doomed.versions(secret))

    async def _claim(self, secret: SecretVersion) -> None:
        """Claim the source for an incident that no record can note yet, and nothing would be done for.

        A source of several logins has no owner before somebody claims all of them. Raises
        NeedsHuman if another secret owns it.
        """
        managed, policy = self.managed_here(secret), self.parts.policy
        if managed is None or not policy.allows(secret.ref.vault, managed.source):
            return
        if not isinstance(self.parts.decide(secret, self.asked()), Skip | Confirm):
            return
        if owned := await other_owner(self.parts, self.lease, secret, leaked=True):
            raise NeedsHuman(owned.reason, where=str(secret.ref), fix=owned.fix)

    async def _step(self, secret: SecretVersion, decision: Acting) -> SecretVersion:
        try:
            return await self._act(secret, decision)
        except Overtaken as error:
            # What a person did stands, and is looked at like anything else that they did.
            try:
                await Publishing(Subject(self, decision.managed)).withdraw()
                current = await self.look()
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

    async def _is_hit(self, secret: SecretVersion, decision: Acting) -> bool:
        """Return whether the source refuses what is in use, which is healed first.

        The credential to retire may be the last one that works. And a late change of Rekey's own
        may have hit what it published, or brought it over another version: what the source holds
        in its place is known to healing alone.
        """
        if not isinstance(decision, Retire | Rotate):
            return False
        is_last = isinstance(decision, Retire) and not self.asked().compromised
        may_be_hit = is_last or (self.observed.may_be_late and self.observed.wrote(secret))
        return may_be_hit and await Subject(self, decision.managed).is_refused(secret)

    async def _act(self, secret: SecretVersion, decision: Acting) -> SecretVersion:
        at = Subject(self, decision.managed)
        match decision:
            case Rotate(_, reason, at_once):
                return await Publishing(at).rotate(secret, reason, at_once=at_once)
            case Retire(managed, _, reason):
                self.progress.managed, self.progress.reason = (
                    managed,
                    self.progress.reason or reason,
                )
                return await Retiring(self, managed).retire(secret)
            case Restore():
                return await Restoring(at).restore(secret, decision)
            case Confirm(_, reason):
                return await Confirming(at).confirm(secret, reason)
