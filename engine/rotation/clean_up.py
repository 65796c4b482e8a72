"""What is finished beside the work that was asked for.

That is an incident's credential, a retirement that is due, and what nobody will publish any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.contract import Tidy
from engine.follow_up import refresh, tasks
from engine.rotation.context import Rotation
from engine.rotation.dependents import Dependents
from engine.rotation.reporting import Reporting
from engine.rotation.source_lease import LOST, UNBOUND_FIX
from engine.secret import SecretVersion
from engine.state.decision import Acting, Retire, Wait
from engine.state.request import Outcome, WorkItem, operation_id
from engine.state.tags import Managed, Pending


@dataclass(frozen=True)
class PendingCleanUp:
    """What one work item finds left over at its source."""

    at: Rotation

    @property
    def _due(self) -> Pending | None:
        """What is to be revoked by now."""
        pending = self.at.record.retirement
        return pending if pending and pending.at <= self.at.parts.clock.now() else None

    async def hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Acting
    ) -> Wait | None:
        """Return until when a retirement waits for apps, or for what the key has made."""
        lagging = await refresh.hold_back(self.at.parts, secret, item, decision)
        dependents = self._dependents(decision.managed)
        return lagging or await dependents.hold_back(secret, item, decision)

    async def leave(self, secret: SecretVersion) -> Outcome | None:
        """End what is left of the work at a source that the secret has left.

        Say so if nobody may know its password, or if what is due there may not be revoked.
        """
        at = self.at
        if at.progress.retired:
            # The rest of the item is about another source.
            outcome = Reporting(at).outcome(secret)
            await at.parts.reporter.concluded(outcome)
            await tasks.follow(at.parts, outcome)
            at.observed.told(outcome)
        if unbound := self.unbound(secret):
            return unbound
        is_unknown = at.record.is_unknown
        is_over = at.item.recheck and await at.observed.note_left()
        if not (at.leaves_unknown or (is_over and is_unknown)):
            return None
        reason = f"the secret has left {at.lease.source}, and {LOST}"
        return Outcome(at.progress.item, "parked", reason, "set a password there by hand")

    def unbound(self, secret: SecretVersion) -> Outcome | None:
        """Return that what is due at a source that the secret has left may not be revoked there.

        None if it may. It bears no mark, because that would keep the secret's present source waiting.
        """
        at = self.at
        pending, item = self._due, at.progress.item
        is_asked = pending and item.action == "retire"
        if not (pending and is_asked) or self.at.is_bound or at.managed_here(secret):
            return None
        reason = f"{pending.credential_id} is to be revoked, but {at.lease.unbound(item.ref)}"
        return Outcome(item, "parked", reason, UNBOUND_FIX, old_version=secret.version)

    async def tidy(self) -> None:
        """Remove what a rotation made that is not carried on: nobody will publish it."""
        at = self.at
        record, ref = at.record, at.item.ref
        rotator, source = at.parts.rotators.get(record.kind), at.lease.source
        is_called_off = record.abandoned and not record.pending_write
        if is_called_off and self.at.is_bound and isinstance(rotator, Tidy):
            async with at.lease.changing("tidy"):
                await rotator.tidy(source, operation_id(ref, record.abandoned), keep=None)

    def _dependents(self, managed: Managed) -> Dependents:
        # Somebody may have written the same key again since: it is as old as what was published.
        published = self.at.record.published
        return Dependents(self.at.parts, managed, published.at if published else None)

    async def is_kept(self, secret: SecretVersion) -> bool:
        """Return whether what is due to be retired stays.

        A secret that rests, or is left to a person, may need it as much as any other. Of one that
        has left its source, what its key has made may still be inside an overlap.
        """
        at = self.at
        pending, managed = at.record.retirement, at.managed_here(secret)
        if not self.at.is_bound:
            return True
        published = managed or at.managed_here(replace(secret, tags=at.record.verified.tags))
        if pending is None or published is None:
            return False
        retire = Retire(published, pending, "its overlap passed")
        if managed is None:
            return (
                await self._dependents(published).hold_back(secret, at.asked(), retire) is not None
            )
        waits = await self.hold_back(secret, at.asked(), retire)
        return waits is not None or await at.is_refused(secret)
