"""The only way to write to a vault: publish, retag or disable, for a secret and its replicas.

Every write happens under the lease, right after a fresh read. Rekey never overwrites a version
that somebody wrote since, never writes without the owner's present consent, and never writes the
policy document. Key Vault has no If-Match, so a change by somebody else can only be missed in the
time of one call, between the read and the write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.errors import NeedsHuman, TransientError
from engine.rotation.source_lease import SourceLease
from engine.secret import VERSION_ID, Draft, SecretRef, SecretVersion
from engine.state.tags import CREDENTIAL, MAX_TAGS, OURS

type Tags = Mapping[str, str]
type Check = Callable[[SecretVersion], None]


def _nothing(fresh: SecretVersion) -> None:
    """Accept any state: the lease is about this very secret, which needs no further consent."""
    del fresh


class Overtaken(TransientError):  # noqa: N818 - the name says what is the case
    """Somebody wrote or disabled a version meanwhile. It stands, and Rekey decides again."""


@dataclass(frozen=True)
class VaultWriter:
    """Writes to vaults under one lease."""

    lease: SourceLease

    async def unchanged(self, secret: SecretVersion) -> SecretVersion:
        """Return the secret, read afresh.

        Raises Overtaken if its current version is another one or is disabled.
        """
        self._no_policy(secret.ref)
        fresh = await self.lease.parts.vaults.read(secret.ref)
        if fresh.version != secret.version or not fresh.enabled:
            raise Overtaken(
                "somebody has written a version in the meantime",
                where=str(secret.ref),
                code="Overtaken",
            )
        return fresh

    async def publish(
        self, secret: SecretVersion, draft: Draft, step: str = "publish", check: Check = _nothing
    ) -> SecretVersion:
        """Write a new version in place of exactly this one, with its owner's tags as they are now.

        `check` raises where the secret, as it is now, does not consent.
        """
        try:
            fresh = await self.unchanged(secret)
        except TransientError as error:
            error.unsent = True
            raise
        check(fresh)
        composed = {*OURS, CREDENTIAL}
        own = {tag: text for tag, text in fresh.tags.items() if tag not in composed}
        gone = {tag for tag in secret.tags if tag not in composed and tag not in fresh.tags}
        tags = {tag: text for tag, text in draft.tags.items() if tag not in gone} | own
        self._room(secret.ref, tags)
        async with self.lease.changing(step):
            return await self.lease.parts.vaults.publish(secret.ref, replace(draft, tags=tags))

    async def retag(self, secret: SecretVersion, ours: Tags, step: str) -> SecretVersion:
        """Set exactly these of Rekey's own tags on this version, keeping its owner's tags."""
        fresh = await self.unchanged(secret)
        tags = {tag: text for tag, text in fresh.tags.items() if tag not in OURS} | dict(ours)
        self._room(secret.ref, tags)
        if tags == dict(fresh.tags):
            return fresh
        async with self.lease.changing(step):
            return await self.lease.parts.vaults.retag(fresh, tags)

    async def probe(self, secret: SecretVersion) -> None:
        """Prove that the vault takes a write: set the tags that the version has already."""
        fresh = await self.unchanged(secret)
        async with self.lease.changing("probe"):
            await self.lease.parts.vaults.retag(fresh, fresh.tags)

    async def disable(self, secret: SecretVersion, version: str, step: str = "disable") -> None:
        """Disable a version, unless it is the current one."""
        await self.unchanged(secret)
        if version == secret.version:
            return
        async with self.lease.changing(step):
            await self.lease.parts.vaults.disable(secret.ref, version)

    async def out_of_use(self, secret: SecretVersion) -> None:
        """Disable the versions that hold dead values.

        A compromised version stays readable until its credential is proven to be refused.
        """
        record = self.lease.record
        own = (version for version in record.stale if VERSION_ID.fullmatch(version))
        ready = [version for version in own if version not in record.compromised.versions]
        for version in ready:
            await self.disable(secret, version)
        if ready:
            left = tuple(version for version in record.stale if version not in ready)
            self.lease.learn(replace(self.lease.record, stale=left))

    def _no_policy(self, ref: SecretRef) -> None:
        if self.lease.parts.policy.is_own(ref):
            raise NeedsHuman(
                "the secret holds the policy document, which no rotation may write",
                where=str(ref),
                fix="rotate another secret, or move the document and change REKEY_POLICY",
            )

    @staticmethod
    def _room(ref: SecretRef, tags: Tags) -> None:
        if len(tags) > MAX_TAGS:
            raise NeedsHuman(
                f"{len(tags)} tags are more than the {MAX_TAGS} that a secret may have",
                where=str(ref),
                fix="remove a tag",
            )
