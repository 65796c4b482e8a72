"""What a rotation left behind whose record was lost: told from the vault's versions, not from tags."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.contract import Recognise, Tidy
from engine.errors import NeedsHuman
from engine.rotation.context import Rotation
from engine.secret import SecretVersion
from engine.state.request import operation_id
from engine.state.tags import OPERATION


@dataclass(frozen=True)
class Unrecorded:
    """The operation that wrote the current version, where no record knows of it any more."""

    at: Rotation

    async def tidy(self, secret: SecretVersion) -> None:
        """Remove what that operation made in vain, and keep what the current version holds.

        It replaced the version before this one, so no other version can hold what it made.
        """
        rotator, published = self.at.rotator, self.at.observed.record.published
        is_marked = OPERATION in self.at.observed.shown.tags
        if self.at.observed.wrote(secret) or not (published or is_marked):
            return
        if not isinstance(rotator, Tidy) or not isinstance(rotator, Recognise):
            return
        before = await self._before(secret)
        if before is None or (published and published.version != before.version):
            return
        job = replace(self.at.parts.job(secret, self.at.managed), held_id=None)
        try:
            held_id = (await rotator.recognise(job)).credential_id
        except NeedsHuman:
            # Nobody can tell which one is in use, so all of them stay.
            return
        async with self.at.lease.changing("tidy"):
            operation = operation_id(secret.ref, str(before.version))
            await rotator.tidy(self.at.lease.source, operation, keep=held_id)

    async def _before(self, secret: SecretVersion) -> SecretVersion | None:
        """Return the version before the current one; None if that is not certain."""
        versions = [version async for version in self.at.parts.vaults.versions(secret.ref)]
        others = [version for version in versions if version.version != secret.version]
        latest = max((version.created for version in others), default=secret.created)
        before = [version for version in others if version.created == latest]
        is_certain = len(before) == 1 and latest < secret.created
        return before[0] if is_certain else None
