"""Publish a superseded credential again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from engine.contract import Issued, Recognise
from engine.errors import AccessDenied, NeedsHuman
from engine.rotation.context import Rotation
from engine.rotation.publishing import Publishing
from engine.rotation.reporting import Reporting
from engine.rotation.retiring import DISABLED
from engine.secret import SecretVersion
from engine.state import template
from engine.state.decision import Restore
from engine.state.tags import Pending


@dataclass(frozen=True)
class Restoring:
    """Gives one secret its earlier credential back."""

    at: Rotation

    async def restore(self, secret: SecretVersion, plan: Restore) -> SecretVersion:
        """Publish the superseded credential again. Its successor gets an overlap in turn."""
        at = self.at
        await Reporting(at).earlier()
        managed, pending = at.managed, plan.pending
        old = await self._superseded(secret, pending.version)
        fields = template.extract(managed.template, old.value)
        if fields is None:
            raise NeedsHuman(
                "the earlier value does not follow ValueTemplate",
                where=str(secret.ref),
                fix="rotate instead",
            )
        now = at.parts.clock.now()
        ends = max(old.expires or secret.created, now + managed.overlap)
        if source_ends := await self._ends(
            replace(secret, version=old.version, value=old.value), pending
        ):
            ends = min(ends, source_ends)
        issued = Issued(
            pending.credential_id, fields, supersedes=managed.credential_id, expires=ends
        )
        await at.proof.issued(managed, issued)
        publishing = Publishing(at, restores=old)
        return await publishing.publish(secret, issued, managed.overlap, "restored", plan.reason)

    async def _superseded(self, secret: SecretVersion, version: str) -> SecretVersion:
        """Return the version to restore; raises NeedsHuman if a person has disabled it."""
        try:
            return await self.at.parts.vaults.read_version(secret.ref, version)
        except AccessDenied as error:
            if error.code != DISABLED:
                raise
        raise NeedsHuman(
            f"the version to restore, {version}, is disabled",
            where=str(secret.ref),
            fix="enable it and restore again, or unpark the secret and keep its new version",
        )

    async def _ends(self, old: SecretVersion, pending: Pending) -> datetime | None:
        """Return when the source itself ends the earlier credential; None if it does not say."""
        at = self.at
        if not isinstance(at.rotator, Recognise):
            return None
        job = replace(at.parts.job(old, at.managed), held_id=pending.credential_id)
        return (await at.rotator.recognise(job)).ends
