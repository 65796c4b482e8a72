"""Earlier versions of a derived secret: disabled once what they hold has ended.

Nothing revokes such a credential but the end of its key or its own expiry, so no retirement is
noted for it. The daily audit tries the earlier ones instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import AccessDenied, NotFound
from engine.rotation.context import Rotation
from engine.rotation.proof import REFUSALS, TRIED, proof_text
from engine.secret import SecretVersion
from engine.state import template


@dataclass(frozen=True)
class ExpiredVersions:
    """The earlier versions of one derived secret."""

    at: Rotation

    async def disable(self, secret: SecretVersion) -> None:
        """Disable each earlier version whose credential the source refuses."""
        record = self.at.observed.record
        for version in record.history.replaced:
            if version not in record.compromised.revoked and await self._has_ended(secret, version):
                self.at.lease.learn(
                    self.at.observed.record.without(
                        version, proof_text(self.at.parts.clock.now(), TRIED)
                    )
                )
        await self.at.vault_writer.out_of_use(secret)

    async def _has_ended(self, secret: SecretVersion, version: str) -> bool:
        """Return whether the source refuses what a version holds, as often as a proof wants it.

        Of a version that somebody has disabled nothing is proven, so it is tried again.
        """
        try:
            old = await self.at.parts.vaults.read_version(secret.ref, version)
        except (NotFound, AccessDenied):
            return False
        fields = template.extract(self.at.managed.template, old.value) or {}
        held = fields.get(self.at.managed.rotator.value_field)
        if held is None:
            return False
        accepts = self.at.rotator.accepts
        for _ in range(REFUSALS):
            if await accepts(self.at.managed.source, "", held):
                return False
        return True
