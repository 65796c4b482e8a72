"""One secret under the lease of its source: what making, publishing and proving it share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from engine.contract import Job, Rotator, Tidy
from engine.parts import Parts
from engine.rotation.observed import Observed
from engine.rotation.parent_key import ParentKey
from engine.rotation.progress import Progress
from engine.rotation.proof import Proof
from engine.rotation.replicas import Replicas
from engine.rotation.rotation import Rotation
from engine.rotation.source_lease import SourceLease
from engine.rotation.vault_writer import VaultWriter
from engine.secret import SecretVersion
from engine.state.tags import Managed


@dataclass
class Subject:
    """One secret, as its tags ask for it to be managed."""

    rotation: Rotation
    managed: Managed

    @property
    def parts(self) -> Parts:
        """The ports, and the policy."""
        return self.rotation.parts

    @property
    def lease(self) -> SourceLease:
        """The source under its lease."""
        return self.rotation.lease

    @property
    def vault_writer(self) -> VaultWriter:
        """The only way to write to a vault."""
        return self.rotation.vault_writer

    @property
    def observed(self) -> Observed:
        """The secret as it was seen, with its record."""
        return self.rotation.observed

    @property
    def progress(self) -> Progress:
        """What was done so far."""
        return self.rotation.progress

    @cached_property
    def rotator(self) -> Rotator:
        """The plug-in for its kind."""
        return self.parts.rotator(self.managed)

    @cached_property
    def single(self) -> bool:
        """Whether the source accepts one credential at a time."""
        return self.rotator.single_slot(self.managed.settings)

    @cached_property
    def proof(self) -> Proof:
        """What tries credentials at the source."""
        return Proof(self.lease)

    @cached_property
    def replicas(self) -> Replicas:
        """Its copies."""
        return Replicas(self.vault_writer, self.managed)

    @cached_property
    def parent_key(self) -> ParentKey | None:
        """The key that it is derived from; None if it is derived from none."""
        return ParentKey.of(self.parts, self.managed)

    @property
    def is_unparked(self) -> bool:
        """Whether a person asks for a look after one that has parked the secret."""
        item = self.progress.item
        is_look = item.recheck or item.follows
        return item.action == "audit" and item.trigger == "manual" and not is_look

    def job(self, secret: SecretVersion, *, in_place: bool = False) -> Job:
        """Return what the plug-in is asked, and what the record knows of earlier tries."""
        record = self.observed.record
        proven, touched = self.observed.wrote(secret), record.change.version == secret.version
        job = self.parts.job(secret, self.managed, proven=proven, in_place=in_place)
        # An incident does not wait for whoever else may use the source, nor does who has looked.
        leaked = self.progress.item.compromised or record.compromised.versions
        overruled = leaked or self.is_unparked
        job = replace(job, changed=record.change.started_at if proven and not overruled else None)
        # What was restored since is in use again.
        job = replace(job, revoked=record.revoked_ids - {job.held_id or ""})
        if not touched:
            return job
        under_way = record.change.in_progress_since is not None
        return replace(
            job,
            asked=record.change.requested_at,
            sent=record.change.started_at,
            under_way=under_way,
            mark=record.change.marker,
        )

    async def is_refused(self, secret: SecretVersion) -> bool:
        """Return whether the source refuses what the current version holds, from one try."""
        held = self.parts.held(secret, self.managed)
        source, held_id = self.managed.source, self.managed.credential_id or ""
        return held is not None and not await self.rotator.accepts(source, held_id, held)

    async def out_of_use(self, secret: SecretVersion) -> None:
        """Disable the versions that hold dead values, its replicas' too."""
        await self.vault_writer.out_of_use(secret)
        await self.replicas.out_of_use(secret.ref)

    async def tidy(self, operation: str, keep: str | None) -> None:
        """Remove what an operation left at the source, but the credential to keep."""
        if isinstance(self.rotator, Tidy):
            async with self.lease.changing("tidy"):
                await self.rotator.tidy(self.managed.source, operation, keep)
