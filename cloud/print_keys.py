"""The keys of prints, as Key Vault holds them: the versions of one secret beside the policy document.

A person writes the secret, and a new version to rotate it. Prints under an earlier version are
found as long as that is enabled, and are replaced by the daily audits.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from cloud.vaults import KeyVaults
from engine.errors import RekeyError
from engine.ports import Clock
from engine.secret import SecretRef
from engine.state.history import newest_first
from engine.state.policy import Policy
from engine.state.record_parts import Prints

log = logging.getLogger("rekey.leak")

KEPT_SECONDS = 300.0
"""How long keys are kept before they are read again."""
PATIENCE_SECONDS = 3.0
"""The longest that a read may take while keys are in memory, as with the policy: all work waits."""
MOST_KEYS = 3
"""How many versions count, the newest first."""
LEAST_KEY = 32
"""How many characters a key has at least."""


@dataclass
class PrintKeys:
    """Reads the keys; see engine.ports.Prints."""

    vaults: KeyVaults
    clock: Clock
    _ends: float = 0.0
    _name: str = ""
    _prints: Prints = field(default_factory=Prints)

    async def current(self, policy: Policy) -> Prints:
        """Return what makes prints under this policy. Without a key there are none, and no error."""
        name = policy.document.leaks.key
        if not (name and policy.own):
            return Prints()
        now = self.clock.monotonic()
        if now >= self._ends or name != self._name:
            held = self._prints if name == self._name else Prints()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS if held.keys else None):
                    self._prints = await self._fresh(SecretRef(policy.own.vault, name))
            except (RekeyError, TimeoutError) as error:
                why = str(error) or "no answer in time"
                log.error("the key of reported leaks cannot be read: %s", why)
                self._prints = held
            self._ends, self._name = now + KEPT_SECONDS, name
        return self._prints

    async def _fresh(self, ref: SecretRef) -> Prints:
        versions = [version async for version in self.vaults.versions(ref) if version.enabled]
        keys = {}
        for version in newest_first(versions)[:MOST_KEYS]:
            key = (await self.vaults.read_version(ref, str(version.version))).value
            if key and len(key.reveal()) >= LEAST_KEY:
                keys[str(version.version)] = key.reveal().encode()
        if not keys:
            log.error("%s holds no key of %d characters: leaks are found slowly", ref, LEAST_KEY)
        return Prints(keys)
