"""Look, plan, take the step, and do so again until a step ends the work: one work item under its lease.

If the worker dies between two lines, the message comes back and this runs again, from the record
and the vault. Every call that changes something is made while the lease is certain to last, and
can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.errors import NeedsHuman, PermanentError, TransientError, UnderWay
from engine.planning.decision import Tagged, crowded
from engine.planning.plan import Name, Turn, plan
from engine.rotation.compromised_versions import CompromisedVersions
from engine.rotation.context import Rotation
from engine.rotation.ending import Ending
from engine.rotation.heir import owed_by_heir
from engine.rotation.observed import ANOTHER
from engine.rotation.ownership import other_owner
from engine.rotation.parent_key import ParentKey
from engine.rotation.reporting import Reporting
from engine.rotation.source_lease import LOST
from engine.rotation.steps import STEPS, After, Ended, sent_on
from engine.secret import SecretVersion
from engine.state.decision import Acting, Confirm, Decision, Park, Skip
from engine.state.request import Outcome, WorkItem

MOST_TURNS = 12
"""How many turns one work item may take, against endless loops. No rotation needs as many."""


@dataclass
class Controller:
    """Takes step after step for one work item."""

    at: Rotation
    steps: list[Name] = field(default_factory=list)
    """The steps that were taken, in order."""
    _is_over: bool = False
    """It has met an error, and another look follows."""

    async def run(self) -> Outcome | None:
        """Take steps until nothing is left to do.

        Returns None if the secret's source is not the one under lease.
        """
        at = self.at
        try:
            outcome = await self._run()
        except TransientError as error:
            if not (at.item.recheck and at.observed.looks_follow()):
                raise
            # Nothing more is sent: Azure may have named a time.
            self._is_over = True
            return Outcome(at.progress.item, "skipped", f"{error.what}; {ANOTHER}")
        is_told = outcome is not None and at.observed.is_news(outcome)
        # An incident is not over before what leaked is refused.
        if at.observed.has_read and not (is_told or at.record.compromised.versions):
            await Reporting(at).untold()
        if outcome is None:
            # The item goes on at another source, or comes back where this cannot be noted.
            await at.lease.write(at.lease.record.scheduled(at.parts.clock.now()))
        return outcome

    async def finish(self, outcome: Outcome) -> None:
        """Note that the outcome has been reported."""
        if self._is_over:
            return
        self.at.observed.told(outcome)
        await self.at.observed.note_reported()

    async def _run(self) -> Outcome | None:
        at = self.at
        try:
            item = at.progress.item
            is_named = item.compromised and item.version and at.record.owner
            if is_named and not at.observed.may_be_under(item):
                # Noted before anything can fail, because only what the record knows is retried.
                await at.observed.note_compromised(str(item.version))
            if owed := owed_by_heir(at.parts, at.lease.record, item):
                return (await sent_on(at, owed)).outcome
            return await self._advance()
        except UnderWay as error:
            return await Ending(at).wait(error)
        except TransientError as error:
            await Ending(at).warn(error)
            raise
        except PermanentError as error:
            return await Ending(at).fail(error)

    async def _advance(self) -> Outcome | None:
        at = self.at
        secret = await at.look()
        at.progress.old_version = secret.version
        for number in range(MOST_TURNS):
            after: After = await self._opened(secret, is_first=number == 0)
            while isinstance(after, Turn):
                step = plan(after)
                self.steps.append(step.name)
                turn, after = after, await STEPS[step.name](at, secret, after, step)
                if isinstance(after, Turn):
                    after = replace(after, taken=turn.taken | {step.name})
            if isinstance(after, Ended):
                return after.outcome
            secret = after
        raise NeedsHuman(
            "the secret changes faster than it can be rotated",
            where=str(at.progress.item.ref),
            fix="see in the vault who keeps writing versions or tags of it, and stop that",
        )

    async def _opened(self, secret: SecretVersion, *, is_first: bool) -> Turn:
        """Return what is known as a turn begins. What leaked stands in the record before that."""
        at = self.at
        was_owner = bool(at.record.owner)
        await self._note_incident(secret)
        tagged = Tagged.of(secret, at.parts.policy, at.parts.kinds)
        at.here = tagged.managed if tagged.source == at.lease.source else None
        item, decision = self._decided(tagged)
        managed = decision.managed if isinstance(decision, Acting) else None
        return Turn(
            work=at.progress.item,
            item=item,
            tagged=tagged,
            record=at.record,
            decision=decision,
            source=at.lease.source,
            now=at.parts.clock.now(),
            is_bound=at.is_bound,
            is_single=bool(managed and at.parts.rotator(managed).single_slot(managed.settings)),
            is_derived=bool(managed and ParentKey.of(at.parts, managed)),
            has_value=secret.value is not None,
            proven=at.progress.proven,
            has_done=at.progress.has_done,
            needless=at.observed.needless,
            is_promised=at.observed.is_promised,
            resumes=at.lease.resumes,
            carries_on=at.carries_on,
            is_first=is_first,
            was_owner=was_owner,
        )

    async def _note_incident(self, secret: SecretVersion) -> None:
        """Note in the record which versions are compromised, before anything else is done."""
        at = self.at
        if not at.progress.item.compromised:
            return
        if not at.record.owner:
            await self._claim_for_incident(secret)
        if at.record.owner:
            await at.observed.note_compromised(*await CompromisedVersions(at).versions(secret))

    async def _claim_for_incident(self, secret: SecretVersion) -> None:
        """Claim the source for an incident that no record can note yet, and nothing would be done for.

        A source of several logins has no owner before somebody claims all of them. Raises
        NeedsHuman if another secret owns it.
        """
        at = self.at
        managed, policy = at.managed_here(secret), at.parts.policy
        if managed is None or not policy.allows(secret.ref.vault, managed.source):
            return
        if not isinstance(at.parts.decide(secret, at.asked()), Skip | Confirm):
            return
        if owned := await other_owner(at.parts, at.lease, secret, leaked=True):
            raise NeedsHuman(owned.reason, where=str(secret.ref), fix=owned.fix)

    def _decided(self, tagged: Tagged) -> tuple[WorkItem, Decision]:
        """Return what is asked for, and the decision."""
        item = self.at.asked()
        decision = self.at.parts.decided(tagged, item)
        if isinstance(decision, Acting) or not item.recheck:
            return item, decision
        return self._rechecked(tagged, item, decision)

    def _rechecked(
        self, tagged: Tagged, item: WorkItem, decision: Decision
    ) -> tuple[WorkItem, Decision]:
        """Return how a recheck ends that has nothing else to do.

        Where nobody may know the password it proves the current version, or says so. It does that,
        too, where the record has lost the change that the recheck is about.
        """
        at, secret = self.at, tagged.held
        is_unknown = at.record.is_unknown
        if not (is_unknown or at.observed.is_forgotten):
            return item, decision
        look = replace(item, action="audit", version=secret.version, compromised=False, force=False)
        audit = at.parts.decided(tagged, look)
        if isinstance(audit, Acting):
            return look, audit
        if not is_unknown:
            return item, decision
        if at.here and secret.enabled and audit == crowded(secret):
            # There is no room to publish, but a proof needs none.
            return look, Confirm(at.here, "the source accepts the current version")
        fix = f"{audit.fix or 'set a password at its source'}, then rotate it by hand"
        return look, Park(f"{audit.reason}; {LOST}", fix)
