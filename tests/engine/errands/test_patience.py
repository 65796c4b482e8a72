"""How long a retirement waits for apps: never longer than the overlap was, nor than a week."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.decide.decision import Retire
from engine.errands.consumers import patience
from engine.model.tags import RETIRE, Pending
from tests.shared.builders import NOW, item, judge, pending, version
from tests.shared.consuming import DAY as SECONDS_A_DAY
from tests.shared.consuming import SHOP, Consuming
from tests.shared.scene import NAME

DAY = timedelta(days=1)
OVERLAP = 3 * DAY
COPY = "https://prod.vault.azure.net/secrets/copy"


@pytest.mark.parametrize(
    ("age", "waits"),
    [
        (2 * DAY, 2 * DAY),
        (30 * DAY, 7 * DAY),
        # Written after its overlap had ended, so how long that was is not known.
        (timedelta(0), OVERLAP),
        (-DAY, OVERLAP),
    ],
)
def test_a_retirement_waits_as_long_again_as_the_overlap_was_and_a_week_at_most(
    age: timedelta, waits: timedelta
) -> None:
    retirement = {**pending(timedelta(0)), "OverlapHours": "72"}
    decision = judge(version(left=80 * DAY, changes=retirement), item(action="retire"))
    assert isinstance(decision, Retire)
    assert patience(decision, NOW - age) == NOW + waits


async def rotated(match: str = NAME, replica: str = "", secret: str = NAME) -> Consuming:
    """Return a rig whose overlap is over, with an app that still uses an older version."""
    tags = {"Replicas": replica} if replica else {}
    rig = Consuming(SHOP, match=match, tags=tags)
    rig.vault.put("copy", "x", tags={"ReplicaOf": f"{rig.vault.url}/secrets/{NAME}"})
    reference = f"@Microsoft.KeyVault(SecretUri={rig.vault.url}/secrets/{secret})"
    rig.site(KEY=reference).stuck = True
    await rig.rotate()
    rig.clock.advance(7 * SECONDS_A_DAY)
    return rig


async def test_it_waits_to_the_second_and_no_longer() -> None:
    rig = await rotated()
    until = Pending.parse(rig.tags(NAME)[RETIRE]).at.timestamp() + 7 * SECONDS_A_DAY
    for left, is_kept in ((1, True), (0, False)):
        rig.clock.advance(until - left - rig.clock.now().timestamp())
        await rig.try_to_retire()
        assert (RETIRE in rig.tags(NAME)) == is_kept


async def test_it_waits_for_an_app_that_uses_an_older_version_of_a_replica() -> None:
    rig = await rotated("copy", COPY, "copy")
    await rig.try_to_retire()
    assert RETIRE in rig.tags(NAME)
    rig.world.web.sites[SHOP.lower()].stuck = False
    await rig.service().rotate(rig.item("copy", action="refresh").to_json(), 1)
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)


async def test_it_waits_for_no_app_of_a_replica_that_is_gone() -> None:
    rig = await rotated("copy", COPY, "copy")
    rig.vault.delete("copy")
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)
