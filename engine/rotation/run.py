"""Do what was decided: read, decide, ask the checks, take one step, and do so again.

If the worker dies between two lines, the message comes back and this runs again, from the record
and the vault. Every call that changes something is made while the lease is certain to last, and
can be repeated.
"""

from __future__ import annotations

from dataclasses import replace

from engine.errors import NeedsHuman, PermanentError, TransientError, UnderWay
from engine.planning.decision import crowded
from engine.rotation import checks
from engine.rotation.checks import Ended, Turn
from engine.rotation.compromised_versions import CompromisedVersions
from engine.rotation.confirming import Confirming
from engine.rotation.ending import Ending
from engine.rotation.heir import owed_by_heir
from engine.rotation.observed import ANOTHER
from engine.rotation.ownership import other_owner
from engine.rotation.publishing import Publishing
from engine.rotation.reporting import Reporting
from engine.rotation.restoring import Restoring
from engine.rotation.retiring import Retiring
from engine.rotation.rotation import Rotation
from engine.rotation.source_lease import LOST
from engine.rotation.subject import Subject
from engine.rotation.vault_writer import Overtaken
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
)
from engine.state.request import Outcome, WorkItem

MOST_TURNS = 12
"""How many decisions one work item may take, against endless loops. No rotation needs as many."""


class Run(Rotation):
    """Decides and acts, turn by turn, until nothing is left to do."""

    _is_over: bool = False
    """It has met an error, and another look follows."""

    async def go(self) -> Outcome | None:
        """Decide and act until nothing is left to do.

        Returns None if the secret's source is not the one under lease.
        """
        try:
            outcome = await self._go()
        except TransientError as error:
            if not (self.item.recheck and self.observed.looks_follow()):
                raise
            # Nothing more is sent: Azure may have named a time.
            self._is_over = True
            return Outcome(self.progress.item, "skipped", f"{error.what}; {ANOTHER}")
        is_told = outcome is not None and self.observed.is_news(outcome)
        # An incident is not over before what leaked is refused.
        if self.observed.has_read and not (is_told or self.record.compromised.versions):
            await Reporting(self).untold()
        if outcome is None:
            # The item goes on at another source, or comes back where this cannot be noted.
            await self.lease.write(self.lease.record.scheduled(self.parts.clock.now()))
        return outcome

    async def _go(self) -> Outcome | None:
        try:
            item = self.progress.item
            is_named = item.compromised and item.version and self.record.owner
            if is_named and not self.observed.may_be_under(item):
                # Noted before anything can fail, because only what the record knows is retried.
                await self.observed.note_compromised(str(item.version))
            if owed := owed_by_heir(self.parts, self.lease.record, item):
                return (await checks.sent_on(self, owed)).outcome
            secret = await self.look()
            self.progress.old_version = secret.version
            turn = Turn(secret, self.progress.item, self.parts.decide(secret, self.progress.item))
            for check in checks.AT_FIRST:
                if isinstance(ended := await check(self, turn), Ended):
                    return ended.outcome
            return await self._advance(secret)
        except UnderWay as error:
            return await Ending(self).wait(error)
        except TransientError as error:
            await Ending(self).warn(error)
            raise
        except PermanentError as error:
            return await Ending(self).fail(error)

    async def finish(self, outcome: Outcome) -> None:
        """Note that the outcome has been reported."""
        if self._is_over:
            return
        self.observed.told(outcome)
        await self.observed.note_reported()

    def _decided(self, secret: SecretVersion) -> tuple[WorkItem, Decision]:
        """Return what is asked for, and the decision."""
        item = self.asked()
        decision = self.parts.decide(secret, item)
        if isinstance(decision, Acting) or not item.recheck:
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
        for _ in range(MOST_TURNS):
            was_owner = bool(self.record.owner)
            await self._note_incident(secret)
            after = await self._turn(Turn(secret, *self._decided(secret), was_owner))
            if isinstance(after, Ended):
                return after.outcome
            secret = after
        raise NeedsHuman(
            "the secret changes faster than it can be rotated",
            where=str(self.progress.item.ref),
            fix="see in the vault who keeps writing versions or tags of it, and stop that",
        )

    async def _turn(self, turn: Turn) -> Ended | SecretVersion:
        """Ask each check, then take the step; return the secret as it is then."""
        for check in checks.EACH_TURN:
            match await check(self, turn):
                case None:
                    continue
                case Confirm() as first:
                    return await self._step(turn.secret, first)
                case found:
                    return found
        return await self._step(turn.secret, turn.acting)

    async def _note_incident(self, secret: SecretVersion) -> None:
        """Note in the record which versions are compromised, before anything else is done."""
        if not self.progress.item.compromised:
            return
        if not self.record.owner:
            await self._claim(secret)
        if self.record.owner:
            compromised = CompromisedVersions(self)
            await self.observed.note_compromised(*await compromised.versions(secret))

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
            await Publishing(Subject(self, decision.managed)).withdraw()
            current = await self.look()
            if LOST in error.what and not current.enabled:
                raise NeedsHuman(
                    error.what,
                    where=str(secret.ref),
                    fix="enable the secret, then rotate it by hand",
                ) from None
            return current

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
