"""Defaults that tags may override, and the bounds that they may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for every secret."""

    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Vault URL → the ids (lower case) whose sources its secrets may rotate. A vault that is not a key is not touched."""
    rotate_before: timedelta = timedelta(days=30)
    """How long before expiry a secret is due. Key Vault's near-expiry event comes 30 days before, too."""
    overlap: timedelta = timedelta(hours=168)
    """How long a superseded credential keeps working."""
    parked_rest: timedelta = timedelta(days=1)
    """How long a parked secret is left alone before it is tried again."""

    def manages(self, vault: str) -> bool:
        """Tell whether this vault is one of ours."""
        return vault in self.scopes

    def allows(self, vault: str, source: str) -> bool:
        """Tell whether a secret in this vault may rotate this source (canonical, lower case)."""
        return any(source == scope or source.startswith(scope + "/") for scope in self.scopes.get(vault, ()))
