"""One work item under one lease: what everything that is done for it shares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.decide.decision import due_at
from engine.model.outcome import Outcome
from engine.model.record import Record
from engine.model.tags import Malformed, Managed, parse
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.rotate.gate import Gate
from engine.rotate.progress import Progress
from engine.rotate.retiring import Retiring
from engine.rotate.sight import Sight
from engine.rotate.subject import Subject
from engine.rotate.under_lease import UnderLease
from engine.secret import SecretRef, SecretVersion


@dataclass
class Work:
    """One work item under one lease, and what was done for it so far."""

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

    @property
    def record(self) -> Record:
        """What is known of the source."""
        return self.sight.record

    async def look(self) -> SecretVersion:
        """Read the secret, and return what Rekey believes of it; raises Stale while the vault lags."""
        secret = await self.sight.look()
        if not (self.progress.item.compromised and self.progress.item.since):
            self.progress.item = self.progress.item.about(secret.version)
        if self.sight.untold and self.progress.result is None:
            self.progress.result, self.progress.reason = "rotated", "published by an earlier try"
            published = self.record.published
            self.progress.new_version = published.version if published else None
        return secret

    def asked(self) -> WorkItem:
        """Return what is asked for: an incident that the record knows of comes before everything else."""
        doomed, item = self.record.compromised, self.progress.item
        if not doomed and item.compromised and item.since and item.version is None:
            return replace(item, action="audit", compromised=False)
        if not doomed:
            return item
        earlier = self.record.pending
        is_restorable = earlier and earlier.version not in doomed
        item = replace(item, compromised=True, version=doomed[0])
        return (
            item if item.action == "restore" and is_restorable else replace(item, action="rotate")
        )

    def is_single(self, managed: Managed) -> bool:
        """Return whether the source accepts one credential at a time."""
        return self.parts.rotator(managed).single_slot(managed.settings)

    def managed_here(self, secret: SecretVersion) -> Managed | None:
        """Return what a secret's tags ask for at this source; None if they name another one."""
        shown = self.parts.policy.applied(secret)
        if "ProviderAddress" not in shown.tags:
            return None
        managed = parse(shown.tags, self.parts.policy, self.parts.kinds)
        if isinstance(managed, Malformed) or managed.source != self.lease.source:
            return None
        return managed

    def subject(self, managed: Managed) -> Subject:
        """Return the secret for whoever makes, proves and publishes its credentials."""
        return Subject(self.parts, self.lease, self.gate, self.sight, self.progress, managed)

    async def retire(self, secret: SecretVersion, retiring: Retiring) -> SecretVersion:
        """Revoke what the record says is to be retired; return the secret as it is then."""
        pending = self.record.pending
        assert pending  # noqa: S101 - decided from it
        secret, is_revoked = await retiring.retire(secret, pending)
        if not is_revoked:
            return secret
        self.progress.retired += (pending.credential_id,)
        if self.progress.result in (None, "confirmed"):
            self.progress.result = "retired"
        self.progress.reason = self.progress.reason or "its overlap has passed"
        return secret

    def report(self, secret: SecretVersion) -> Outcome:
        """Return the outcome of what was done."""
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

    def _derived(self, managed: Managed) -> tuple[SecretRef, ...]:
        """Return the secrets that may hold what is made from this key."""
        refs = (consent.ref(self.item.ref.vault) for consent in managed.may_derive)
        return tuple(ref for ref in refs if self.parts.policy.manages(ref.vault))
