"""The timer takes up what is due within minutes, however many vaults the deployment serves."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.shared.rig import VAULT_ACTIONS, Rig

MINUTE = timedelta(minutes=1)


async def test_the_number_of_vaults_does_not_slow_the_timer_down() -> None:
    """One timer looks after all vaults: a subscription's budget is not to be divided by them."""
    rig = Rig()
    vaults = [rig.vault, *(rig.world.add_vault(f"team-{number}") for number in range(9))]
    for vault in vaults[1:]:
        rig.world.grant(rig.identity, VAULT_ACTIONS, vault.resource_id)
    group = rig.host.resource_id.split("/providers/")[0]
    rig.environment = {
        "REKEY_VAULTS": ",".join(vault.url for vault in vaults),
        "REKEY_SCOPES": json.dumps({vault.url: [group] for vault in vaults}),
    }
    for number in range(20):
        name = f"key-{number}"
        rig.secret(name, rig.account(f"account{number}"))
        since = rig.clock.now() - 5 * MINUTE
        source = rig.tags(name)["ProviderAddress"].lower()
        await rig.note(source, name, changing=since, look_at=since + MINUTE)
    await rig.service().recheck()
    assert len(rig.messages("rotations")) == 20
