"""Which versions an incident means: those whose credentials count as leaked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.errors import NeedsHuman
from engine.rotation.context import Rotation
from engine.secret import SecretVersion
from engine.state.history import newest_first


@dataclass(frozen=True)
class CompromisedVersions:
    """What the item of an incident means, once its secret can be seen."""

    at: Rotation

    async def versions(self, secret: SecretVersion) -> list[str]:
        """Return the versions that leaked; raises NeedsHuman while nobody can tell.

        `secret` is the current version.
        """
        item, since = self.at.progress.item, self.at.progress.item.began
        old = since is not None and self.at.observed.made_before(secret, since)
        if item.version:
            # Restored between the order and its item: what is current now is as old as what was
            # reported.
            return [item.version, *([str(secret.version)] if old else [])]
        if not secret.version:
            raise NeedsHuman(
                "the secret is disabled, so nobody can tell which credential leaked",
                where=str(secret.ref),
                fix="enable it: the incident is tried again for a month",
            )
        if since is None or old:
            return [secret.version]
        # When Rekey made what it published, its record tells: the vault's clock may be behind.
        is_ours = self.at.observed.wrote(secret)
        if secret.created < since and not is_ours:
            return [secret.version]
        older = await self._older(secret, since)
        # Of a secret that is itself younger nobody knows how old its credentials are.
        superseded = self._superseded() if is_ours else [secret.version]
        if older:
            # It was replaced since, but may still be accepted. What a person wrote in its place
            # stays, unless it turns out to hold what leaked.
            return list(dict.fromkeys([*older[:1], *(old for old in superseded if old in older)]))
        return superseded[:1]

    async def _older(self, secret: SecretVersion, since: datetime) -> list[str]:
        """Return the versions from before the incident, the newest first."""
        older = [
            version
            async for version in self.at.parts.vaults.versions(secret.ref)
            if version.version not in (None, secret.version) and version.created < since
        ]
        return [str(version.version) for version in newest_first(older)]

    def _superseded(self) -> list[str]:
        """Return the version that Rekey superseded, and the one whose value it held, if restored."""
        record = self.at.observed.record
        if record.retirement is None:
            return []
        version = record.retirement.version
        return [version, *filter(None, [record.history.copies.get(version)])]
