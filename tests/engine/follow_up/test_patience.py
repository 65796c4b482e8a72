"""How long a retirement waits for apps: never longer than the overlap was, nor than a week."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.state.sweep_order import SweepOrder
from engine.state.tags import RETIRE, Pending
from simulator.reach.sabotage import Died
from tests.shared.consuming import DAY, SHOP, Consuming
from tests.shared.heard import heard
from tests.shared.scene import NAME, struck, to_vault

COPY = "https://prod.vault.azure.net/secrets/copy"


async def rotated(
    match: str = NAME, replica: str = "", secret: str = NAME, hours: int = 168
) -> Consuming:
    """Return a rig whose overlap is over, with an app that still uses an older version."""
    tags = {"OverlapHours": str(hours), **({"Replicas": replica} if replica else {})}
    rig = Consuming(SHOP, match=match, tags=tags)
    rig.vault.put("copy", "x", tags={"ReplicaOf": f"{rig.vault.url}/secrets/{NAME}"})
    reference = f"@Microsoft.KeyVault(SecretUri={rig.vault.url}/secrets/{secret})"
    rig.site(KEY=reference).stuck = True
    await rig.rotate()
    rig.clock.advance(hours * 3600)
    return rig


@pytest.mark.parametrize("hours", [48, 168, 30 * 24], ids=["short", "a week", "a month"])
async def test_it_waits_as_long_again_as_the_overlap_was_and_a_week_at_most(hours: int) -> None:
    rig = await rotated(hours=hours)
    overlap = Pending.parse(rig.tags(NAME)[RETIRE]).at.timestamp() - rig.latest(NAME).created
    await waits_until(rig, min(timedelta(seconds=overlap), timedelta(days=7)))


@pytest.mark.parametrize("late", [0, 60])
async def test_who_writes_the_value_again_after_its_overlap_makes_it_wait_no_longer(
    late: float,
) -> None:
    """How long the overlap was is not known then: the owner's tag says how long it should be."""
    rig = await rotated(hours=72)
    current, ends = rig.latest(NAME), Pending.parse(rig.tags(NAME)[RETIRE]).at
    written, expires = ends + timedelta(seconds=late), ends + timedelta(days=80)
    rig.vault.put(NAME, current.value, tags=current.tags, expires=expires, created=written)
    await waits_until(rig, timedelta(hours=72))


async def waits_until(rig: Consuming, longer: timedelta) -> None:
    """Check that a retirement is put off to this second after the overlap, and no further."""
    until = Pending.parse(rig.tags(NAME)[RETIRE]).at + longer
    for left, is_kept in ((1, True), (0, False)):
        rig.clock.advance((until - rig.clock.now()).total_seconds() - left)
        await rig.try_to_retire()
        assert (RETIRE in rig.tags(NAME)) == is_kept


async def test_it_waits_for_an_app_that_uses_an_older_version_of_a_replica() -> None:
    rig = await rotated("copy", COPY, "copy")
    await rig.try_to_retire()
    assert RETIRE in rig.tags(NAME)
    rig.world.web.sites[SHOP.lower()].stuck = False
    await rig.work("copy", action="refresh")
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)


async def test_it_waits_for_no_app_of_a_replica_that_is_gone() -> None:
    rig = await rotated("copy", COPY, "copy")
    rig.vault.delete("copy")
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)


async def test_a_replica_that_no_app_uses_is_not_read_for_it() -> None:
    rig = await rotated(NAME, COPY)
    rig.world.exchanges.clear()
    await rig.try_to_retire()
    assert RETIRE in rig.tags(NAME)
    assert not [it for it in rig.world.exchanges if to_vault("GET", "copy")(it.request)]


@pytest.mark.parametrize("match", [NAME, "copy"])
async def test_while_it_waits_the_app_is_refreshed_every_day(match: str) -> None:
    rig = await rotated(match, COPY, match)
    await rig.try_to_retire()
    assert RETIRE in rig.tags(NAME)
    rig.clock.advance(DAY)
    rig.queue("rotations").clear()
    now, day = rig.clock.now(), timedelta(days=1)
    order = SweepOrder(rig.vault.url, now - day, now, timedelta(hours=1))
    await rig.service().sweep_vault(order.to_json())
    actions = [it["action"] for it in rig.messages("rotations") if it["secret"] == NAME]
    assert sorted(actions) == ["audit", "retire"]


async def test_what_a_dead_worker_published_is_no_reason_to_wait() -> None:
    """Its overlap passes before another worker comes, which reports the version first."""
    rig = Consuming(SHOP, tags={"OverlapHours": "48"})
    rig.site().stuck = True
    with pytest.raises(Died):
        await rig.service(struck(rig, to_vault("PUT"))).engine.handle(rig.item(NAME))
    rig.clock.advance(48 * 3600 + 60)
    service = rig.service()
    outcomes = heard(service.engine.reporter)
    await service.rotate(rig.item(NAME, action="retire", trigger="sweep").to_json(), 1)
    assert [outcome.result for outcome in outcomes] == ["rotated", "waiting"]
    assert outcomes[1].reason.startswith("key1 is kept until")
