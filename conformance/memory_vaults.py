"""A vault as plain state; see engine.ports.Vaults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.memory import Versions, World
from engine.errors import AccessDenied, NotFound
from engine.secret import Draft, SecretRef, SecretVersion, Version


@dataclass(frozen=True)
class MemoryVaults:
    """See engine.ports.Vaults."""

    world: World

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version; a disabled one shows nothing."""
        current: SecretVersion = await self.world.reach("read", lambda: self._all(ref)[-1])
        if current.enabled:
            return current
        return SecretVersion(
            ref,
            None,
            value=None,
            enabled=False,
            created=current.created,
            expires=None,
            content_type=None,
        )

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version."""
        match = await self.world.reach("read version", lambda: self._one(ref, version))
        if not match.enabled:
            raise AccessDenied("the version is disabled", fix="enable it", code="SecretDisabled")
        return match

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version."""
        version = await self.world.reach("publish", lambda: self._put(ref, draft), changes=True)
        return replace(version, value=None)

    async def retag(self, secret: SecretVersion, tags: Mapping[str, str]) -> SecretVersion:
        """Replace the tags of this version."""
        self.world.said.append(repr(dict(tags)))
        change = lambda: self._change(secret.ref, str(secret.version), tags=dict(tags))  # noqa: E731
        return await self.world.reach("retag", change, changes=True)

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version."""
        change = lambda: self._change(ref, version, enabled=False)  # noqa: E731
        await self.world.reach("disable", change, changes=True)

    async def list(self, vault: str) -> AsyncIterator[Version]:
        """Stream the current versions, without values and version ids."""
        for secret in await self.world.reach("list", lambda: self._current(vault)):
            yield replace(secret.bare, version=None)

    async def page(self, vault: str, token: str | None) -> tuple[Sequence[Version], str | None]:
        """Return everything on one page."""
        del token
        return [secret async for secret in self.list(vault)], None

    async def versions(self, ref: SecretRef) -> AsyncIterator[Version]:
        """Stream every version without its value."""
        versions = await self.world.reach("versions", lambda: [*self.world.versions.get(ref, ())])
        for version in versions:
            yield version.bare

    def _all(self, ref: SecretRef) -> Versions:
        if ref not in self.world.versions:
            raise NotFound(f"{ref} does not exist")
        return self.world.versions[ref]

    def _one(self, ref: SecretRef, version: str) -> SecretVersion:
        match = next((each for each in self._all(ref) if each.version == version), None)
        if match is None:
            raise NotFound("there is no such version")
        return match

    def _current(self, vault: str) -> Sequence[SecretVersion]:
        every = self.world.versions.items()
        return [versions[-1] for ref, versions in every if ref.vault == vault]

    def _put(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        versions = self.world.versions.setdefault(ref, [])
        self.world.said.append(repr(dict(draft.tags)))
        version = SecretVersion(
            ref,
            f"v{len(versions) + 1}",
            value=draft.value,
            enabled=True,
            created=self.world.clock.now(),
            expires=draft.expires,
            content_type=draft.content_type,
            tags=dict(draft.tags),
        )
        versions.append(version)
        return version

    def _change(self, ref: SecretRef, version: str, **changes: object) -> SecretVersion:
        versions = self._all(ref)
        at = versions.index(self._one(ref, version))
        versions[at] = replace(versions[at], **changes)  # type: ignore[arg-type]
        return versions[at]
