"""Report what was published: a version stays untold in the record until its outcome is reported."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.follow_up import tasks
from engine.parts import Parts
from engine.rotation.context import EARLIER, Rotation
from engine.secret import SecretRef, SecretVersion
from engine.state.due import due_at
from engine.state.record import Record
from engine.state.request import Outcome, WorkItem
from engine.state.tags import Managed


async def report_before_it_passes(parts: Parts, record: Record) -> None:
    """Report the version that a source's owner published last, if nobody has yet.

    The source passes to another secret, or is released, and nothing looks at that version again.
    """
    published = record.published
    if not (record.unreported and record.owner and published):
        return
    ref = SecretRef.parse(record.owner)
    item = WorkItem(ref, "audit", trigger="sweep", requested_by="rekey", source=record.source)
    outcome = Outcome(
        item,
        "rotated",
        EARLIER,
        rotator=record.kind,
        source=record.source,
        old_version=published.replaces,
        new_version=published.version,
        credential_id=published.credential_id,
    )
    await parts.reporter.concluded(outcome)
    await tasks.follow(parts, outcome)


@dataclass(frozen=True)
class Reporting:
    """Reports on one work item, under the lease of its source."""

    at: Rotation

    def outcome(self, secret: SecretVersion) -> Outcome:
        """Return the outcome of what was done."""
        known = self.at.progress
        assert known.result  # noqa: S101 - only called after something was done
        record = self.at.observed.record
        managed, published = known.managed or self.at.managed_here(secret), record.published
        # A person may have written, or disabled, a version on top of the one that this is about.
        is_current = known.new_version in (None, secret.version)
        written = published.credential_id if published else None
        return Outcome(
            known.item,
            known.result,
            known.reason,
            rotator=managed.rotator.kind if managed else record.kind,
            source=self.at.lease.source,
            old_version=known.old_version,
            new_version=known.new_version,
            credential_id=secret.tags.get("CredentialId") if is_current else written,
            next_due=due_at(secret, managed) if managed and is_current else None,
            retired=known.retired,
            replicas=managed.replicas if managed else (),
            derived=self._derived(managed) if managed else (),
        )

    async def earlier(self) -> None:
        """Report the version that an earlier try published, and note that before it is replaced."""
        if self.at.observed.record.unreported:
            await self.untold()
            await self.at.lease.write(self.at.lease.record)

    async def untold(self) -> None:
        """Report by itself the version that an earlier try published, if nobody has yet.

        Nothing else will: what this item is about is something else. So it says nothing of an
        incident, which may not be over. Whoever ends the item notes it, once: a record that could
        not be written may have to rest.
        """
        record = self.at.observed.record
        if not (record.unreported and record.published):
            return
        self.at.progress.publishes_earlier(record.published.version)
        outcome = self.outcome(record.believed(self.at.observed.shown))
        outcome = replace(outcome, item=replace(outcome.item, compromised=False))
        await self.at.parts.reporter.concluded(outcome)
        await tasks.follow(self.at.parts, outcome)
        self.at.observed.told(outcome)
        self.at.progress.begin_anew()

    def _derived(self, managed: Managed) -> tuple[SecretRef, ...]:
        """Return the secrets that may hold what is made from this key."""
        refs = (consent.ref(self.at.progress.item.ref.vault) for consent in managed.may_derive)
        return tuple(ref for ref in refs if self.at.parts.policy.manages(ref.vault))
