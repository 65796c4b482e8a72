"""How long a retirement waits for who reads a replica that holds the current value only lately."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from engine.errors import TransientError
from engine.state.request import Outcome
from engine.state.tags import REPLICA_OF, RETIRE, Pending, parked
from tests.shared.scene import NAME, keys_of, refuse, scene, source_of, to_vault

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST, SECOND = "first", "second"


class Late:
    """A secret that was rotated, and two replicas that are named since, and hold the old value."""

    def __init__(self, overlap: timedelta) -> None:
        self.rig = scene(tags={"OverlapHours": str(overlap // HOUR)})
        self.consent = {REPLICA_OF: f"{self.rig.vault.url}/secrets/{NAME}"}
        self.old = self.rig.latest(NAME).value
        for name in (FIRST, SECOND):
            self.rig.vault.put(name, self.old, tags=self.consent)

    @classmethod
    async def after(cls, overlap: timedelta, *before: timedelta) -> Late:
        """Return it at the end of its overlap; replicas were written so long before that."""
        late = cls(overlap)
        assert (await late.rig.handle(NAME)).result == "rotated"
        secrets = f"{late.rig.vault.url}/secrets"
        late.rig.tag(NAME, Replicas=f"{secrets}/{FIRST},{secrets}/{SECOND}")
        for name, age in zip((FIRST, SECOND), before, strict=False):
            late.wait_until(late.ends - age)
            late.rig.vault.put(name, late.rig.latest(NAME).value, tags=late.consent)
        late.wait_until(late.ends)
        return late

    @property
    def ends(self) -> datetime:
        """When the overlap ends."""
        return Pending.parse(self.rig.tags(NAME)[RETIRE]).at

    @property
    def longest(self) -> datetime:
        """Until when it waits at most: as long again as the overlap was."""
        began = self.rig.latest(NAME).created
        return self.ends + timedelta(seconds=self.ends.timestamp() - began)

    @property
    def works(self) -> bool:
        """Whether the old value works."""
        return self.old in keys_of(self.rig).values()

    def wait_until(self, moment: datetime) -> None:
        self.rig.clock.advance((moment - self.rig.clock.now()).total_seconds())

    async def retire(self) -> Outcome:
        item = self.rig.item(NAME, action="retire", trigger="sweep", source=source_of(self.rig))
        return await self.rig.service().engine.handle(item)

    async def is_kept_until(self, until: datetime, why: str) -> None:
        """Check that the old value is kept to this second, and no further."""
        for moment in (self.rig.clock.now(), until - timedelta(seconds=1)):
            self.wait_until(moment)
            outcome = await self.retire()
            assert outcome.result == "waiting"
            assert outcome.reason == f"key1 is kept until {until:%Y-%m-%d %H:%M}Z: {why}"
            assert self.works
        self.wait_until(until)
        assert (await self.retire()).retired == ("key1",)
        assert not self.works


async def test_it_waits_for_an_overlap_since_the_last_of_them_was_written() -> None:
    late = await Late.after(7 * DAY, 3 * DAY, DAY)
    written = late.ends - DAY
    why = f"a replica was written at {written:%Y-%m-%d %H:%M}Z"
    await late.is_kept_until(written + 7 * DAY, why)


@pytest.mark.parametrize("before", [(), (2 * DAY,)], ids=["none", "one of them"])
async def test_it_waits_no_longer_than_for_an_app(before: tuple[timedelta, ...]) -> None:
    """The retirement itself has written the others, once the overlap was over."""
    late = await Late.after(2 * DAY, *before)
    late.wait_until(late.ends + HOUR)
    why = f"a replica was written at {late.rig.clock.now():%Y-%m-%d %H:%M}Z"
    await late.is_kept_until(late.longest, why)


async def test_one_that_cannot_be_read_may_hold_what_is_to_be_revoked() -> None:
    late = await Late.after(2 * DAY, 2 * DAY, 2 * DAY)
    refuse(late.rig, 403, "Forbidden", to_vault("GET", FIRST), times=999)
    why = "reading the secret was answered 403 Forbidden for the app's identity"
    ends = late.longest
    for moment in (late.ends, ends - timedelta(seconds=1)):
        late.wait_until(moment)
        outcome = await late.retire()
        assert outcome.reason == f"key1 is kept until {ends:%Y-%m-%d %H:%M}Z: {why}"
        assert late.works


async def test_of_one_whose_vault_does_not_answer_nothing_is_concluded() -> None:
    late = await Late.after(2 * DAY, 2 * DAY, 2 * DAY)
    refuse(late.rig, 503, "ServerBusy", to_vault("GET", FIRST), times=99)
    with pytest.raises(TransientError):
        await late.retire()
    assert late.works


async def test_what_the_source_refuses_is_written_to_none_of_them() -> None:
    """The secret rests, parked, and they hold the only value that works."""
    late = await Late.after(2 * DAY)
    rig = late.rig
    rig.world.accounts["appdata"].regenerate("key2")
    secret = await rig.service().engine.vaults.read(rig.item(NAME).ref)
    rig.tag(NAME, **parked(secret, "no role", rig.clock.now(), drifted=True))
    rig.clock.advance(60)
    await late.retire()
    for name in (FIRST, SECOND):
        assert [version.value for version in rig.vault.versions(name)] == [late.old]
    assert late.works
