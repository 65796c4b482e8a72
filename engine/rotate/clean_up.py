"""What is finished beside the work that was asked for.

That is an incident's credential, a retirement that is due, and what nobody will publish any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.contract import Tidy
from engine.errands import consumers, errand
from engine.errors import NeedsHuman
from engine.model.decision import Acting, Confirm, Decision, Park, Retire, Skip, Wait
from engine.model.incident import LEAKED
from engine.model.outcome import Outcome
from engine.model.tags import Managed
from engine.model.workitem import WorkItem, operation_id
from engine.rotate.dependents import Dependents
from engine.rotate.retiring import Retiring
from engine.rotate.revoke import Revocation
from engine.rotate.rollback import LOST
from engine.rotate.source_lease import UNBOUND_FIX
from engine.rotate.work import Work
from engine.secret import SecretVersion


@dataclass(frozen=True)
class PendingCleanUp:
    """What one work item finds left over at its source."""

    work: Work

    async def finish(
        self, secret: SecretVersion, decision: Decision, *, here: bool
    ) -> SecretVersion | None:
        """Finish what only the record knows of; None if there is nothing.

        That is an incident's credential, or a due retirement at a source that the secret has left.
        """
        work = self.work
        record = work.record
        if record.compromised.versions and (not here or isinstance(decision, Confirm | Skip)):
            if here and isinstance(decision, Confirm) and self._must_be_proven(secret, decision):
                return None
            if not self._is_allowed and not isinstance(decision, Park):
                what = f"{work.lease.unbound(secret.ref)}: {LEAKED}"
                raise NeedsHuman(what, where=str(secret.ref), fix=UNBOUND_FIX)
            await Revocation(work.parts, work.lease, work.vault_writer, work.observed).settle(
                secret, record.compromised.versions[0], decision
            )
            return await work.look()
        # While a person has disabled the secret nothing is revoked: nobody could tell what it
        # holds.
        due = record.retirement and record.retirement.at <= work.parts.clock.now()
        if not here and due and secret.enabled and not await self._is_kept(secret):
            return await work.retire(secret, self._retiring(secret))
        return None

    async def hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Acting
    ) -> Wait | None:
        """Return until when a retirement waits for apps, or for what the key has made."""
        lagging = await consumers.hold_back(self.work.parts, secret, item, decision)
        dependents = self._dependents(decision.managed)
        return lagging or await dependents.hold_back(secret, item, decision)

    async def leave(self, secret: SecretVersion) -> Outcome | None:
        """End what is left of the work at a source that the secret has left.

        Say so if nobody may know its password, or if what is due there may not be revoked.
        """
        work = self.work
        if work.progress.retired:
            # The rest of the item is about another source.
            outcome = work.report(secret)
            await work.parts.reporter.concluded(outcome)
            await errand.follow(work.parts, outcome)
            work.observed.told(outcome)
        if unbound := self.unbound(secret):
            return unbound
        is_unknown = work.record.is_unknown
        is_over = work.item.follow_up and await work.observed.note_left()
        if not (work.leaves_unknown or (is_over and is_unknown)):
            return None
        reason = f"the secret has left {work.lease.source}, and {LOST}"
        return Outcome(work.progress.item, "parked", reason, "set a password there by hand")

    def unbound(self, secret: SecretVersion) -> Outcome | None:
        """Return that what is due at a source that the secret has left may not be revoked there.

        None if it may. It bears no mark, because that would keep the secret's present source waiting.
        """
        work = self.work
        pending, item = work.record.retirement, work.progress.item
        due = pending and pending.at <= work.parts.clock.now() and item.action == "retire"
        if not (pending and due) or self._is_allowed or work.managed_here(secret):
            return None
        reason = f"{pending.credential_id} is to be revoked, but {work.lease.unbound(item.ref)}"
        return Outcome(item, "parked", reason, UNBOUND_FIX, old_version=secret.version)

    async def tidy(self) -> None:
        """Remove what a rotation made that is not carried on: nobody will publish it."""
        work = self.work
        record, ref = work.record, work.item.ref
        rotator, source = work.parts.rotators.get(record.kind), work.lease.source
        is_called_off = record.abandoned and not record.pending_write
        if is_called_off and self._is_allowed and isinstance(rotator, Tidy):
            async with work.lease.changing("tidy"):
                await rotator.tidy(source, operation_id(ref, record.abandoned), keep=None)

    @property
    def _is_allowed(self) -> bool:
        """Return whether the secret's vault is still bound to the leased source."""
        return self.work.lease.is_bound(self.work.item.ref)

    def _dependents(self, managed: Managed) -> Dependents:
        # Somebody may have written the same key again since: it is as old as what was published.
        published = self.work.record.published
        return Dependents(self.work.parts, managed, published.at if published else None)

    def _retiring(self, secret: SecretVersion) -> Retiring:
        """Return how to retire what is due: with its replicas, unless the secret has left."""
        work = self.work
        managed = work.managed_here(secret)
        if managed is None:
            return Retiring.left(work.parts, work.lease, work.vault_writer, work.observed)
        return Retiring.of(work.parts, work.lease, work.vault_writer, work.observed, managed)

    async def _is_kept(self, secret: SecretVersion) -> bool:
        """Return whether what is due to be retired stays.

        A secret that rests, or is left to a person, may need it as much as any other. Of one that
        has left its source, what its key has made may still be inside an overlap.
        """
        work = self.work
        pending, managed = work.record.retirement, work.managed_here(secret)
        if not self._is_allowed:
            return True
        published = managed or work.managed_here(replace(secret, tags=work.record.verified.tags))
        if pending is None or published is None:
            return False
        retire = Retire(published, pending, "its overlap passed")
        if managed is None:
            return (
                await self._dependents(published).hold_back(secret, work.asked(), retire)
                is not None
            )
        waits = await self.hold_back(secret, work.asked(), retire)
        return waits is not None or await work.subject(managed).is_refused(secret)

    def _must_be_proven(self, secret: SecretVersion, decision: Confirm) -> bool:
        """Return whether an incident cannot be settled before the current version is proven, as decided.

        A single slot that accepts what Rekey published refuses everything else. A late change may
        have made a source refuse that version, too: it is healed first, as nothing is revoked in
        a list that lacks what is in use.
        """
        work = self.work
        is_proven = secret.version == work.progress.proven
        first = work.observed.may_be_late or work.is_single(decision.managed)
        return first and work.observed.wrote(secret) and not is_proven
