"""Keys that are switched off refuse what leaked, but only until they are switched on again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.shared.delivery import Delivery

NAME = "app-key"


@pytest.mark.parametrize("member", [member for member in FAMILY if member.switched], ids=str)
async def test_a_leaked_key_is_not_called_revoked_because_keys_are_switched_off(
    member: Member,
) -> None:
    scene = KeyScene(member)
    rig = scene.rig
    scene.manage(NAME)
    first = rig.latest(NAME)
    await rig.service().engine.handle(rig.item(NAME, version=first.version, trigger="event"))
    scene.account.takes_keys = False
    item = rig.item(NAME, version=first.version, trigger="manual", compromised=True, force=True)
    outcome = await rig.service().engine.handle(item)
    assert outcome.result == "parked"
    assert first.value not in scene.live() or not outcome.retired
    assert rig.tags(NAME)["RekeyState"].startswith("compromised")
    scene.account.takes_keys = True
    rig.clock.advance(86_400 + 60)
    since = (rig.clock.now() - timedelta(days=1)).isoformat()
    await rig.service().sweep_vault(f'{{"vault": "{rig.vault.url}", "since": "{since}"}}')
    await Delivery(rig, rig.service).run(most=200)
    assert first.value not in scene.live()
    assert "RekeyState" not in rig.tags(NAME)
