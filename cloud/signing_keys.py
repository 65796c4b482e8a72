"""The keys with which requests to endpoints are signed, as Key Vault holds them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloud.rest.signing import LEAST_KEY, SigningKey
from cloud.vaults import KeyVaults
from engine.errors import NeedsHuman
from engine.ports import Clock
from engine.secret import SecretRef

KEPT_SECONDS = 300.0
"""How long a key is kept before it is read again."""


@dataclass
class SigningKeys:
    """Reads keys, and keeps each for five minutes."""

    vaults: KeyVaults
    clock: Clock
    _kept: dict[SecretRef, tuple[float, SigningKey]] = field(default_factory=dict)

    async def read(self, ref: SecretRef) -> SigningKey:
        """Return the current version; raises NeedsHuman if it is disabled or too short."""
        now = self.clock.monotonic()
        ends, key = self._kept.get(ref, (now, None))
        if key is None or ends <= now:
            key = await self._fresh(ref)
            self._kept[ref] = (now + KEPT_SECONDS, key)
        return key

    async def _fresh(self, ref: SecretRef) -> SigningKey:
        secret = await self.vaults.read(ref)
        if secret.value is None or secret.version is None:
            what, fix = "the signing key is disabled", "enable it, or write a new version"
            raise NeedsHuman(what, where=str(ref), fix=fix)
        if len(secret.value.reveal()) < LEAST_KEY:
            what = f"the signing key has fewer than {LEAST_KEY} characters"
            raise NeedsHuman(
                what, where=str(ref), fix="write a longer one here and at the endpoint"
            )
        return SigningKey(secret.version, secret.value)
