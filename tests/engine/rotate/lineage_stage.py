"""A signature under lease, and the secret with the key that made it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from engine.contract import Parent
from engine.model.record import Record
from engine.secret import SecretRef, Sensitive
from tests.engine.rotate.held import Held, held
from tests.rotators.sas_scenes import KEY, SAS, SasScene
from tests.shared.builders import Acting

NO_TAGS: Mapping[str, str | None] = {}


class Stage:
    """A signature under lease, and the key that made it."""

    def __init__(self, scene: SasScene, at: Held) -> None:
        self.scene, self.at, self.rig = scene, at, scene.rig

    @property
    def key(self) -> Sensitive:
        return Sensitive(self.scene.account.keys["key1"].value)

    async def parent(self) -> Parent:
        return await self.at.lineage.parent(self.at.secret.ref)

    def tag(self, tags: Mapping[str, str | None] = NO_TAGS, /, **more: str | None) -> None:
        """Edit tags of the key's secret; None takes one away."""
        kept = {**self.rig.tags(KEY), **tags, **more}
        self.rig.vault.amend(
            self.rig.latest(KEY), tags={tag: text for tag, text in kept.items() if text is not None}
        )

    def ends(self, moment: datetime | None) -> None:
        """Let the key's secret expire then."""
        current = self.rig.latest(KEY)
        self.rig.vault.put(KEY, current.value, tags=current.tags, expires=moment)

    async def note(self, **facts: Any) -> None:
        """Write the record of the key's source, which its secret owns unless it says otherwise."""
        owner = str(SecretRef(self.rig.vault.url, KEY)).lower()
        leases = self.at.parts.leases
        async with leases.hold(self.scene.source_name, owner) as lease:
            await lease.write(replace(Record(source=lease.record.source, owner=owner), **facts))

    async def judged(self, decision: Acting, **item: Any) -> Any:
        asked = self.rig.item(SAS, **item)
        return await self.at.lineage.judged(self.at.secret, asked, decision)

    def moves(self) -> None:
        """Let the key's secret hold the other key."""
        second = self.scene.account.keys["key2"].value
        expires = self.at.now + timedelta(days=80)
        self.rig.vault.put(KEY, second, tags=self.rig.tags(KEY), expires=expires)


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Put both secrets under management, and hold the signature's source."""
    scene = SasScene()
    scene.manage(days_left=10)
    async with held(scene.rig, SAS) as at:
        yield Stage(scene, at)
