"""Key Vaults as plain state; see engine.ports.Vaults and, for what they answer, cloud/vaults.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.errors import AccessDenied, NotFound
from engine.secret import Draft, SecretRef, SecretVersion, Version
from tests.proof.hand import Hand


@dataclass(frozen=True)
class ModelVaults:
    """The vaults in one worker's hand."""

    hand: Hand

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version; a disabled one shows nothing of itself."""
        now = lambda: self._current(ref, self._versions(ref))  # noqa: E731
        then = lambda: self._current(ref, self._stale(ref))  # noqa: E731
        shown = await self.hand.reach("read", now, about=ref, stale=then)
        worker, versions = self.hand.worker, self.hand.world.vault.get(ref)
        worker.shown[ref] = shown
        worker.lagging.discard(ref)
        if shown.enabled and not (versions and shown.version == versions[-1].version):
            worker.lagging.add(ref)
        return shown

    @staticmethod
    def _current(ref: SecretRef, versions: Sequence[SecretVersion]) -> SecretVersion:
        current = versions[-1]
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
        now = lambda: self._one(self._versions(ref), version)  # noqa: E731
        then = lambda: self._one(self._stale(ref), version)  # noqa: E731
        return await self.hand.reach("read version", now, about=ref, stale=then)

    @staticmethod
    def _one(versions: Sequence[SecretVersion], version: str) -> SecretVersion:
        match = next((candidate for candidate in versions if candidate.version == version), None)
        if match is None:
            raise NotFound("no such version")
        if not match.enabled:
            raise AccessDenied("the version is disabled", fix="enable it", code="SecretDisabled")
        return match

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version."""
        worker = self.hand.worker
        read = {at: version for at, version in worker.shown.items() if at not in worker.lagging}
        shown = read | {ref: worker.shown[ref]} if ref in worker.shown else read
        # The owner's command line writes a first version, which needs no lease.
        is_first = worker.message.what == "release"
        write = lambda: self._put(ref, draft, shown, by_hand=is_first)  # noqa: E731 - one effect, said where it is sent
        version = await self.hand.reach(
            "publish", write, changes=True, sandboxed=not is_first, about=ref
        )
        return replace(version, value=None)

    def _put(
        self,
        ref: SecretRef,
        draft: Draft,
        shown: Mapping[SecretRef, SecretVersion],
        *,
        by_hand: bool,
    ) -> SecretVersion:
        from tests.proof.people import disown

        world = self.hand.world
        if by_hand and ref in world.vault:
            # Somebody has made or recovered it just now: whoever writes over that looks after it.
            disown(world)
        return world.put(ref, draft, by_hand=by_hand, shown=shown)

    async def retag(self, secret: SecretVersion, tags: Mapping[str, str]) -> SecretVersion:
        """Replace the tags of exactly this version."""
        basis = self.hand.worker.shown.get(secret.ref)
        change = lambda: self._retag(secret, dict(tags), basis)  # noqa: E731
        return await self.hand.reach("retag", change, changes=True, about=secret.ref)

    def _retag(
        self, secret: SecretVersion, tags: dict[str, str], basis: SecretVersion | None
    ) -> SecretVersion:
        if all(version.version != secret.version for version in self._versions(secret.ref)):
            raise NotFound("no such version")
        if self.hand.worker.message.what == "release":
            self.hand.world.by_hand.add(str(secret.version))
        else:
            self.hand.world.watch.retagged(secret, tags, basis)
        return self._change(secret.ref, secret.version, tags=tags)

    async def disable(self, ref: SecretRef, version: str) -> None:
        """Disable a version."""
        # Who has sent it cannot know of what a person does before it arrives: there is no If-Match.
        again = version in self.hand.world.watch.enabled_again
        effect = lambda: self._disable(ref, version, again=again)  # noqa: E731
        await self.hand.reach("disable", effect, changes=True, sandboxed=True, about=ref)

    def _disable(self, ref: SecretRef, version: str, *, again: bool) -> None:
        if any(candidate.version == version for candidate in self.hand.world.vault.get(ref, ())):
            if again:
                self.hand.world.watch.disabled(version)
            self._change(ref, version, enabled=False)

    def _change(self, ref: SecretRef, version: str | None, **changes: object) -> SecretVersion:
        return self.hand.world.change(ref, version, **changes)

    def _versions(self, ref: SecretRef) -> list[SecretVersion]:
        if ref not in self.hand.world.vault:
            raise NotFound(f"{ref} does not exist")
        return self.hand.world.vault[ref]

    def _stale(self, ref: SecretRef) -> Sequence[SecretVersion]:
        versions = self.hand.world.stale(ref)
        if not versions:
            raise NotFound(f"{ref} does not exist")
        return versions

    async def list(self, vault: str) -> AsyncIterator[Version]:
        """Stream the current versions, without values and version ids."""
        world = self.hand.world
        now = lambda: [versions[-1] for versions in world.vault.values()]  # noqa: E731
        then = lambda: [world.stale(ref)[-1] for ref in world.vault if world.stale(ref)]  # noqa: E731
        for secret in await self.hand.reach("list", now, stale=then):
            if secret.ref.vault == vault:
                yield replace(secret.bare, version=None)

    async def page(self, vault: str, token: str | None) -> tuple[Sequence[Version], str | None]:
        """Return everything on one page."""
        assert token is None
        return [secret async for secret in self.list(vault)], None

    async def versions(self, ref: SecretRef) -> AsyncIterator[Version]:
        """Stream every version without its value."""
        world = self.hand.world
        now = lambda: list(world.vault.get(ref, []))  # noqa: E731
        then = lambda: list(world.stale(ref))  # noqa: E731
        for version in await self.hand.reach("list", now, about=ref, stale=then):
            yield version.bare
